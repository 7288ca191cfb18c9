import Foundation
import Registry

extension ExportSource {
  /// The export's JSON files by path, the run's metric histories read from the registry.
  func documents(in registry: any ModelRegistry) async throws -> [(path: String, bytes: [UInt8])] {
    let server = try await registry.serverInfo().version
    var documents = [
      (
        path: "model.json",
        bytes: try ExportDocument(
          registeredModelDocument, script: "export_model.py", mlflowVersion: server,
          info: ["num_dst_versions": 1, "num_src_versions": 1, "num_target_versions": 0]
        ).encoded()
      )
    ]
    if let run {
      let content = try await runDocument(run, in: registry)
      let document = ExportDocument(content, script: "export_run.py", mlflowVersion: server)
      documents.append((path: "\(run.id)/run.json", bytes: try document.encoded()))
    }
    if let loggedModel {
      let document = ExportDocument(
        Self.document(of: loggedModel), script: "export_logged_model.py", mlflowVersion: server)
      documents.append((path: "\(loggedModel.id)/logged_model.json", bytes: try document.encoded()))
    }
    return documents
  }

  private var registeredModelDocument: RegisteredModelDocument {
    RegisteredModelDocument(
      registeredModel: .init(
        name: registeredModel.name, creationTimestamp: registeredModel.created,
        lastUpdatedTimestamp: registeredModel.lastUpdated, description: registeredModel.description,
        tags: registeredModel.tags,
        aliases: registeredModel.aliases.sorted { $0.key < $1.key }.map {
          .init(alias: $0.key, version: String($0.value))
        }, versions: [versionDocument]))
  }

  private var versionDocument: RegisteredModelDocument.Version {
    RegisteredModelDocument.Version(
      name: version.name, version: String(version.version), creationTimestamp: version.created,
      lastUpdatedTimestamp: version.lastUpdated, currentStage: version.stage, description: version.description,
      source: modelPath, registeredSource: version.source, runID: version.runID ?? "", runLink: version.runLink,
      userID: version.userID ?? "",
      status: version.status, tags: dictionary(version.tags.map { ($0.key, $0.value) }), aliases: version.aliases,
      runArtifactURI: run?.artifactURI ?? "", experimentName: experiment?.name ?? "")
  }

  private func runDocument(_ run: Run, in registry: any ModelRegistry) async throws -> RunDocument {
    var finite: [String: [RunDocument.Point]] = [:]
    var other: [String: [RunDocument.Point]] = [:]
    for key in run.metrics.map(\.key) {
      let history = try await registry.metricHistory(run: run.id, key: key).map { ($0, RunDocument.Point($0)) }
      finite[key] = history.filter { $0.0.value.isFinite }.map(\.1)
      let strange = history.filter { !$0.0.value.isFinite }.map(\.1)
      if !strange.isEmpty { other[key] = strange }
    }
    return RunDocument(
      info: .init(
        runID: run.id, experimentID: run.experimentID, runName: run.name, userID: run.userID, status: run.status,
        startTime: run.startTime, endTime: run.endTime, artifactURI: run.artifactURI,
        lifecycleStage: run.lifecycleStage),
      params: dictionary(run.params.map { ($0.key, $0.value) }), metrics: finite, nonFiniteMetrics: other,
      tags: dictionary(run.tags.map { ($0.key, $0.value) }),
      inputs: .init(
        datasetInputs: run.datasetInputs.map { input in
          .init(
            dataset: .init(
              name: input.name, digest: input.digest, sourceType: input.sourceType, source: input.source,
              schema: input.schema, profile: input.profile), tags: input.tags)
        }))
  }

  private static func document(of model: LoggedModel) -> LoggedModelDocument {
    LoggedModelDocument(
      modelID: model.id, name: model.name, modelType: model.modelType, experimentID: model.experimentID,
      creationTimestamp: model.created, sourceRunID: model.sourceRunID,
      params: dictionary(model.params.map { ($0.key, $0.value) }),
      tags: dictionary(model.tags.map { ($0.key, $0.value) }))
  }
}

/// The first value of each key.
func dictionary(_ pairs: [(String, String)]) -> [String: String] {
  Dictionary(pairs, uniquingKeysWith: { first, _ in first })
}
