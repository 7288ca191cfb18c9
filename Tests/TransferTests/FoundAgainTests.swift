import Foundation
import Marketplace
import NIOHTTP1
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("Found again in the marketplace", .enabled(if: MLflowServers.three != nil))
struct FoundAgainTests {
  @Test("of two logged models for one version the oldest is the one, and ours is removed")
  func twoLoggedModels() async throws {
    var world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    _ = try await world.sync([.observe, .export])
    let model = try await world.model("m")
    let version = try #require(model.versions[1])
    let key = Tag(OwnTags.sourceKey, VersionIdentity(try WorkspaceID("dev01"), model, version).sourceKey(generation: 1))
    let marketplace = world.marketplace
    let target = world.interposeTarget()
    // A run that lost its lock makes its own between our look-up and our call.
    target.restart { call, moment, number in
      guard call == .createLoggedModel, moment == .before, number == 1 else { return }
      let experiment = try await marketplace.createExperiment(named: "dev01/training", tags: [])
      _ = try await marketplace.createLoggedModel(
        NewLoggedModel(experimentID: experiment.id, name: "theirs", tags: [key]))
    }
    let report = try await world.sync()
    #expect(report.isClean)
    let experiment = try #require(try await marketplace.experiment(named: "dev01/training"))
    let found = try await marketplace.loggedModels(inExperiments: [experiment.id], tagged: key)
    #expect(found.map(\.name) == ["theirs"])
    let imported = try await marketplace.modelVersion(name: "dev01.m", version: 1)
    #expect(imported?.source == found.first.map { "models:/\($0.id)" })
    #expect(try await world.marketplaceFile("MLmodel", of: "dev01.m", version: 1).isEmpty == false)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a version that a killed run made under another name is removed once the model is imported under its own")
  func otherName() async throws {
    let world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    _ = try await world.sync([.observe, .export])
    let model = try await world.model("m")
    let version = try #require(model.versions[1])
    let key = Tag(OwnTags.sourceKey, VersionIdentity(try WorkspaceID("dev01"), model, version).sourceKey(generation: 1))
    // When that run began the model was to go on under its predecessor's name; it was killed before its event.
    _ = try await world.marketplace.createRegisteredModel(named: "dev01.old", description: nil, tags: [])
    _ = try await world.marketplace.createModelVersion(
      NewModelVersion(name: "dev01.old", source: "s3://bucket/old", tags: [key]))
    #expect(try await world.sync().isClean)
    let found = try await world.marketplace.modelVersions(tagged: key)
    #expect(found.map(\.name) == ["dev01.m"])
    #expect(try await world.marketplace.modelVersions(of: "dev01.old").isEmpty)
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test(
    "what an import that died made from an export that rotted since is made anew from the next one",
    arguments: [InterposedRegistry.Call.upload, .createModelVersion])
  func madeFromRotten(_ last: InterposedRegistry.Call) async throws {
    var world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await world.train("m", [("weights.bin", [1, 2, 3])])
    let target = world.interposeTarget()
    target.restart { call, moment, _ in
      if call == last, moment == .after { throw CancellationError() }
    }
    let dying = world
    await #expect(throws: CancellationError.self) { try await dying.sync() }
    target.restart()
    let export = try await world.export("m")
    try await world.put([3, 2, 1], at: world.key(of: "model.json", in: export))
    try await source.updateModelVersion(name: "m", version: 1, description: "said later")
    try await source.setTag(Tag("team", "blue"), ofModel: "m", version: 1)

    let report = try await world.sync()
    #expect(report.items.map(\.action) == [.invalidated, .exported, .imported, .promoted])
    let versions = try await world.marketplace.modelVersions(of: "dev01.m")
    let version = try #require(versions.first)
    #expect(versions.count == 1)
    #expect(version.description == "said later")
    #expect(version.tags["team"] == "blue")
    let latest = try await world.export("m")
    #expect(latest.exportID != export.exportID)
    #expect(version.tags[OwnTags.exportID] == latest.exportID)
    let experiment = try #require(try await world.marketplace.experiment(named: "dev01/training"))
    let key = Tag(OwnTags.sourceKey, try #require(version.tags[OwnTags.sourceKey]))
    let models = try await world.marketplace.loggedModels(inExperiments: [experiment.id], tagged: key)
    #expect(models.map { "models:/\($0.id)" } == [version.source])
    #expect(models.first?.tags[OwnTags.exportID] == latest.exportID)
    #expect(
      try await world.marketplaceFile("weights.bin", of: "dev01.m", version: version.version) == [1, 2, 3])
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("more parameters of a logged model than one call takes arrive, each once, also after a kill in between")
  func manyParams() async throws {
    var world = try await TestWorld.make("dev01")
    let source = try world.source()
    let run = try await source.train()
    let experiment = try #require(try await source.experiment(named: "training"))
    let params = (1...250).map { Param("p\($0)", "v\($0)") }
    let model = try await source.createLoggedModel(
      NewLoggedModel(
        experimentID: experiment.id, name: "model", sourceRunID: run.id, params: Array(params.prefix(100)),
        tags: [Tag("colour", "blue")]))
    try await source.logParams(Array(params.dropFirst(100)), ofLoggedModel: model.id)
    try await source.putModel("many", to: source.artifactLocation(of: model))
    _ = try await source.finalizeLoggedModel(model.id)
    try await source.registerVersion(of: "m", source: "models:/\(model.id)", run: run)

    let target = world.interposeTarget()
    target.restart { call, moment, number in
      if call == .logModelParams, moment == .after, number == 1 { throw CancellationError() }
    }
    await #expect(throws: CancellationError.self) { try await world.sync() }
    target.restart()
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(target.count(.createLoggedModel) == 0)
    let version = try #require(try await world.marketplace.modelVersion(name: "dev01.m", version: 1))
    let imported = try #require(
      try await world.marketplace.loggedModel(String(version.source.dropFirst("models:/".count))))
    #expect(Set(imported.params) == Set(params))
    #expect(imported.params.count == params.count)
    #expect(imported.tags["colour"] == "blue")
    #expect(try await world.violations().isEmpty)
  }

  @Test("one source run stays one run when its experiment is renamed, and is brought back when it was deleted")
  func renamedExperiment() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.mlflow()
    let run = try await source.train()
    let one = try await source.logModel("one", in: run)
    try await source.registerVersion(of: "m", source: "models:/\(one.id)", run: run)
    #expect(try await world.sync().isClean)
    let first = try await world.marketplaceRun(of: "dev01.m", version: 1)

    let experiment = try #require(try await source.experiment(named: "training"))
    let second = try await source.logModel("two", in: run)
    try await source.change(
      .POST, "experiments/update", ["experiment_id": experiment.id, "new_name": "training of last year"])
    try await source.registerVersion(of: "m", source: "models:/\(second.id)", run: run)
    #expect(try await world.sync().isClean)
    #expect(try await world.marketplaceRun(of: "dev01.m", version: 2).id == first.id)

    try await world.marketplace.deleteRun(first.id)
    let experiments = try await world.marketplace.experiments(tagged: Tag(OwnTags.workspace, "dev01"))
    #expect(experiments.map(\.name) == ["dev01/training"])
    try await world.marketplace.change(.POST, "experiments/delete", ["experiment_id": first.experimentID])
    let third = try await source.logModel("three", in: run)
    try await source.registerVersion(of: "m", source: "models:/\(third.id)", run: run)
    #expect(try await world.sync().isClean)
    let back = try await world.marketplaceRun(of: "dev01.m", version: 3)
    #expect(back.id == first.id)
    #expect(back.isDeleted == false)
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("of a logged model's metrics those measured in the exported run are taken, and logged once")
  func modelMetrics() async throws {
    let document = """
      {"info": {}, "system": {}, "mlflow": {"model_id": "m-1", "metrics": [
        {"key": "auc", "value": 0.5, "timestamp": 7, "step": 2, "model_id": "m-1", "run_id": "r"},
        {"key": "odd", "text": "NaN", "timestamp": 8, "step": 0, "model_id": "m-1", "run_id": "r"},
        {"key": "auc", "value": 0.9, "timestamp": 9, "step": 0, "model_id": "m-1", "run_id": "another"}]}}
      """
    let metrics = try ExportContents.metrics(in: Array(document.utf8), of: "r")
    #expect(metrics.map(\.key) == ["auc", "odd"])
    #expect(metrics.first == Metric(key: "auc", value: 0.5, timestamp: 7, step: 2))
    #expect(metrics.last?.value.isNaN == true)
    #expect(try ExportContents.metrics(in: Array(#"{"mlflow": {"model_id": "m-1"}}"#.utf8), of: "r").isEmpty)

    let registry = try await MLflowServers.registry("metrics")
    let run = try await registry.train()
    let model = try await registry.logModel("x", in: run)
    for _ in 1...2 { try await registry.logMetrics(metrics, ofLoggedModel: model.id, run: run.id) }
    let logged = try #require(try await registry.loggedModel(model.id))
    #expect(logged.metrics.count == 2)
    #expect(try await registry.metricHistory(run: run.id, key: "auc").count == 1)
  }
}
