import Artifacts
import Foundation
import Ledger
import NIOHTTP1
import Registry
import Storage
import TestSupport
import Testing

@testable import Transfer

/// Jobs over a Databricks workspace that is scripted after MLflow's own client.
@Suite("A Databricks workspace as a source")
struct DatabricksSourceTests {
  private static let run = ScriptedDatabricks.run

  /// What the workspace says of one model with one version, whose files lie in its run.
  private static func registry(_ request: FaultyRequest) -> Fault? {
    let version = """
      {"name": "readmission", "version": "1", "creation_timestamp": 1700000000000, "status": "READY", \
      "last_updated_timestamp": 1700000001000, "current_stage": "Production", "run_id": "\(run)", \
      "source": "\(ScriptedDatabricks.root)/model", "user_id": "alice@example.org"}
      """
    let model = """
      {"name": "readmission", "creation_timestamp": 1700000000000, "last_updated_timestamp": 1700000001000, \
      "latest_versions": [\(version)]}
      """
    let answer: String? =
      switch request.path.split(separator: "/mlflow/").last {
      case "registered-models/search": #"{"registered_models": [\#(model)]}"#
      case "registered-models/get": #"{"registered_model": \#(model)}"#
      case "model-versions/search": #"{"model_versions": [\#(version)]}"#
      case "model-versions/get": #"{"model_version": \#(version)}"#
      case "runs/get":
        """
        {"run": {"info": {"run_id": "\(run)", "experiment_id": "42", "run_name": "train", "status": "FINISHED", \
        "start_time": 1700000000000, "artifact_uri": "\(ScriptedDatabricks.root)", "lifecycle_stage": "active"}, \
        "data": {"params": [{"key": "depth", "value": "3"}]}}}
        """
      case "experiments/get":
        """
        {"experiment": {"experiment_id": "42", "name": "/Shared/readmission", "lifecycle_stage": "active", \
        "artifact_location": "dbfs:/databricks/mlflow-tracking/42"}}
        """
      default: nil
      }
    return answer.map { .answer(.ok, headers: [("content-type", "application/json")], body: $0) }
  }

  private func world(_ proxy: FaultyProxy) async throws -> TestWorld {
    var configuration = MLflowRegistry.Configuration(
      url: proxy.url, credentials: .bearer(ScriptedDatabricks.token))
    configuration.signed = SignedURLs(try SignedURLTransfer(effects: S3Server.hurried))
    configuration.policy.rangedBytesMin = 100_000
    configuration.policy.rangeBytes = 60_000
    let registry = try MLflowRegistry(configuration)
    let pool = try await TestCluster.migratedDatabase().pool(connectionsMax: 6)
    let root = TestCluster.newDirectory()
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    try TestCluster.removeAtExit(root)
    return TestWorld(
      pool: pool, ledger: Ledger(pool), storage: try FileStorage(url: "file://\(root)"), storageRoot: root,
      sources: ["dev01": registry], marketplace: registry, target: registry)
  }

  @Test(
    "has its versions exported with all files of their runs, whatever storage lies behind it",
    arguments: SignedStorage.Kind.allCases)
  func exported(_ kind: SignedStorage.Kind) async throws {
    let storage = SignedStorage(kind, usesMax: 5)
    let files = [
      "notes.txt": "of the run", "model/MLmodel": "flavors: {}\n",
      "model/data/model.pkl": String(repeating: "0123456789abcde\n", count: 20_000),
    ]
    for (path, content) in files { storage.place(content, at: "\(Self.run)/\(path)") }
    var workspace = ScriptedDatabricks(storage)
    workspace.also = Self.registry
    try await workspace.serve { proxy in
      let world = try await world(proxy)
      let report = try await world.sync([.observe, .export])
      #expect(report.isClean, "\(report.items.compactMap(\.trouble))")
      #expect(report.count(.exported) == 1)
      // The large file is asked for in seven calls, and its first address is good for five.
      #expect(storage.signed == files.count + 1)
      let exports = URL(filePath: world.storageRoot).appending(path: "exports/dev01/readmission")
      let name = try #require(try FileManager.default.contentsOfDirectory(atPath: exports.path()).first)
      let folder = exports.appending(path: "\(name)/\(Self.run)")
      for (path, content) in files {
        let stored = try Data(contentsOf: folder.appending(path: "artifacts/\(path)"))
        #expect(stored == Data(content.utf8), "\(path)")
      }
      let document = try String(contentsOf: folder.appending(path: "run.json"), encoding: .utf8)
      #expect(document.contains("\"databricks\"") && document.contains("depth"))
      #expect(try await world.sync([.observe, .export]).items.isEmpty)
    }
  }

  @Test("has a version whose files the workspace does not hand out told as unsupported, with what to do")
  func refused() async throws {
    var workspace = ScriptedDatabricks(SignedStorage(.amazon))
    workspace.also = { request in
      request.path.hasSuffix("artifacts/list") ? .answer(.notFound, body: "<html></html>") : Self.registry(request)
    }
    try await workspace.serve { proxy in
      let report = try await world(proxy).sync([.observe, .export])
      let trouble = try #require(report.items.first?.trouble)
      #expect(trouble.code == "unsupported" && trouble.message.contains("workspace that made the run"))
    }
  }
}
