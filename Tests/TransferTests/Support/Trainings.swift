import Foundation
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

/// A training as a data scientist logs it, in as much detail as a test asks for.
struct Training {
  var name = "train"
  var user = "alice"
  var startTime: Int64 = 1_700_000_000_123
  var endTime: Int64 = 1_700_000_060_456
  var metrics: [Metric] = []
  var params: [Param] = []
  var tags: [Registry.Tag] = []
  var datasets: [DatasetInput] = []
  var files: [(path: String, bytes: [UInt8])] = []
}

extension ModelRegistry {
  /// Logs a finished run.
  func train(_ training: Training = Training()) async throws -> Run {
    let experiment = try await createExperiment(named: "training", tags: [])
    let run = try await createRun(
      NewRun(
        experimentID: experiment.id, name: training.name, userID: training.user, startTime: training.startTime,
        tags: training.tags))
    try await logBatch(run: run.id, metrics: training.metrics, params: training.params, tags: [])
    if !training.datasets.isEmpty { try await logInputs(run: run.id, datasets: training.datasets) }
    for file in training.files { try await put(file.bytes, at: file.path, to: artifactLocation(of: run)) }
    try await updateRun(run.id, status: "FINISHED", endTime: training.endTime, name: nil)
    return try #require(try await self.run(run.id))
  }

  /// Logs a model of MLflow 3, in a run or outside any, and finishes it. Without content it has no files.
  func logModel(
    _ content: String?, in run: Run? = nil, files: [(path: String, bytes: [UInt8])] = []
  ) async throws -> LoggedModel {
    let experiment = try await createExperiment(named: "training", tags: [])
    let model = try await createLoggedModel(
      NewLoggedModel(experimentID: experiment.id, name: "model", sourceRunID: run?.id))
    let location = try artifactLocation(of: model)
    if let content { try await putModel(content, to: location) }
    for file in files { try await put(file.bytes, at: file.path, to: location) }
    return try await finalizeLoggedModel(model.id)
  }

  /// Registers the next version of a model from a source, in Production unless said otherwise.
  @discardableResult
  func registerVersion(
    of name: String, source: String, run: Run? = nil, stage: String? = "Production", alias: String? = nil
  ) async throws -> ModelVersion {
    _ = try await createRegisteredModel(named: name, description: "A model called \(name)", tags: [])
    let version = try await createModelVersion(NewModelVersion(name: name, source: source, runID: run?.id))
    if let stage { try await promote(name, version.version, to: stage) }
    if let alias { try await setAlias(alias, ofModel: name, version: version.version) }
    return version
  }

  /// Registers a version as MLflow 2 does: its files are artifacts of the run, in a folder.
  @discardableResult
  func registerInRun(
    _ name: String, content: String, folder: String = "model", stage: String? = "Production", alias: String? = nil
  ) async throws -> ModelVersion {
    var training = Training()
    training.files = [("notes.txt", Array("of \(content)".utf8))]
    let run = try await train(training)
    for (file, bytes) in [("MLmodel", Training.mlmodel), ("model.pkl", Array(content.utf8))] {
      try await put(bytes, at: "\(folder)/\(file)", to: artifactLocation(of: run))
    }
    return try await registerVersion(
      of: name, source: "\(run.artifactURI)/\(folder)", run: run, stage: stage, alias: alias)
  }
}

extension Training {
  /// The least that MLflow takes for a model's description.
  static let mlmodel = Array("flavors:\n  python_function:\n    loader_module: none\n".utf8)
}

extension TestWorld {
  /// A fresh ledger and store over registries that are there already.
  static func over(_ sources: [String: any ModelRegistry], marketplace: MLflowRegistry) async throws -> TestWorld {
    let fresh = try await make()
    return TestWorld(
      pool: fresh.pool, ledger: fresh.ledger, storage: fresh.storage, storageRoot: fresh.storageRoot,
      sources: sources, marketplace: marketplace, target: marketplace)
  }

  /// The MLflow 2 server, which every test shares: names, workspace ids and aliases of a test have to be its own.
  static func two() throws -> MLflowRegistry {
    try MLflowRegistry(MLflowRegistry.Configuration(url: try #require(MLflowServers.two)))
  }

  /// A word that no other test uses.
  static func unique(_ prefix: String) -> String { "\(prefix)-\(UUID().uuidString.lowercased().prefix(8))" }

  /// Every finished file of every export, by path.
  func storedFiles() async throws -> [StoredPath] {
    let root = URL(fileURLWithPath: storageRoot)
    let keys: [URLResourceKey] = [.contentModificationDateKey, .isRegularFileKey, .fileSizeKey]
    let found = FileManager.default.enumerator(at: root, includingPropertiesForKeys: keys)?.allObjects ?? []
    return try found.compactMap { $0 as? URL }.map { url in
      let values = try url.resourceValues(forKeys: Set(keys))
      return StoredPath(
        path: String(url.path.dropFirst(root.path.count)), size: values.fileSize ?? 0,
        modified: values.contentModificationDate, isFile: values.isRegularFile ?? false)
    }.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  /// A file or a folder in the store.
  struct StoredPath: Hashable {
    var path: String
    var size: Int
    var modified: Date?
    var isFile: Bool
  }
}
