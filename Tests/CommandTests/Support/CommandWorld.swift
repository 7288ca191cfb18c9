import Foundation
import Ledger
import Postgres
import Registry
import TestSupport
import Testing

/// A configuration, a migrated database and a folder of a test's own.
struct CommandWorld: Sendable {
  let database: TestDatabase
  let folder: String
  var configuration: String { folder + "/marketplace.yaml" }

  static func make() async throws -> CommandWorld {
    let database = try await TestCluster.migratedDatabase()
    let folder = TestCluster.newDirectory()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try TestCluster.removeAtExit(folder)
    return CommandWorld(database: database, folder: folder)
  }

  /// Writes the configuration: these workspaces and marketplace, each a line of YAML.
  func configure(_ workspaces: [String], marketplace: String? = nil) throws {
    let lines =
      ["database: \"\(database.conninfo)\"", "storage: file://\(folder)/storage", "workspaces:"]
      + workspaces.map { "  - \($0)" } + [marketplace.map { "marketplace: \($0)" }].compactMap(\.self)
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: configuration))
  }

  func run(_ arguments: String..., environment: [String: String] = [:]) async throws -> Program.Outcome {
    try await Program.start(arguments + ["--config", configuration], environment: environment).outcome()
  }

  /// A workspace of the MLflow 3 server as a line of YAML.
  static func line(_ id: String, mlflowWorkspace: String, more: String = "") -> String {
    "{id: \(id), registry: \"\(MLflowServers.three ?? "")\", mlflow_workspace: \(mlflowWorkspace)\(more)}"
  }

  /// Registers a small model and puts it into Production.
  static func promote(_ name: String, in workspace: String) async throws {
    let registry = try MLflowRegistry(.init(url: MLflowServers.three ?? "", mlflowWorkspace: workspace))
    let experiment = try await registry.createExperiment(named: "training", tags: [])
    let run = try await registry.createRun(
      NewRun(experimentID: experiment.id, name: "train", userID: "alice", startTime: 1_700_000_000_000, tags: []))
    let model = try await registry.createLoggedModel(
      NewLoggedModel(experimentID: experiment.id, name: "model", sourceRunID: run.id))
    let bytes = Array("flavors:\n  python_function:\n    loader_module: none\n".utf8)
    try await registry.upload("MLmodel", to: registry.artifactLocation(of: model), length: Int64(bytes.count)) {
      AsyncStream { continuation in
        continuation.yield(bytes)
        continuation.finish()
      }
    }
    _ = try await registry.finalizeLoggedModel(model.id)
    _ = try await registry.createRegisteredModel(named: name, description: nil, tags: [])
    let version = try await registry.createModelVersion(
      NewModelVersion(
        name: name, source: "models:/\(model.id)", runID: run.id, modelID: model.id, description: nil, tags: []))
    try await registry.transitionStage(
      name: name, version: version.version, to: "Production", archiveExistingVersions: false)
  }
}
