import NIOHTTP1
import Testing

@testable import Registry

@Suite("Listings and downloads that lie")
struct LyingFilesTests {
  private let location = ArtifactLocation.proxy(root: "1/r/artifacts")

  private func listing(
    _ files: String, _ change: (inout MLflowRegistry.Configuration) -> Void = { _ in }
  ) async throws -> RegistryError? {
    try await ScriptedServer.with { request, number in
      .json(#"{"files": [\#(files.replacing("#", with: String(number)))]}"#)
    } _: { server in
      let registry = try MLflowRegistry.at(server, change)
      return await registryError { try await registry.artifacts(at: location) }
    }
  }

  @Test(
    "a hostile path in a listing refuses the whole listing",
    arguments: ["..", "../x", "/etc/passwd", "%2e%2e", "a/b", "", "x\\\\..\\\\y", "a\\u0000"])
  func hostilePaths(path: String) async throws {
    #expect(try await listing(#"{"path": "\#(path)", "file_size": 1}"#)?.code == .hostilePath)
    #expect(try await listing(#"{"path": "\#(path)", "is_dir": true}"#)?.code == .hostilePath)
  }

  @Test("folders without end, too many files, and the same name twice are refused")
  func bounds() async throws {
    #expect(try await listing(##"{"path": "d#", "is_dir": true}"##)?.code == .tooLarge)
    let wide = (0..<50).map { #"{"path": "d\#($0)", "is_dir": true}"# }.joined(separator: ",")
    #expect(try await listing(wide) { $0.bounds.foldersMax = 100 }?.code == .tooLarge)
    let files = (0..<50).map { #"{"path": "f\#($0)", "file_size": 1}"# }.joined(separator: ",")
    #expect(try await listing(files) { $0.bounds.filesMax = 49 }?.code == .tooLarge)
    #expect(try await listing(#"{"path": "f"}, {"path": "f", "is_dir": true}"#)?.code == .invalidResponse)
    #expect(try await listing(#"{"path": "f", "file_size": -1}"#)?.code == .hostilePath)
  }

  @Test("a body that ends early is told apart and is not taken for the file", arguments: [true, false])
  func earlyEnd(chunked: Bool) async throws {
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(body: [1, 2, 3], ending: chunked ? .brokenChunks : .cutShort)
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      let error = await registryError {
        try await bytes(of: ArtifactFile(path: "f"), at: location, in: registry)
      }
      #expect(error?.code == .incompleteBody)
      #expect(error?.retriable == true)
      #expect(server.requests.count == 1)
    }
  }

  @Test("a body that goes on beyond the listed size, or without end where none is listed, is read no further")
  func endlessBody() async throws {
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(body: Array(repeating: 7, count: 100_000), ending: .endless)
    } _: { server in
      let registry = try MLflowRegistry.at(server) { $0.policy.unlistedFileBytesMax = 5_000_000 }
      let listed = await registryError {
        try await bytes(of: ArtifactFile(path: "f", size: 3), at: location, in: registry)
      }
      #expect(listed?.code == .incompleteBody)
      #expect(listed?.message.contains("more came than is listed") == true)
      let unlisted = await registryError {
        try await bytes(of: ArtifactFile(path: "f"), at: location, in: registry)
      }
      #expect(unlisted?.code == .tooLarge)
      #expect(unlisted?.message.contains("5000000") == true)
    }
  }

  @Test("a body that drips is given up, though each of its bytes comes in time")
  func drippingBody() async throws {
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(body: Array(repeating: 7, count: 20_000), ending: .endless)
    } _: { server in
      let registry = try MLflowRegistry.at(server) {
        // Whatever comes over loopback is slower than that.
        $0.policy.paceBytesPerSecond = 1e15
        $0.policy.paceTime = .milliseconds(20)
      }
      let error = await registryError {
        try await bytes(of: ArtifactFile(path: "f", size: 1 << 40), at: location, in: registry)
      }
      #expect(error?.code == .incompleteBody && error?.retriable == true)
      #expect(error?.message.contains("bytes a second came") == true)
    }
  }

  @Test("what is too slow is judged by what was waited for, time after time")
  func pace() {
    var policy = HTTPPolicy()
    (policy.paceBytesPerSecond, policy.paceTime) = (1_000, .seconds(60))
    var pace = Pace(policy)
    let came: [(Int, Duration)] = [
      (1, .seconds(59)), (1, .seconds(1)), (0, .seconds(59)), (60_000, .seconds(1)), (300_000, .seconds(299)),
      (1, .seconds(299)),
    ]
    #expect(came.map { pace.keepsUp($0, after: $1) } == [true, false, true, true, true, false])
  }

  @Test("a download is tried again until its first byte")
  func retriedDownload() async throws {
    try await ScriptedServer.with { _, number in
      switch number {
      case 1: ScriptedAnswer(ending: .closed)
      case 2: ScriptedAnswer(status: .badGateway)
      default: ScriptedAnswer(headers: [("content-encoding", "gzip")], body: [1, 2, 3])
      }
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      #expect(try await bytes(of: ArtifactFile(path: "a b"), at: location, in: registry) == [1, 2, 3])
      #expect(server.requests.last?.path == "/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/a%20b")
      #expect(server.requests.last?.headers.first(name: "accept-encoding") == "identity")
    }
  }

  @Test("what the consumer throws passes through")
  func consumerFails() async throws {
    struct Full: Error {}
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(body: [1])
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      do {
        _ = try await registry.download(ArtifactFile(path: "f"), from: location) { _ in throw Full() }
        Issue.record("the consumer's failure is a failure")
      } catch {
        #expect(error is Full)
      }
    }
  }

  @Test(
    "paths the proxy would change are refused before anything is asked", arguments: ["a#b", "a%20b", "../x"])
  func refusedPaths(path: String) async throws {
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer()
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      let file = ArtifactFile(path: path)
      #expect(await registryError { try await bytes(of: file, at: location, in: registry) } != nil)
      let upload = await registryError {
        try await registry.upload(path, to: location, length: 1) { chunks([1]) }
      }
      #expect(upload != nil)
      #expect(server.requests.isEmpty)
    }
  }

  @Test("an upload is sent whole again after a failure")
  func retriedUpload() async throws {
    try await ScriptedServer.with { _, number in
      ScriptedAnswer(status: number < 3 ? .serviceUnavailable : .ok)
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      try await registry.upload("f", to: location, length: 3) { chunks([1, 2], [3]) }
      #expect(server.requests.map(\.body) == [[1, 2, 3], [1, 2, 3], [1, 2, 3]])
      #expect(server.requests.map(\.method) == [.PUT, .PUT, .PUT])
    }
  }

  @Test("sources that refer to one another are not followed for ever")
  func sourceCycle() async throws {
    try await ScriptedServer.with { _, _ in
      .json(#"{"model_version": {"name": "m", "version": "1", "source": "models:/m/1"}}"#)
    } _: { server in
      let version = ModelVersion(name: "m", version: 1, created: 0, lastUpdated: 0, source: "models:/m/1")
      let registry = try MLflowRegistry.at(server)
      guard case .unsupported = try await registry.artifactLocation(of: version) else {
        Issue.record("a cycle leads nowhere")
        return
      }
      #expect(server.requests.count == MLflowRegistry.sourcesMax)
    }
  }
}
