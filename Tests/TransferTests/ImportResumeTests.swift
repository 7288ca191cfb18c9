import Foundation
import Marketplace
import Postgres
import Registry
import Storage
import TestSupport
import Testing

@testable import Transfer

/// Eight large files and a small one, of which an import that died had sent some.
@Suite("An import that was begun before", .enabled(if: MLflowServers.three != nil))
struct ImportResumeTests {
  static let names = (1...8).map { "shard-\($0).bin" }
  static let bytes = Int(UploadNotes.bytesMax) + 1

  private static func content(_ name: String) -> [UInt8] {
    patternedBytes(bytes, seed: UInt8(name.utf8.reduce(0) { ($0 + Int($1)) % 256 }))
  }

  /// A world with the model exported, its import having died within its files, and the files that had arrived by then.
  private func begun() async throws -> (TestWorld, InterposedRegistry, arrived: Int) {
    var world = try await TestWorld.make("dev01")
    try await world.train("m", Self.names.map { ($0, Self.content($0)) })
    let target = world.interposeTarget()
    target.restart { call, moment, number in
      if call == .upload, moment == .before, number == 6 { throw CancellationError() }
    }
    let dying = world
    await #expect(throws: CancellationError.self) { try await dying.sync() }
    let arrived = try await world.rows("select count(*) as n from jobs.upload")[0].int("n")
    #expect((1..<6).contains(arrived))
    target.restart()
    return (world, target, arrived)
  }

  private func expectWhole(_ world: TestWorld) async throws {
    for name in Self.names {
      #expect(try await world.marketplaceFile(name, of: "dev01.m", version: 1) == Self.content(name))
    }
    #expect(try await world.rows("select 1 from jobs.upload").isEmpty)
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("sends what had not arrived, and nothing else that is large")
  func resumes() async throws {
    let (world, target, arrived) = try await begun()
    #expect(try await world.sync().isClean)
    #expect(target.count(.upload) == 1 + Self.names.count - arrived)
    try await expectWhole(world)
  }

  @Test("sends again what somebody else may have put in its place")
  func overwritten() async throws {
    let (world, target, arrived) = try await begun()
    try await world.pool.write { session in
      try session.execute("update jobs.upload set sha256 = repeat('0', 64)")
    }
    #expect(try await world.sync().isClean)
    #expect(target.count(.upload) == 1 + Self.names.count)
    #expect(arrived > 0)
    try await expectWhole(world)
  }

  @Test("sends again what the registry does not list with its size")
  func shortened() async throws {
    let (world, target, arrived) = try await begun()
    let experiment = try #require(try await world.marketplace.experiment(named: "dev01/training"))
    let model = try await world.model("m")
    let version = try #require(model.versions[1])
    let key = VersionIdentity(try WorkspaceID("dev01"), model, version).sourceKey(generation: 1)
    let found = try await world.marketplace.loggedModels(
      inExperiments: [experiment.id], tagged: Registry.Tag(OwnTags.sourceKey, key))
    let place = try world.marketplace.artifactLocation(of: try #require(found.first))
    for name in Self.names { try await world.marketplace.put([1], at: name, to: place) }
    #expect(try await world.sync().isClean)
    #expect(target.count(.upload) == 1 + Self.names.count)
    #expect(arrived > 0)
    try await expectWhole(world)
  }

  @Test("finds that storage has rotted since, also in what need not be sent")
  func rotten() async throws {
    let (world, _, _) = try await begun()
    let export = try await world.export("m")
    for name in Self.names {
      var bytes = Self.content(name)
      bytes[bytes.count / 2] ^= 1
      try await world.put(bytes, at: world.key(of: name, in: export))
    }
    let report = try await world.sync()
    #expect(report.items.map(\.action) == [.invalidated, .exported, .imported, .promoted])
    try await expectWhole(world)
  }
}
