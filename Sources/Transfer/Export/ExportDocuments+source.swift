import Foundation
import Marketplace
import Registry

extension ExportSource {
  /// Where the files of our making may lie in the export.
  var documentPaths: [String] {
    let ofRun = run.map { ["\($0.id)/run.json", "\($0.id)/\(MetricHistories.fileName)"] } ?? []
    return ["model.json"] + ofRun + (loggedModel.map { ["\($0.id)/logged_model.json"] } ?? [])
  }

  /// The export's JSON files by path.
  func documents(in registry: any ModelRegistry, histories: MetricHistories?) async throws -> [(
    path: String, bytes: [UInt8]
  )] {
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
      let document = ExportDocument(
        runDocument(run, histories), script: "export_run.py", mlflowVersion: server)
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
        aliases: registeredModel.aliases.sorted { ExactText($0.name) < ExactText($1.name) }.map {
          .init(alias: $0.name, version: String($0.version))
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

  private func runDocument(_ run: Run, _ histories: MetricHistories?) -> RunDocument {
    let points = histories?.points ?? [:]
    let hasFile = histories?.hasFile == true
    return RunDocument(
      info: .init(
        runID: run.id, experimentID: run.experimentID, runName: run.name, userID: run.userID, status: run.status,
        startTime: run.startTime, endTime: run.endTime, artifactURI: run.artifactURI,
        lifecycleStage: run.lifecycleStage),
      params: dictionary(run.params.map { ($0.key, $0.value) }),
      metrics: points.mapValues { $0.filter { $0.text == nil } },
      nonFiniteMetrics: points.mapValues { $0.filter { $0.text != nil } }.filter { !$0.value.isEmpty },
      metricHistory: hasFile ? .init(file: MetricHistories.fileName, points: histories?.count ?? 0) : nil,
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
      creationTimestamp: model.created, sourceRunID: model.sourceRunID, lastUpdatedTimestamp: model.lastUpdated,
      artifactLocation: model.artifactURI, status: model.status, statusMessage: model.statusMessage,
      params: dictionary(model.params.map { ($0.key, $0.value) }),
      metrics: model.metrics.map { measured in
        let point = RunDocument.Point(measured.metric)
        return .init(
          key: measured.metric.key, value: point.value, text: point.text, timestamp: point.timestamp, step: point.step,
          modelID: model.id, runID: measured.runID, datasetName: measured.datasetName,
          datasetDigest: measured.datasetDigest)
      },
      tags: dictionary(model.tags.map { ($0.key, $0.value) }))
  }
}

/// The first value of each key, keys told apart by their bytes.
func dictionary<Value>(_ pairs: [(String, Value)]) -> [ExactText: Value] {
  Dictionary(pairs.map { (ExactText($0.0), $0.1) }, uniquingKeysWith: { first, _ in first })
}
