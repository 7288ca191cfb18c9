import Foundation
import Ledger
import Marketplace
import Registry
import Storage
import TestSupport
import Testing

@testable import Transfer

@Suite("Rotten storage", .enabled(if: MLflowServers.three != nil))
struct RottenStorageTests {
  /// A way to spoil an export.
  enum Damage: String, Sendable, CaseIterable {
    case flippedByte = "model.pkl"
    case shortFile = "MLmodel"
    case missingFile = "run.json"
    case missingManifest = "manifest.json"
    case otherManifest = "manifest.json "

    func spoil(_ path: String) throws {
      switch self {
      case .missingFile, .missingManifest:
        try FileManager.default.removeItem(atPath: path)
      case .flippedByte:
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
      case .shortFile, .otherManifest:
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        try bytes.dropLast().write(to: URL(fileURLWithPath: path))
      }
    }
  }

  @Test("what rotted before its import is exported again and imported, in the same run", arguments: Damage.allCases)
  func rotten(_ damage: Damage) async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("spoiled", stage: "Production")
    try await source.register("sound", stage: "Production")
    let exported = try await world.sync([.observe, .export])
    #expect(exported.count(.exported) == 2)
    let name = damage.rawValue.trimmingCharacters(in: .whitespaces)
    let stored = try world.stored().keys.first { $0.contains("/spoiled/") && $0.hasSuffix("/\(name)") }
    let path = try #require(stored)
    try damage.spoil(path)

    let report = try await world.sync()
    let spoiled = report.items.filter { $0.model == "spoiled" }
    #expect(spoiled.map(\.action) == [.invalidated, .exported, .imported, .promoted])
    // What was made good in the same run is no failure of the run.
    #expect(report.isClean)
    #expect(report.workspaces.flatMap(\.unhealed).isEmpty)
    #expect(report.items.filter { $0.model == "sound" }.map(\.action) == [.imported, .promoted])
    #expect(try await world.count(.exportInvalidated) == 1)
    #expect(try await world.count(.modelExported) == 3)
    #expect(try await world.model("spoiled").versions[1]?.export?.data.generation == 2)
    #expect(try await world.promotion("dev01.spoiled") == .init(staged: [1], alias: 1))
    #expect(try await world.marketplaceVersions("dev01.spoiled") == [1])
    #expect(try await world.violations().isEmpty)
    let quiet = try await world.sync()
    #expect(quiet.items.isEmpty)
  }

  @Test("an export that rotted is not imported again from what the marketplace's run still holds")
  func rottenBesideItsRun() async throws {
    let world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    #expect(try await world.sync().isClean)
    let stored = try world.stored().keys.first { $0.hasSuffix("/model.pkl") }
    try Damage.flippedByte.spoil(try #require(stored))
    try await world.marketplace.deleteModelVersion(name: "dev01.m", version: 1)

    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.lost, .invalidated, .exported, .imported, .promoted])
    #expect(try await world.model("m").versions[1]?.export?.data.generation == 2)
    #expect(try await world.violations().isEmpty)
    let quiet = try await world.sync()
    #expect(quiet.items.isEmpty)
  }

  @Test("what an import alone finds rotten is exported again by the next export")
  func apart() async throws {
    let world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    _ = try await world.sync([.observe, .export])
    let stored = try world.stored().keys.first { $0.hasSuffix("/model.pkl") }
    let path = try #require(stored)
    try Damage.flippedByte.spoil(path)
    let found = try await world.sync(.import)
    #expect(found.items.map(\.action) == [.invalidated])
    #expect(found.workspaces.flatMap(\.unhealed).map(\.model) == ["m"])
    #expect(try await world.marketplaceVersions("dev01.m").isEmpty)
    let again = try await world.sync(.export)
    #expect(again.items.map(\.action) == [.exported])
    let imported = try await world.sync(.import)
    #expect(imported.items.map(\.action) == [.imported, .promoted])
    #expect(try await world.violations().isEmpty)
  }

  @Test("what rotted after its import is found by a check, given up when it is told to, and made again by a sync")
  func afterImport() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("spoiled", stage: "Production")
    try await source.register("sound", stage: "Production")
    _ = try await world.sync()
    let stored = try world.stored().keys.first { $0.contains("/spoiled/") && $0.hasSuffix("/model.pkl") }
    try Damage.flippedByte.spoil(try #require(stored))

    let found = try await world.violations()
    #expect(found.map(\.invariant) == ["J3"])
    #expect(found.map(\.isPending) == [false])
    #expect(try await world.sync().items.isEmpty)

    let repair = CheckJob(
      context: world.context(), workspaces: [try WorkspaceID("dev01")], target: world.marketplaceTarget,
      readsData: true, repairs: true)
    let given = try await repair.run()
    #expect(given.map(\.invariant) == ["J3"])
    #expect(given.map(\.isPending) == [true])
    #expect(try await repair.run().isEmpty)
    #expect(try await world.count(.exportInvalidated) == 1)

    let healed = try await world.sync()
    #expect(healed.items.map(\.action) == [.exported])
    #expect(healed.items.map(\.model) == ["spoiled"])
    #expect(try await world.violations().isEmpty)
    #expect(try await world.promotion("dev01.spoiled") == .init(staged: [1], alias: 1))
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("a store that is not the one gives no export up")
  func otherStore() async throws {
    let world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    _ = try await world.sync()
    try FileManager.default.removeItem(atPath: world.storageRoot)
    try FileManager.default.createDirectory(atPath: world.storageRoot, withIntermediateDirectories: true)
    let repair = CheckJob(
      context: world.context(), workspaces: [try WorkspaceID("dev01")], target: nil, readsData: false, repairs: true)
    await #expect(throws: StorageError.self) { try await repair.run() }
    #expect(try await world.count(.exportInvalidated) == 0)
  }
}
