import Artifacts
import Foundation
import Registry
import TestSupport
import Testing

@testable import Storage

@Suite("A proxy with a bucket behind it", .enabled(if: MLflowServers.signing != nil && S3Server.moto.url != nil))
struct SigningProxyTests {
  private func registry(
    url: String? = MLflowServers.signing, _ change: (inout MLflowRegistry.Configuration) -> Void = { _ in }
  ) async throws -> MLflowRegistry {
    var configuration = MLflowRegistry.Configuration(
      url: url ?? "", mlflowWorkspace: try await MLflowServers.freshWorkspace("signing", at: MLflowServers.signing))
    configuration.signed = try Registries.signedURLs()
    configuration.policy.rangedBytesMin = 12_000_000
    configuration.policy.rangeBytes = 5_000_000
    change(&configuration)
    return try MLflowRegistry(configuration)
  }

  /// The tag that the bucket gives the one object whose name ends so.
  private func tag(of suffix: String) async throws -> String? {
    let storage = try S3Storage(S3Server.moto.configuration(bucket: "artifacts"))
    let found = try await storage.files(below: StorageKey(["mlflow"])).first { $0.key.path.hasSuffix(suffix) }
    return try await storage.facts(of: #require(found).key.path)?.tag
  }

  @Test("a large file goes up in parts and comes down in ranges past it, a small one through it")
  func large() async throws {
    let registry = try await registry()
    let model = try await registry.someModel()
    let location = try registry.artifactLocation(of: model)
    let content = someBytes(20_000_003)
    try await registry.put(content, at: "data/big.bin", to: location)
    try await registry.put([1, 2], at: "MLmodel", to: location)
    #expect(try await tag(of: "\(model.id)/artifacts/data/big.bin")?.hasSuffix("-3\"") == true)
    let listed = try await registry.artifacts(at: location)
    #expect(listed == [ArtifactFile(path: "MLmodel", size: 2), ArtifactFile(path: "data/big.bin", size: 20_000_003)])
    let (bytes, state) = try await registry.bytes(of: listed[1], at: location)
    #expect(isSame(bytes, content))
    // The proxy names no state: it came by a signed address.
    #expect(state?.size == 20_000_003)
    #expect(try await registry.bytes(of: listed[0], at: location).bytes == [1, 2])
    let rest = try await registry.bytes(of: listed[1], at: location, from: 20_000_000)
    #expect(isSame(rest.bytes, Array(content.suffix(3))))
  }

  @Test("addresses that may not be used leave the proxy as the way")
  func fallback() async throws {
    // Its addresses lead to 127.0.0.1, which is this machine and not the host the server is known by.
    let server = try #require(MLflowServers.signing).replacing("127.0.0.1", with: "localhost")
    let registry = try await registry(url: server)
    let model = try await registry.someModel()
    let location = try registry.artifactLocation(of: model)
    let content = someBytes(13_000_000, seed: 2)
    try await registry.put(content, at: "big.bin", to: location)
    let (bytes, state) = try await registry.bytes(
      of: ArtifactFile(path: "big.bin", size: 13_000_000), at: location)
    #expect(isSame(bytes, content))
    #expect(state == nil)
  }

  @Test("a body that fails leaves no parts behind, and its own error is what is told")
  func failingBody() async throws {
    struct Rotten: Error {}
    struct Failing: AsyncSequence, AsyncIteratorProtocol, Sendable {
      var left = 18
      mutating func next() async throws -> [UInt8]? {
        left -= 1
        guard left > 0 else { throw Rotten() }
        return [UInt8](repeating: 1, count: 1_048_576)
      }
      func makeAsyncIterator() -> Self { self }
    }
    let registry = try await registry()
    let model = try await registry.someModel()
    let location = try registry.artifactLocation(of: model)
    await #expect(throws: Rotten.self) {
      try await registry.upload("big.bin", to: location, length: 20_000_000) { Failing() }
    }
    #expect(try await registry.artifacts(at: location).isEmpty)
    let storage = try S3Storage(S3Server.moto.configuration(bucket: "artifacts"))
    let unfinished = try await storage.unfinishedUploads(below: StorageKey(["mlflow"]))
    #expect(!unfinished.contains { $0.key.path.contains(model.id) })
  }
}
