import Foundation
import Marketplace
import NIOCore
import Registry
import Storage
import TestSupport
import Testing

@testable import Transfer

@Suite("Files that storage holds already", .enabled(if: MLflowServers.three != nil))
struct SharedFilesTests {
  static let largeBytes = 20_000_000

  /// Where the digest of a file stands in an export's manifest, and what storage holds there.
  private func digests(_ world: TestWorld, _ ending: String, _ version: Int) async throws -> (
    listed: String?, stored: String
  ) {
    let export = try await world.export("m", version)
    let contents = try await ExportContents(export, in: world.storage)
    let listed = contents.manifest.files.first { $0.path.hasSuffix("/\(ending)") }?.sha256
    return (listed, try await world.storage.digest(of: world.key(of: ending, in: export)).sha256)
  }

  /// Counts how often each file is fetched from now on.
  private func counted(_ world: inout TestWorld) throws -> InterposedRegistry {
    let source = try world.interpose()
    source.restart()
    return source
  }

  @Test(
    "a second version sends nothing of a file that it shares with the first, and fetches it once",
    arguments: S3Server.available)
  func nothingSent(_ server: S3Server) async throws {
    var world = try await TestWorld.make("dev01")
    let large = patternedBytes(Self.largeBytes)
    let small = patternedBytes(1_000_000, seed: 5)
    try await FaultyProxy.with(server.url, { _, _ in .none }) { proxy in
      world.storage = try await server.storage { $0.endpoint = proxy.url }
      try await world.train("m", [("large.bin", large), ("small.bin", small)])
      _ = try await world.sync([.observe, .export])
      let first = proxy.requests.count
      let sentFirst = proxy.requests.reduce(0) { $0 + $1.body.readableBytes }
      #expect(sentFirst > Self.largeBytes + small.count)

      try await world.train("m", [("large.bin", large), ("small.bin", small), ("new.bin", Array("new".utf8))])
      let plain = world
      let source = try counted(&world)
      let report = try await world.sync([.observe, .export])
      #expect(report.isClean && report.count(.exported) == 1)
      let sent = proxy.requests.dropFirst(first).reduce(0) { $0 + $1.body.readableBytes }
      #expect(sent < 100_000)
      #expect(source.downloads.count { $0 == "large.bin" } == 1)
      #expect(source.downloads.count { $0 == "small.bin" } == 1)
      for name in ["large.bin", "small.bin", "new.bin"] {
        let (listed, stored) = try await digests(plain, name, 2)
        #expect(listed == stored)
      }
      #expect(try await plain.findings().isEmpty)
      #expect(try await plain.storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
    }
  }

  @Test("in a folder both versions share the file's one place on the disk")
  func linked() async throws {
    let world = try await TestWorld.make(in: .file)
    let large = patternedBytes(Self.largeBytes)
    for _ in 1...2 {
      try await world.train("m", [("large.bin", large), ("small.bin", Array(large.prefix(200_000)))])
      #expect(try await world.sync([.observe, .export]).count(.exported) == 1)
    }
    for name in ["large.bin", "small.bin"] {
      var inodes: Set<UInt64> = []
      for version in 1...2 {
        let key = try await world.key(of: name, in: world.export("m", version))
        var status = stat()
        #expect(lstat("\(world.storageRoot)/\(key.path)", &status) == 0)
        inodes.insert(UInt64(status.st_ino))
      }
      #expect(inodes.count == 1, "\(name)")
    }
    #expect(try await world.findings().isEmpty)
    #expect(try await world.storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
    #expect(try await world.sync().isClean)
    #expect(try await world.marketplaceFile("large.bin", of: "dev01.m", version: 1) == large)
  }

  @Test(
    "a file of the same size with other bytes is exported as it is, wherever they differ",
    arguments: ExportStore.available, [0, 6_000_000, largeBytes - 1])
  func sameSize(_ store: ExportStore, at place: Int) async throws {
    var world = try await TestWorld.make(in: store)
    var large = patternedBytes(Self.largeBytes)
    try await world.train("m", [("large.bin", large)])
    _ = try await world.sync([.observe, .export])
    large[place] ^= 1
    try await world.train("m", [("large.bin", large)])
    let plain = world
    let source = try counted(&world)
    #expect(try await world.sync([.observe, .export]).isClean)
    let (listed, stored) = try await digests(plain, "large.bin", 2)
    #expect(listed == StreamDigest.of(large).sha256 && stored == listed)
    // Only where the beginning was the same and the rest was not, the bytes come a second time.
    #expect(source.downloads.count { $0 == "large.bin" } == (place == 0 ? 1 : 2))
    #expect(try await plain.findings().isEmpty)
  }

  @Test(
    "a file that has rotted is not copied on, and the sound bytes come from the source",
    arguments: ExportStore.available, [0, 19_999_999, -1])
  func rotten(_ store: ExportStore, at place: Int) async throws {
    var world = try await TestWorld.make(in: store)
    let large = patternedBytes(Self.largeBytes)
    let small = patternedBytes(300_000, seed: 9)
    try await world.train("m", [("large.bin", large), ("small.bin", small)])
    _ = try await world.sync([.observe, .export])
    let first = try await world.export("m")
    for name in ["large.bin", "small.bin"] {
      let key = try await world.key(of: name, in: first)
      if place < 0 {
        try await world.storage.delete(key)
      } else {
        var rot = name == "large.bin" ? large : small
        rot[min(place, rot.count - 1)] ^= 1
        try await world.put(rot, at: key)
      }
    }
    try await world.train("m", [("large.bin", large), ("small.bin", small)])
    let plain = world
    let source = try counted(&world)
    #expect(try await world.sync([.observe, .export]).isClean)
    for (name, bytes) in [("large.bin", large), ("small.bin", small)] {
      let (listed, stored) = try await digests(plain, name, 2)
      #expect(listed == StreamDigest.of(bytes).sha256 && stored == listed)
    }
    #expect(source.downloads.count { $0 == "small.bin" } == 1)
    #expect(source.downloads.count { $0 == "large.bin" } == (place == 19_999_999 ? 2 : 1))
    // What rotted is named of the first export alone.
    #expect(Set(try await plain.findings().map(\.export.version)) == [1])
  }

  @Test("an export that was cut off goes on with what it had copied")
  func resumed() async throws {
    var world = try await TestWorld.make(in: .file)
    let large = patternedBytes(Self.largeBytes)
    try await world.train("m", [("large.bin", large)])
    _ = try await world.sync([.observe, .export])
    try await world.train("m", [("large.bin", large)])
    let plain = world
    let source = try counted(&world)
    source.restart { call, moment, _ in
      if call == .serverInfo, moment == .before {
        throw RegistryError(.unreachable, operation: "asking", message: "the cable was cut", retriable: true)
      }
    }
    #expect(try await world.sync([.observe, .export]).failures["unreachable"] != nil)
    source.restart()
    #expect(try await world.sync([.observe, .export]).isClean)
    #expect(source.downloads.count { $0 == "large.bin" } == 0)
    #expect(try await plain.findings().isEmpty)
    let folders = try FileManager.default.contentsOfDirectory(atPath: "\(plain.storageRoot)/exports/dev01/m")
    #expect(folders.count == 2)
  }

  @Test("what an earlier attempt copied and the source no longer has leads to an export under another id")
  func vanishedFile() async throws {
    let world = try await TestWorld.make(in: .file)
    try await world.train("other", [])
    _ = try await world.sync([.observe, .export])
    try await world.train("m", [("a.bin", [1, 2, 3])])
    _ = try await world.sync(.observe)
    let state = try await world.state()
    let due = try #require(state.exportsDue(now: world.clock.now(), retryFailed: true).first)
    let identity = VersionIdentity(state.workspace, due.model, due.version)
    let id = try await ExportClaim.exportID(of: identity, generation: 1, fresh: UUID(), in: world.pool)
    let folder = try ExportFolder(identity, name: "m", exportID: id)
    try await world.put([1], at: folder.file("run/artifacts/gone.bin"))
    #expect(try await world.sync([.observe, .export]).isClean)
    #expect(try await world.export("m").exportID != id)
    #expect(try await world.findings().isEmpty)
  }
}
