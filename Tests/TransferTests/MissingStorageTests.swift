import Foundation
import Marketplace
import Storage
import TestSupport
import Testing

@testable import Transfer

@Suite("A store that is not mounted", .enabled(if: MLflowServers.three != nil))
struct MissingStorageTests {
  @Test("is not taken for rotten exports: nothing is done, and the next run is as if nothing had been")
  func unmounted() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("readmission-risk", stage: "Production")
    let observed = try await world.sync([.observe, .export])
    #expect(observed.count(.exported) == 1)
    let before = try await world.events(withObservations: true)

    let away = world.storageRoot + ".away"
    try FileManager.default.moveItem(atPath: world.storageRoot, toPath: away)
    try FileManager.default.createDirectory(atPath: world.storageRoot, withIntermediateDirectories: true)
    await #expect(throws: StorageError.self) { try await world.sync() }
    let after = try await world.events(withObservations: true)
    #expect(after == before)

    try FileManager.default.removeItem(atPath: world.storageRoot)
    try FileManager.default.moveItem(atPath: away, toPath: world.storageRoot)
    let last = try await world.sync()
    #expect(last.count(.imported) == 1)
    #expect(last.count(.exported) == 0)
    #expect(last.isClean)
  }
}
