import Foundation
import Registry

/// What a data scientist does at a source, over the same REST calls that MLflow's client makes.
extension ModelRegistry {
  /// Logs a small model in a run and registers it: the next version of `name`.
  ///
  /// - Parameter content: what `model.pkl` holds, so that versions differ in their bytes.
  @discardableResult
  func register(
    _ name: String, content: String = UUID().uuidString, stage: String? = nil, alias: String? = nil,
    metrics: [Metric] = [], files: [String: [UInt8]] = [:]
  ) async throws -> ModelVersion {
    let experiment = try await createExperiment(named: "training", tags: [])
    let run = try await createRun(
      NewRun(
        experimentID: experiment.id, name: "train \(name)", userID: "alice", startTime: 1_700_000_000_123,
        tags: [Registry.Tag("git", "abc")]))
    try await logBatch(run: run.id, metrics: metrics, params: [Param("C", "0.3")], tags: [])
    for (path, bytes) in files { try await put(bytes, at: path, to: artifactLocation(of: run)) }
    let model = try await createLoggedModel(
      NewLoggedModel(experimentID: experiment.id, name: "model", sourceRunID: run.id))
    try await putModel(content, to: artifactLocation(of: model))
    _ = try await finalizeLoggedModel(model.id)
    try await updateRun(run.id, status: "FINISHED", endTime: 1_700_000_060_456, name: nil)
    _ = try await createRegisteredModel(named: name, description: "A model called \(name)", tags: [])
    let version = try await createModelVersion(
      NewModelVersion(
        name: name, source: "models:/\(model.id)", runID: run.id, modelID: model.id,
        description: "trained on \(content)",
        tags: []))
    if let stage { try await promote(name, version.version, to: stage) }
    if let alias { try await setAlias(alias, ofModel: name, version: version.version) }
    return version
  }

  /// Moves a version to a stage; others of the model stay where they are.
  func promote(_ name: String, _ version: Int, to stage: String = "Production") async throws {
    try await transitionStage(name: name, version: version, to: stage, archiveExistingVersions: false)
  }

  /// The least that MLflow takes for a model.
  func putModel(_ content: String, to location: ArtifactLocation) async throws {
    let mlmodel = "flavors:\n  python_function:\n    loader_module: none\nutc_time_created: '2026-01-01'\n"
    try await put(Array(mlmodel.utf8), at: "MLmodel", to: location)
    try await put(Array(content.utf8), at: "model.pkl", to: location)
  }

  /// Writes one file.
  func put(_ bytes: [UInt8], at path: String, to location: ArtifactLocation) async throws {
    try await upload(path, to: location, length: Int64(bytes.count)) {
      AsyncStream { continuation in
        continuation.yield(bytes)
        continuation.finish()
      }
    }
  }
}
