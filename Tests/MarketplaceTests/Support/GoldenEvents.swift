import Marketplace
import Testing

/// An event and the line that the ledger keeps of it.
struct GoldenEvent: Sendable, CustomTestStringConvertible {
  let name: String
  let event: DomainEvent
  let json: String

  init(_ name: String, _ event: DomainEvent, _ json: String) {
    self.name = name
    self.event = event
    self.json = json
  }

  var testDescription: String { name }
}

extension GoldenEvent {
  private static let model = "2ba00c48-f46a-582f-bcaf-75b78f1dd219"
  private static let export = "0d3a4f0a-6a3e-4a49-8a5e-6f5f6c6d7e8f"

  /// One line for each type with every field, and one without the optional ones where there are any.
  static let all: [GoldenEvent] = workspace + versions + stages + descriptions + transfers + marketplace

  private static let workspace: [GoldenEvent] = [
    .init(
      "WorkspaceConnected",
      .workspaceConnected(
        WorkspaceConnected(
          registry: "http://127.0.0.1:5003", kind: "mlflow", mlflowWorkspace: "team-c",
          promoted: PromotionRule(aliases: ["champion", "prod"], stages: ["Production"]))),
      #"{"kind":"mlflow","mlflow_workspace":"team-c","promoted":{"aliases":["champion","prod"],"#
        + #""stages":["Production"]},"registry":"http://127.0.0.1:5003"}"#),
    .init(
      "WorkspaceConnected, bare",
      .workspaceConnected(
        WorkspaceConnected(registry: "r", kind: "mlflow", promoted: PromotionRule(aliases: [], stages: []))),
      #"{"kind":"mlflow","promoted":{"aliases":[],"stages":[]},"registry":"r"}"#),
    .init(
      "WorkspaceDisconnected", .workspaceDisconnected(WorkspaceDisconnected(reason: "closed")),
      #"{"reason":"closed"}"#),
    .init("WorkspaceDisconnected, bare", .workspaceDisconnected(WorkspaceDisconnected()), "{}"),
    .init(
      "WorkspaceObserved",
      .workspaceObserved(
        WorkspaceObserved(
          outcome: .complete, models: 2, versions: 5, changes: 0, observedFrom: 1_700_000_000_123,
          observedTo: 1_700_000_000_456)),
      #"{"changes":0,"models":2,"observed_from":1700000000123,"observed_to":1700000000456,"#
        + #""outcome":"complete","versions":5}"#),
    .init(
      "WorkspaceObserved, unreadable",
      .workspaceObserved(
        WorkspaceObserved(
          outcome: .unreadable, reason: "registry_forbidden", message: "403 from /api/2.0", models: 0,
          versions: 0, changes: 0, observedFrom: 1, observedTo: 2)),
      #"{"changes":0,"message":"403 from /api/2.0","models":0,"observed_from":1,"observed_to":2,"#
        + #""outcome":"unreadable","reason":"registry_forbidden","versions":0}"#),
  ]

  private static let versions: [GoldenEvent] = [
    .init(
      "ModelVersionRegistered",
      .modelVersionRegistered(
        ModelVersionRegistered(
          model: model, name: "naïve 🧬", modelCreated: 10, version: 3, created: 20, source: "models:/m-1",
          runID: "abc", modelID: "m-1", notBefore: 30, notAfter: 40)),
      #"{"created":20,"model":"\#(model)","model_created":10,"model_id":"m-1","name":"naïve 🧬","#
        + #""not_after":40,"not_before":30,"run_id":"abc","source":"models:/m-1","version":3}"#),
    .init(
      "ModelVersionRegistered, bare",
      .modelVersionRegistered(
        ModelVersionRegistered(
          model: model, name: "n", modelCreated: 10, version: 3, created: 20, notAfter: 40)),
      #"{"created":20,"model":"\#(model)","model_created":10,"name":"n","not_after":40,"version":3}"#),
    .init(
      "ModelVersionDeleted",
      .modelVersionDeleted(
        ModelVersionDeleted(model: model, name: "n", version: 3, created: 20, notBefore: 30, notAfter: 40)),
      #"{"created":20,"model":"\#(model)","name":"n","not_after":40,"not_before":30,"version":3}"#),
    .init(
      "ModelRenamed",
      .modelRenamed(ModelRenamed(model: model, from: "a", to: "b", notBefore: 30, notAfter: 40)),
      #"{"from":"a","model":"\#(model)","not_after":40,"not_before":30,"to":"b"}"#),
  ]

  private static let stages: [GoldenEvent] = [
    .init(
      "StageTransitioned",
      .stageTransitioned(
        StageTransitioned(
          model: model, name: "n", version: 3, created: 20, from: "None", to: "Production", notBefore: 30,
          notAfter: 40, sourceTime: 35)),
      #"{"created":20,"from":"None","model":"\#(model)","name":"n","not_after":40,"not_before":30,"#
        + #""source_time":35,"to":"Production","version":3}"#),
    .init(
      "AliasAssigned",
      .aliasAssigned(
        AliasAssigned(
          model: model, name: "n", alias: "champion", version: 3, created: 20, from: 2, notBefore: 30,
          notAfter: 40)),
      #"{"alias":"champion","created":20,"from":2,"model":"\#(model)","name":"n","not_after":40,"#
        + #""not_before":30,"version":3}"#),
    .init(
      "AliasRemoved",
      .aliasRemoved(
        AliasRemoved(model: model, name: "n", alias: "champion", version: 3, notBefore: 30, notAfter: 40)),
      #"{"alias":"champion","model":"\#(model)","name":"n","not_after":40,"not_before":30,"version":3}"#),
  ]

  private static var describedVersion: ModelDescribed {
    var described = ModelDescribed(
      model: model, name: "n", version: 3, description: "a \"d\"", owner: "alice", tags: ["k": "v/w"])
    described.flavors = ["python_function", "sklearn"]
    described.signature = ["inputs": "[]"]
    described.metrics = [
      "auc": MetricValue(0.5), "loss": MetricValue(.nan), "max": MetricValue(.infinity),
      "min": MetricValue(-.infinity),
    ]
    described.params = ["C": "0.3"]
    described.runName = "train"
    described.experiment = "training"
    return described
  }

  private static let descriptions: [GoldenEvent] = [
    .init(
      "ModelDescribed of a version", .modelDescribed(describedVersion),
      #"{"description":"a \"d\"","experiment":"training","flavors":["python_function","sklearn"],"#
        + #""metrics":{"auc":0.5,"loss":"NaN","max":"Infinity","min":"-Infinity"},"model":"\#(model)","#
        + #""name":"n","owner":"alice","params":{"C":"0.3"},"run_name":"train","#
        + #""signature":{"inputs":"[]"},"tags":{"k":"v/w"},"version":3}"#),
    .init(
      "ModelDescribed of a model",
      .modelDescribed(ModelDescribed(model: model, name: "n", description: nil, owner: nil, tags: [:])),
      #"{"model":"\#(model)","name":"n","tags":{}}"#),
  ]

  private static let transfers: [GoldenEvent] = [
    .init(
      "ModelExported",
      .modelExported(
        ModelExported(
          model: model, name: "n", version: 3, created: 20, generation: 1, exportID: export,
          uri: "file:///s/x", manifestSHA256: "aa", modelSHA256: "bb", files: 4, bytes: 5_000_000_000)),
      #"{"bytes":5000000000,"created":20,"export_id":"\#(export)","files":4,"generation":1,"#
        + #""manifest_sha256":"aa","model":"\#(model)","model_sha256":"bb","name":"n","#
        + #""uri":"file:///s/x","version":3}"#),
    .init(
      "ExportFailed",
      .exportFailed(
        TransferFailed(
          model: model, name: "n", version: 3, created: 20, generation: 1, code: "export_empty",
          message: "no files", retriable: false)),
      #"{"code":"export_empty","created":20,"generation":1,"message":"no files","model":"\#(model)","#
        + #""name":"n","retriable":false,"version":3}"#),
    .init(
      "ExportInvalidated",
      .exportInvalidated(
        ExportInvalidated(
          model: model, name: "n", version: 3, created: 20, generation: 1, exportID: export, reason: "rotten")),
      #"{"created":20,"export_id":"\#(export)","generation":1,"model":"\#(model)","name":"n","#
        + #""reason":"rotten","version":3}"#),
    .init(
      "ModelImported",
      .modelImported(
        ModelImported(
          model: model, name: "n", version: 3, created: 20, generation: 2, exportID: export,
          target: "marketplace", marketplaceName: "dev01.n", marketplaceVersion: 7, marketplaceRunID: "r",
          manifestSHA256: "aa")),
      #"{"created":20,"export_id":"\#(export)","generation":2,"manifest_sha256":"aa","#
        + #""marketplace_name":"dev01.n","marketplace_run_id":"r","marketplace_version":7,"#
        + #""model":"\#(model)","name":"n","target":"marketplace","version":3}"#),
    .init(
      "ImportFailed",
      .importFailed(
        TransferFailed(
          model: model, name: "n", version: 3, created: 20, generation: 1, exportID: export,
          target: "marketplace", code: "digest", message: "m", retriable: true)),
      #"{"code":"digest","created":20,"export_id":"\#(export)","generation":1,"message":"m","#
        + #""model":"\#(model)","name":"n","retriable":true,"target":"marketplace","version":3}"#),
    .init(
      "ImportLost",
      .importLost(
        ImportLost(
          model: model, name: "n", version: 3, created: 20, generation: 1, target: "marketplace",
          marketplaceName: "dev01.n", marketplaceVersion: 7, reason: "deleted by hand")),
      #"{"created":20,"generation":1,"marketplace_name":"dev01.n","marketplace_version":7,"#
        + #""model":"\#(model)","name":"n","reason":"deleted by hand","target":"marketplace","version":3}"#),
  ]

  private static let marketplace: [GoldenEvent] = [
    .init(
      "MarketplaceNameAssigned",
      .marketplaceNameAssigned(
        MarketplaceNameAssigned(
          name: "dev01.Risk", folded: "dev01.risk", workspace: "dev01", model: model, sourceName: "Risk")),
      #"{"folded":"dev01.risk","model":"\#(model)","name":"dev01.Risk","source_name":"Risk","#
        + #""workspace":"dev01"}"#),
    .init(
      "MarketplacePromotionSet",
      .marketplacePromotionSet(
        MarketplacePromotionSet(
          model: model, name: "n", target: "marketplace", marketplaceName: "dev01.n", from: 1, to: 2,
          version: 3, cause: .rollback)),
      #"{"cause":"rollback","from":1,"marketplace_name":"dev01.n","model":"\#(model)","name":"n","#
        + #""target":"marketplace","to":2,"version":3}"#),
    .init(
      "MarketplacePromotionSet, withdrawal",
      .marketplacePromotionSet(
        MarketplacePromotionSet(
          model: model, name: "n", target: "marketplace", marketplaceName: "dev01.n", from: 1,
          cause: .withdrawal)),
      #"{"cause":"withdrawal","from":1,"marketplace_name":"dev01.n","model":"\#(model)","name":"n","#
        + #""target":"marketplace"}"#),
    .init(
      "MarketplaceDriftFound",
      .marketplaceDriftFound(
        MarketplaceDriftFound(
          model: model, name: "n", target: "marketplace", marketplaceName: "dev01.n", kind: "promotion",
          found: "stage: none; alias: none", expected: "stage: v1; alias: v1")),
      #"{"expected":"stage: v1; alias: v1","found":"stage: none; alias: none","kind":"promotion","#
        + #""marketplace_name":"dev01.n","model":"\#(model)","name":"n","target":"marketplace"}"#),
    .init(
      "TokenCreated",
      .tokenCreated(
        TokenCreated(
          token: "k3v9q2m1x7aa", name: "nightly", principal: "ann", scopes: ["catalog", "events:read"],
          workspaces: ["dev01"], expires: 3, sha256: "ab")),
      #"{"expires":3,"name":"nightly","principal":"ann","scopes":["catalog","events:read"],"sha256":"ab","#
        + #""token":"k3v9q2m1x7aa","workspaces":["dev01"]}"#),
    .init(
      "TokenRevoked", .tokenRevoked(TokenRevoked(token: "k3v9q2m1x7aa", reason: "lost")),
      #"{"reason":"lost","token":"k3v9q2m1x7aa"}"#),
  ]
}
