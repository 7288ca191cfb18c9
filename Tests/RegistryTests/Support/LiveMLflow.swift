import Foundation
import NIOHTTP1
import Testing

@testable import Registry

/// The MLflow servers the environment offers.
enum LiveMLflow: String, CaseIterable, Sendable {
  /// 3.x, started with workspaces.
  case three = "MLFLOW3_URL"
  /// 2.x.
  case two = "MLFLOW2_URL"

  static var available: [LiveMLflow] { allCases.filter { $0.url != nil } }

  var url: String? { ProcessInfo.processInfo.environment[rawValue] }

  /// A registry nobody else uses: a fresh workspace on 3.x. On 2.x the server is shared, so take
  /// ``unique(_:)`` names.
  func registry(
    _ change: (inout MLflowRegistry.Configuration) -> Void = { _ in }
  ) async throws -> MLflowRegistry {
    var configuration = MLflowRegistry.Configuration(url: try #require(url))
    if self == .three {
      let workspace = "registry-\(UUID().uuidString.lowercased().prefix(18))"
      let call = HTTPCall(
        operation: "creating a workspace", method: .POST, path: "/api/3.0/mlflow/workspaces",
        body: try JSON.encode(["name": workspace]), idempotent: false)
      _ = try await MLflowRegistry(configuration).transport.answer(to: call)
      configuration.mlflowWorkspace = workspace
    }
    change(&configuration)
    return try MLflowRegistry(configuration)
  }

  func unique(_ name: String) -> String { "\(name) \(UUID().uuidString.lowercased().prefix(8))" }
}

extension MLflowRegistry {
  /// An experiment with one run.
  func someRun(tags: [Tag] = []) async throws -> Run {
    let experiment = try await createExperiment(named: "/e/\(UUID().uuidString)", tags: [])
    return try await createRun(
      NewRun(
        experimentID: experiment.id, name: "train", userID: "alice", startTime: 1_700_000_000_123, tags: tags)
    )
  }

  /// A model's files where the server keeps them: a logged model on 3.x, below the run on 2.x.
  func someFiles(_ files: [String: [UInt8]]) async throws -> (
    run: Run, source: String, location: ArtifactLocation
  ) {
    let run = try await someRun()
    let location: ArtifactLocation
    let source: String
    if try await serverVersion().hasLoggedModels {
      let model = try await createLoggedModel(
        NewLoggedModel(experimentID: run.experimentID, name: "model", sourceRunID: run.id))
      location = try artifactLocation(of: model)
      source = "models:/\(model.id)"
    } else {
      let root = try #require(try artifactLocation(of: run).root) + "/model"
      location = .run(id: run.id, path: "model", root: root)
      source = "mlflow-artifacts:/\(root)"
    }
    for (path, content) in files {
      try await upload(path, to: location, length: Int64(content.count)) { chunks(content) }
    }
    return (run, source, location)
  }
}
