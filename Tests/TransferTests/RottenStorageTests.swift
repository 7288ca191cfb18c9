import Foundation
import Marketplace
import Registry
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
    #expect(try await world.marketplaceVersions("dev01.m").isEmpty)
    let again = try await world.sync(.export)
    #expect(again.items.map(\.action) == [.exported])
    let imported = try await world.sync(.import)
    #expect(imported.items.map(\.action) == [.imported, .promoted])
    #expect(try await world.violations().isEmpty)
  }
}
