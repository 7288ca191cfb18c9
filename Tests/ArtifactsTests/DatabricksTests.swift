import Artifacts
import Foundation
import NIOHTTP1
import Registry
import Synchronization
import TestSupport
import Testing

@testable import Storage

/// Artifacts of runs and logged models in a Databricks workspace, which is scripted after MLflow's own client.
@Suite("Artifacts in a Databricks workspace")
struct DatabricksTests {
  private static let pieceBytes = 100_000

  private func registry(
    _ proxy: FaultyProxy, _ change: (inout MLflowRegistry.Configuration) -> Void = { _ in }
  ) throws -> MLflowRegistry {
    var configuration = MLflowRegistry.Configuration(
      url: proxy.url, credentials: .bearer(ScriptedDatabricks.token))
    configuration.signed = SignedURLs(
      try SignedURLTransfer(
        policy: StoragePolicy(), effects: S3Server.hurried, userAgent: "test", caFile: nil,
        firstPieceBytes: Self.pieceBytes))
    configuration.policy.rangedBytesMin = 200_000
    configuration.policy.rangeBytes = 60_000
    change(&configuration)
    return try MLflowRegistry(configuration)
  }

  /// The files of the run, as a version that lies in it sees them.
  private func folder(_ path: String, in registry: MLflowRegistry) async throws -> ArtifactLocation {
    try await registry.artifactLocation(
      of: ModelVersion(
        name: "m", version: 1, created: 1, lastUpdated: 1, source: "\(ScriptedDatabricks.root)/\(path)",
        runID: ScriptedDatabricks.run))
  }

  private func root(_ registry: MLflowRegistry) throws -> ArtifactLocation {
    try registry.artifactLocation(
      of: Run(id: ScriptedDatabricks.run, experimentID: "42", artifactURI: ScriptedDatabricks.root))
  }

  private func models(_ registry: MLflowRegistry) throws -> ArtifactLocation {
    try registry.artifactLocation(
      of: LoggedModel(
        id: ScriptedDatabricks.model, experimentID: "42", name: "m", created: 1, lastUpdated: 1,
        artifactURI: ScriptedDatabricks.modelRoot, status: LoggedModel.readyStatus))
  }

  /// Lines, so that a mistake in the order of pieces shows.
  private func text(_ bytes: Int) -> String {
    String((0...bytes / 8).map { String(10_000_000 + $0).dropFirst() + "\n" }.joined().prefix(bytes))
  }

  @Test("are listed page by page and folder by folder, from the run's root or from a version within it")
  func listing() async throws {
    let storage = SignedStorage(.blobs)
    for path in ["MLmodel", "model/MLmodel", "model/data/a b#1%20.txt", "model/data/model.pkl", "z.txt"] {
      storage.place("12345", at: "\(ScriptedDatabricks.run)/\(path)")
    }
    storage.place("123", at: "\(ScriptedDatabricks.model)/data/model.pkl")
    try await ScriptedDatabricks(storage).serve { proxy in
      let registry = try registry(proxy)
      #expect(
        try await registry.artifacts(at: root(registry)).map(\.path)
          == ["MLmodel", "model/MLmodel", "model/data/a b#1%20.txt", "model/data/model.pkl", "z.txt"])
      let model = try await folder("model/", in: registry)
      #expect(model == .run(id: ScriptedDatabricks.run, path: "model", root: "\(ScriptedDatabricks.root)/model"))
      let files = try await registry.artifacts(at: model)
      #expect(files.map(\.path) == ["MLmodel", "data/a b#1%20.txt", "data/model.pkl"])
      #expect(files.allSatisfy { $0.size == 5 })
      for file in files { #expect(try await registry.bytes(of: file, at: model).bytes == Array("12345".utf8)) }
      let logged = try models(registry)
      #expect(try await registry.artifacts(at: logged) == [ArtifactFile(path: "data/model.pkl", size: 3)])
      #expect(proxy.requests.allSatisfy { !$0.path.contains("version") && !$0.path.contains("server-info") })
    }
  }

  @Test(
    "are read in ranges side by side from each kind of storage, by an address that is asked for anew when it ends",
    arguments: SignedStorage.Kind.allCases)
  func reading(_ kind: SignedStorage.Kind) async throws {
    let storage = SignedStorage(kind, usesMax: 7)
    let whole = text(500_003)
    storage.place(whole, at: "\(ScriptedDatabricks.run)/model/model.pkl")
    storage.place(whole, at: "\(ScriptedDatabricks.model)/model.pkl")
    storage.place("", at: "\(ScriptedDatabricks.run)/model/empty")
    try await ScriptedDatabricks(storage).serve { proxy in
      let registry = try registry(proxy)
      let model = try await folder("model", in: registry)
      let files = try await registry.artifacts(at: model)
      #expect(files.map(\.path) == ["empty", "model.pkl"])
      let read = try await registry.bytes(of: files[1], at: model)
      #expect(isSame(read.bytes, Array(whole.utf8)))
      #expect(read.state?.size == 500_003)
      // One byte and nine ranges: seven calls by the first address, and the rest by another.
      #expect(storage.calls.count == 10)
      #expect(storage.signed == 2)
      let rest = try await registry.bytes(of: files[1], at: model, from: 444_444)
      #expect(isSame(rest.bytes, Array(whole.utf8.dropFirst(444_444))))
      #expect(try await registry.bytes(of: files[0], at: model).bytes.isEmpty)
      let logged = try models(registry)
      let file = ArtifactFile(path: "model.pkl", size: 500_003)
      #expect(isSame(try await registry.bytes(of: file, at: logged).bytes, Array(whole.utf8)))
      #expect(
        proxy.requests.allSatisfy { $0.headers.contains(name: "authorization") != $0.path.hasPrefix("/storage/") })
    }
  }

  @Test(
    "are written in the form that each kind of storage takes, also where the address ends between two pieces",
    arguments: SignedStorage.Kind.allCases, [0, 5, 100_000, 250_007])
  func writing(_ kind: SignedStorage.Kind, _ size: Int) async throws {
    let storage = SignedStorage(kind, usesMax: 2)
    let whole = text(size)
    try await ScriptedDatabricks(storage).serve { proxy in
      let registry = try registry(proxy)
      try await registry.put(Array(whole.utf8), at: "data/model.pkl", to: folder("model", in: registry))
      try await registry.put(Array(whole.utf8), at: "model.pkl", to: models(registry))
      #expect(storage.files["\(ScriptedDatabricks.run)/model/data/model.pkl"] == whole)
      #expect(storage.files["\(ScriptedDatabricks.model)/model.pkl"] == whole)
      let pieces = (size + Self.pieceBytes - 1) / Self.pieceBytes
      let once: [String] =
        switch kind {
        case .amazon, .google: ["PUT"]
        case .blobs: Array(repeating: "block", count: pieces) + ["blocklist"]
        case .lake: ["file"] + Array(repeating: "append", count: pieces) + ["flush"]
        }
      #expect(storage.calls == once + once)
      #expect(storage.signed == 2 * ((once.count + 1) / 2))
    }
  }

  @Test("an address to a metadata service is refused, for reading and for writing, and nothing is sent there")
  func forbidden() async throws {
    var workspace = ScriptedDatabricks(SignedStorage(.amazon))
    workspace.address = { "http://169.254.169.254/latest/meta-data?X-Amz-Signature=hidden" }
    try await workspace.serve { proxy in
      let registry = try registry(proxy)
      let place = try root(registry)
      let reading = await registryError {
        try await registry.bytes(of: ArtifactFile(path: "f", size: 3), at: place)
      }
      let writing = await registryError { try await registry.put([1], at: "f", to: place) }
      for error in [reading, writing] {
        #expect(error?.code == .notPermitted)
        #expect(error?.message.contains("metadata") == true)
        #expect(error.map { "\($0)".contains("hidden") } == false)
      }
      #expect(proxy.requests.count == 2)
    }
  }

  @Test("no signature and no token is in an error", arguments: SignedStorage.Kind.allCases)
  func secrets(_ kind: SignedStorage.Kind) async throws {
    // Every address has ended before it is used, and storage repeats its signature.
    let storage = SignedStorage(kind, usesMax: 0)
    storage.place("123", at: "\(ScriptedDatabricks.run)/f")
    try await ScriptedDatabricks(storage).serve { proxy in
      let registry = try registry(proxy)
      let place = try root(registry)
      let reading = await registryError {
        try await registry.bytes(of: ArtifactFile(path: "f", size: 3), at: place)
      }
      let writing = await registryError { try await registry.put([1], at: "f", to: place) }
      for error in [reading, writing] {
        #expect(error?.code == .notAuthenticated)
        for secret in ["s3cr", "this-very-header", ScriptedDatabricks.token] {
          #expect(error.map { "\($0)".contains(secret) } == false, "\(String(describing: error))")
        }
      }
    }
  }

  @Test(
    "what is no single address of the file that was asked for is not used",
    arguments: [
      #"{"credential_infos": []}"#, "{}", #"{"credential_infos": [{"path": "f", "type": "AWS_PRESIGNED_URL"}]}"#,
      #"{"credential_infos": [{"path": "g", "signed_uri": "https://b.example.org/g", "type": "AWS_PRESIGNED_URL"}]}"#,
      #"{"credential_infos": [{"path": "f", "signed_uri": "https://b.example.org/f", "type": "TAPE"}]}"#,
      #"{"credential_infos": [{"signed_uri": "https://b.example.org/f", "type": "AZURE_SAS_URI"}, {"signed_uri": "https://b.example.org/f"}]}"#,
    ])
  func malformed(_ answer: String) async throws {
    var workspace = ScriptedDatabricks(SignedStorage(.amazon))
    workspace.also = { _ in .answer(.ok, body: answer) }
    try await workspace.serve { proxy in
      let registry = try registry(proxy)
      let place = try root(registry)
      let error = await registryError { try await registry.put([1], at: "f", to: place) }
      #expect([.invalidResponse, .unsupported].contains(error?.code))
    }
  }

  @Test("a server that is no Databricks workspace says so, and what to do")
  func elsewhere() async throws {
    var workspace = ScriptedDatabricks(SignedStorage(.amazon))
    workspace.also = { _ in .answer(.notFound, body: "<html>no such page</html>") }
    try await workspace.serve { proxy in
      let registry = try registry(proxy)
      let place = try root(registry)
      let listing = await registryError { try await registry.artifacts(at: place) }
      let reading = await registryError {
        try await registry.bytes(of: ArtifactFile(path: "f", size: 3), at: place)
      }
      for error in [listing, reading] {
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("Databricks") == true)
        #expect(error?.advice.contains("workspace that made the run") == true)
      }
    }
  }

  @Test("a file that storage does not take in one call is refused before anything of it is sent")
  func tooLarge() async throws {
    let storage = SignedStorage(.amazon)
    try await ScriptedDatabricks(storage).serve { proxy in
      let registry = try registry(proxy)
      let place = try root(registry)
      let error = await registryError {
        try await registry.upload("f", to: place, length: 6 << 30) { Pieces(rest: []) }
      }
      #expect(error?.code == .tooLarge)
      #expect(storage.calls.isEmpty)
    }
  }

  @Test("the workspace, which tells no version, is known by what its artifacts are called")
  func version() async throws {
    try await ScriptedDatabricks(SignedStorage(.amazon)).serve { proxy in
      let registry = try registry(proxy)
      #expect(await registryError { try await registry.serverInfo() }?.code == .unsupported)
      _ = try root(registry)
      let info = try await registry.serverInfo()
      #expect(info.version == "databricks" && !info.hasLoggedModels && !info.multipartUploadsEnabled)
    }
  }

  private static let python = ProcessInfo.processInfo.environment["MARKETPLACE_PYTHON3"]

  /// What MLflow's own client does with a folder of the run.
  private static let client = """
    import os, sys, tempfile
    from mlflow.store.artifact.databricks_artifact_repo import DatabricksArtifactRepository
    for uri in sys.argv[1:]:
        repo = DatabricksArtifactRepository(uri, tracking_uri="databricks")
        for file in repo.list_artifacts("data"):
            print(file.path, file.is_dir, file.file_size)
        folder = tempfile.mkdtemp()
        copy = repo.download_artifacts("data/ours.txt", folder)
        text = open(copy).read()
        written = os.path.join(folder, "theirs.txt")
        open(written, "w").write(text.upper())
        repo.log_artifact(written, "data")
    """

  /// On a thread of its own: the scripted workspace answers on Swift's few.
  private static func run(
    _ call: [String], _ environment: [String: String]
  ) async throws -> (status: Int32, said: String) {
    try await withCheckedThrowingContinuation { continuation in
      Thread { continuation.resume(with: Result { try Python.call(call, environment: environment) }) }.start()
    }
  }

  @Test(
    "are the same to MLflow's own client, which the scripted workspace is written after",
    .enabled(if: python != nil), arguments: SignedStorage.Kind.allCases)
  func oracle(_ kind: SignedStorage.Kind) async throws {
    let storage = SignedStorage(kind)
    var workspace = ScriptedDatabricks(storage)
    workspace.also = { request in
      let root: String
      switch request.path {
      case "/api/2.0/mlflow/runs/get":
        root =
          #"{"run": {"info": {"run_id": "\#(ScriptedDatabricks.run)", "artifact_uri": "\#(ScriptedDatabricks.root)"}}}"#
      case "/api/2.0/mlflow/logged-models/\(ScriptedDatabricks.model)":
        root =
          #"{"model": {"info": {"model_id": "\#(ScriptedDatabricks.model)", "artifact_uri": "\#(ScriptedDatabricks.modelRoot)"}}}"#
      default: return nil
      }
      return .answer(.ok, headers: [("content-type", "application/json")], body: root)
    }
    try await workspace.serve { proxy in
      let registry = try registry(proxy)
      let places = [try await folder("model", in: registry), try models(registry)]
      for place in places { try await registry.put(Array("ours".utf8), at: "data/ours.txt", to: place) }
      let call = [
        Self.python ?? "", "-c", Self.client, "\(ScriptedDatabricks.root)/model", ScriptedDatabricks.modelRoot,
      ]
      let environment = [
        "DATABRICKS_HOST": proxy.url, "DATABRICKS_TOKEN": ScriptedDatabricks.token, "MLFLOW_DISABLE_TELEMETRY": "true",
      ]
      let (status, said) = try await Self.run(call, environment)
      #expect(status == 0, "\(said)")
      #expect(said.split(separator: "\n").count { $0 == "data/ours.txt False 4" } == 2, "\(said)")
      for place in places {
        let file = try #require(try await registry.artifacts(at: place).first { $0.path == "data/theirs.txt" })
        #expect(try await registry.bytes(of: file, at: place).bytes == Array("OURS".utf8))
      }
    }
  }
}
