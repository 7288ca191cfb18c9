import Artifacts
import Foundation
import Registry
import Storage
import TestSupport
import Testing

@testable import Transfer

/// Syncs between servers whose artifacts lie in buckets.
@Suite(
  "Artifacts in buckets",
  .enabled(if: MLflowServers.bucket != nil && MLflowServers.signing != nil && !S3Server.available.isEmpty))
struct OutsideTheProxyTests {
  private func storage() throws -> S3Storage {
    var configuration = S3Server.rclone.configuration(bucket: "artifacts")
    configuration.url = MLflowServers.bucketRoot
    return try S3Storage(configuration)
  }

  /// A registry without a proxy, its bucket configured or not.
  private func outside(in workspace: String, configured: Bool = true) throws -> MLflowRegistry {
    var configuration = MLflowRegistry.Configuration(url: MLflowServers.bucket ?? "", mlflowWorkspace: workspace)
    if configured { configuration.stores = [BucketStore(try storage())] }
    configuration.policy.rangedBytesMin = 100_000
    configuration.policy.rangeBytes = 60_000
    return try MLflowRegistry(configuration)
  }

  private func outside() async throws -> MLflowRegistry {
    try outside(in: try await MLflowServers.freshWorkspace("outside", at: MLflowServers.bucket))
  }

  /// A registry whose proxy stands before a bucket and signs addresses.
  private func signing() async throws -> MLflowRegistry {
    let signed = SignedURLs(try SignedURLTransfer(effects: S3Server.hurried))
    return try await MLflowServers.registry("signing", at: MLflowServers.signing) {
      $0.signed = signed
      $0.policy.rangedBytesMin = 100_000
      $0.policy.rangeBytes = 60_000
    }
  }

  /// Syncs two models from one registry into another, one of them with a file that comes in ranges.
  private func sync(
    from source: MLflowRegistry, into target: MLflowRegistry, plot: String = "plots/roc.txt", bytes size: Int = 320_000
  ) async throws {
    var world = try await TestWorld.make()
    world.sources["dev01"] = source
    world.target = target
    let large = String(repeating: "0123456789abcdef", count: size / 16)
    try await source.register("large", content: large, stage: "Production", files: [plot: [1, 2, 3]])
    try await source.register("small", content: "x", stage: "Production")
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.count(.exported) == 2 && report.count(.imported) == 2)
    let version = try #require(try await target.modelVersion(name: "dev01.large", version: 1))
    let location = try await target.artifactLocation(of: version)
    let file = try #require(try await target.artifacts(at: location).first { $0.path.hasSuffix("model.pkl") })
    var bytes: [UInt8] = []
    _ = try await target.download(file, from: location) { bytes += $0 }
    #expect(bytes == Array(large.utf8))
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  @Test("go from a bucket outside the proxy into another, whatever they are called")
  func betweenBuckets() async throws {
    try await sync(from: outside(), into: outside(), plot: "plots/roc #1 100%25.txt")
  }

  @Test("go from outside the proxy into a bucket behind one, and back")
  func acrossTheProxy() async throws {
    // In three parts: of 8 MiB each, but for the last.
    try await sync(from: outside(), into: signing(), bytes: 20_000_000)
    try await sync(from: signing(), into: outside())
  }

  @Test("a bucket that is not configured is that version's trouble, with the words to write")
  func unconfigured() async throws {
    var world = try await TestWorld.make()
    let workspace = try await MLflowServers.freshWorkspace("outside", at: MLflowServers.bucket)
    try await outside(in: workspace).register("m", stage: "Production")
    world.sources["dev01"] = try outside(in: workspace, configured: false)
    let report = try await world.sync()
    let trouble = try #require(report.items.first?.trouble)
    #expect(trouble.code == "unsupported_source")
    #expect(trouble.message.contains("artifacts: [{uri: s3://artifacts}]"))
  }
}
