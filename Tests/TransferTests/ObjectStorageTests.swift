import Foundation
import Marketplace
import Storage
import TestSupport
import Testing

@testable import Transfer

@Suite("Exports in a bucket", .enabled(if: MLflowServers.three != nil && !S3Server.available.isEmpty))
struct ObjectStorageTests {
  @Test("a sync through an object store is whole, and a second one does nothing", arguments: S3Server.available)
  func sync(_ server: S3Server) async throws {
    var world = try await TestWorld.make("dev01")
    let storage = try await server.storage(prefix: "hospital one/ü+")
    world.storage = storage
    let source = try world.source()
    try await source.register("readmission risk 50%", stage: "Production")
    try await source.register("triage", stage: "Production")

    let first = try await world.sync()
    #expect(first.isClean)
    #expect(first.count(.exported) == 2)
    #expect(first.count(.imported) == 2)
    #expect(try await world.promotion("dev01.triage") == .init(staged: [1], alias: 1))
    #expect(try await world.violations().isEmpty)
    let exported = try await world.model("triage").versions[1]?.export?.data.uri
    #expect(exported?.hasPrefix(storage.location + "/exports/dev01/triage/1-") == true)

    let calls = storage.callCount
    let second = try await world.sync()
    #expect(second.items.isEmpty)
    // The marker is looked for; nothing is listed, read or written.
    #expect(storage.callCount <= calls + 1)
    #expect(try await storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
  }

  @Test("a bucket that was emptied is not taken for the store", arguments: S3Server.available)
  func emptied(_ server: S3Server) async throws {
    var world = try await TestWorld.make("dev01")
    world.storage = try await server.storage()
    try await world.source().register("m", stage: "Production")
    _ = try await world.sync()
    world.storage = try await server.storage()
    let other = world
    await #expect(throws: StorageError.self) { try await other.sync() }
  }
}
