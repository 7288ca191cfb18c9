import Foundation
import NIOHTTP1
import TestSupport
import Testing

@testable import Registry

@Suite("Files on a real MLflow", .enabled(if: !LiveMLflow.available.isEmpty))
struct MLflowArtifactTests {
  @Test("files of any name go up, are listed and come down the same", arguments: LiveMLflow.available)
  func roundTrip(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    var files: [String: [UInt8]] = [
      "MLmodel": Array("flavors: {}\n".utf8), "empty": [], "data/a b+c&d=e.txt": [1, 2, 3],
      "data/deep/er/ünïcødé 模型.bin": [0, 255, 10, 13], "100%.txt": [4], "q?x;y:z.txt": [5],
      "back\\slash": [6], "~tilde'quote\"": [7], "caf\u{e9}": [8], "big": [],
    ]
    files["big"] = patternedBytes(300_000)
    let (run, source, location) = try await registry.someFiles(files)
    let listed = try await registry.artifacts(at: location)
    #expect(listed.map(\.path) == files.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    for file in listed {
      let content = try #require(files[file.path])
      // MLflow leaves a size of 0 out.
      #expect(file.size ?? 0 == Int64(content.count))
      #expect(try await bytes(of: file, at: location, in: registry) == content, "\(file.path)")
    }
    let name = live.unique("m")
    _ = try await registry.createRegisteredModel(named: name, description: nil, tags: [])
    let version = try await registry.createModelVersion(
      NewModelVersion(name: name, source: source, runID: run.id))
    #expect(try await registry.artifactLocation(of: version) == location)
  }

  @Test("every kind of source leads to the same files", arguments: LiveMLflow.available)
  func sources(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let run = try await registry.someRun()
    let folder = try registry.artifactLocation(of: run)
    try await registry.upload("my model/MLmodel", to: folder, length: 1) { chunks([7]) }
    let root = try #require(folder.root) + "/my model"
    let name = live.unique("sourced")
    _ = try await registry.createRegisteredModel(named: name, description: nil, tags: [])
    for source in ["runs:/\(run.id)/my model", "mlflow-artifacts:/\(root)"] {
      let version = try await registry.createModelVersion(
        NewModelVersion(name: name, source: source, runID: run.id))
      let location = try await registry.artifactLocation(of: version)
      #expect(location == .run(id: run.id, path: "my model", root: root))
      #expect(try await registry.artifacts(at: location) == [ArtifactFile(path: "MLmodel", size: 1)])
    }
    let copy = try await registry.createModelVersion(
      NewModelVersion(name: name, source: "models:/\(name)/1", runID: run.id))
    #expect(try await registry.artifactLocation(of: copy).root == root)
    let object = try await registry.createModelVersion(NewModelVersion(name: name, source: "s3://b/k"))
    guard case .unsupported(_, let reason) = try await registry.artifactLocation(of: object) else {
      Issue.record("object storage is not read")
      return
    }
    #expect(reason.contains("s3"))
  }

  @Test("uploading again overwrites", arguments: LiveMLflow.available)
  func overwriting(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let (_, _, location) = try await registry.someFiles(["f": [1, 2, 3]])
    try await registry.upload("f", to: location, length: 2) { chunks([8], [9]) }
    let listed = try await registry.artifacts(at: location)
    #expect(listed == [ArtifactFile(path: "f", size: 2)])
    #expect(try await bytes(of: listed[0], at: location, in: registry) == [8, 9])
  }

  @Test("an empty place lists as empty, a missing file is not found", arguments: LiveMLflow.available)
  func absence(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let location = try registry.artifactLocation(of: try await registry.someRun())
    #expect(try await registry.artifacts(at: location).isEmpty)
    let error = await registryError {
      try await bytes(of: ArtifactFile(path: "none"), at: location, in: registry)
    }
    #expect(error?.code == .notFound || error?.code == .server, "\(String(describing: error))")
  }

  @Test(
    "a body of another length than stated is an error and leaves the caller's reason",
    arguments: LiveMLflow.available)
  func wrongLength(live: LiveMLflow) async throws {
    struct Stopped: Error {}
    let registry = try await live.registry()
    let location = try registry.artifactLocation(of: try await registry.someRun())
    for length in [1, 3] as [Int64] {
      let error = await registryError {
        try await registry.upload("f", to: location, length: length) { chunks([1, 2]) }
      }
      #expect(error?.code == .incompleteBody)
    }
    do {
      try await registry.upload("f", to: location, length: 2) {
        AsyncThrowingStream<[UInt8], any Error> { $0.finish(throwing: Stopped()) }
      }
      Issue.record("the source's failure is a failure")
    } catch {
      #expect(error is Stopped)
    }
  }
}

@Suite("A registry that asks who is there", .enabled(if: LiveAuthentication.isOffered))
struct AuthenticationTests {
  @Test("credentials are asked for, and wrong ones refused")
  func credentials() async throws {
    let right = try MLflowRegistry(
      LiveAuthentication.configuration(
        .basic(user: LiveAuthentication.user, password: LiveAuthentication.password)))
    _ = try await right.registeredModels()
    for wrong in [Credentials.none, .basic(user: LiveAuthentication.user, password: "wrong"), .bearer("t")] {
      let registry = try MLflowRegistry(LiveAuthentication.configuration(wrong))
      #expect(await registryError { try await registry.registeredModels() }?.code == .notAuthenticated)
    }
  }

  @Test("who may not write is told so")
  func permissions() async throws {
    let admin = try MLflowRegistry(
      LiveAuthentication.configuration(
        .basic(user: LiveAuthentication.user, password: LiveAuthentication.password)))
    let name = "m-\(UUID().uuidString)"
    let user = "u-\(UUID().uuidString.lowercased())"
    _ = try await admin.createRegisteredModel(named: name, description: nil, tags: [])
    _ = try await admin.send(
      .POST, "users/create", ["username": user, "password": "a long password 1"], as: Wire.Nothing.self,
      idempotent: false, operation: "creating a user")
    let reader = try MLflowRegistry(
      LiveAuthentication.configuration(.basic(user: user, password: "a long password 1")))
    #expect(try await reader.registeredModel(named: name)?.name == name)
    let error = await registryError { try await reader.setTag(Tag("a", "b"), ofModel: name) }
    #expect(error?.code == .notPermitted)
    #expect(error?.status == 403)
  }
}

private enum LiveAuthentication {
  static var environment: [String: String] { ProcessInfo.processInfo.environment }
  static var isOffered: Bool {
    environment["MLFLOW_AUTH_URL"] != nil && environment["MLFLOW_AUTH_PASSWORD"] != nil
  }
  static var user: String { environment["MLFLOW_AUTH_USER"] ?? "admin" }
  static var password: String { environment["MLFLOW_AUTH_PASSWORD"] ?? "" }

  static func configuration(_ credentials: Credentials) -> MLflowRegistry.Configuration {
    MLflowRegistry.Configuration(url: environment["MLFLOW_AUTH_URL"] ?? "", credentials: credentials)
  }
}
