import Foundation
import Ledger
import Marketplace
import Storage
import TestSupport
import Testing

@testable import Transfer

@Suite("A check of storage", .enabled(if: MLflowServers.three != nil))
struct StorageCheckTests {
  /// Something that happens to an export.
  enum Damage: String, Sendable, CaseIterable {
    case missingFile, emptyFile, truncatedFile, grownFile, flippedBit, swappedFiles, swappedSizes, extraFile
    case missingManifest, flippedManifest, otherManifest, emptyManifest

    /// What the check has to say, by file; every other thing it says is wrong.
    var expected: [String: ExportFinding.Code] {
      switch self {
      case .missingFile: ["a.bin": .fileMissing]
      case .emptyFile: ["a.bin": .fileEmpty]
      case .truncatedFile: ["a.bin": .fileTruncated]
      case .grownFile: ["a.bin": .fileGrown]
      case .flippedBit: ["a.bin": .fileChanged]
      case .swappedFiles: ["a.bin": .fileSwapped, "b.bin": .fileSwapped]
      case .swappedSizes: ["a.bin": .fileSwapped, "c.bin": .fileSwapped]
      case .extraFile: ["surplus.bin": .fileExtra]
      case .missingManifest: ["manifest.json": .manifestMissing]
      case .flippedManifest, .otherManifest, .emptyManifest: ["manifest.json": .manifestChanged]
      }
    }

    func happen(to export: ModelExported, in world: TestWorld) async throws {
      let storage = world.storage
      let name = "\(self)".lowercased().contains("manifest") ? "manifest.json" : "a.bin"
      let key = try await world.key(of: name, in: export)
      var bytes = try await storage.bytes(of: key)
      switch self {
      case .missingFile, .missingManifest: return try await storage.delete(key)
      case .emptyFile, .emptyManifest: bytes = []
      case .truncatedFile: bytes.removeLast()
      case .grownFile: bytes.append(0)
      case .flippedBit, .flippedManifest: bytes[bytes.count / 2] ^= 4
      case .otherManifest:
        let other = try await world.export("other")
        bytes = try await storage.bytes(of: world.key(of: "manifest.json", in: other))
      case .swappedFiles, .swappedSizes:
        let second = try await world.key(of: self == .swappedFiles ? "b.bin" : "c.bin", in: export)
        let others = try await storage.bytes(of: second)
        try await world.put(bytes, at: second)
        bytes = others
      case .extraFile:
        let folder = try ExportFolder(uri: export.uri, in: storage)
        return try await world.put([1, 2, 3], at: folder.file("deep/er/surplus.bin"))
      }
      try await world.put(bytes, at: key)
    }
  }

  private func world(in store: ExportStore) async throws -> TestWorld {
    let world = try await TestWorld.make(in: store)
    try await world.train(
      "whole",
      [
        ("a.bin", patternedBytes(3_000)), ("b.bin", patternedBytes(3_000, seed: 1)),
        ("c.bin", patternedBytes(2_000, seed: 2)), ("none.bin", []),
      ])
    try await world.train("other", [("a.bin", patternedBytes(3_000))])
    #expect(try await world.sync([.observe, .export]).count(.exported) == 2)
    return world
  }

  @Test("names each damage by file and kind, and nothing else", arguments: ExportStore.available)
  func everyDamage(_ store: ExportStore) async throws {
    let world = try await world(in: store)
    let export = try await world.export("whole")
    let folder = try ExportFolder(uri: export.uri, in: world.storage).key
    #expect(try await world.findings().isEmpty)
    var sound: [StorageKey: [UInt8]] = [:]
    for file in try await world.storage.files(below: folder) {
      sound[file.key] = try await world.storage.bytes(of: file.key)
    }
    for damage in Damage.allCases {
      try await damage.happen(to: export, in: world)
      let found = try await world.findings()
      let named = Dictionary(grouping: found) { ($0.path ?? "").split(separator: "/").last.map(String.init) ?? "" }
      #expect(named.mapValues { $0.map(\.code) } == damage.expected.mapValues { [$0] }, "\(damage)")
      #expect(found.allSatisfy { $0.export == export && $0.workspace.text == "dev01" && $0.isDamage }, "\(damage)")
      for file in try await world.storage.files(below: folder) where sound[file.key] == nil {
        try await world.storage.delete(file.key)
      }
      for (key, bytes) in sound { try await world.put(bytes, at: key) }
    }
    #expect(try await world.findings().isEmpty)
  }

  @Test("without reading data sees what manifests and sizes tell, and not a flipped bit")
  func shallow() async throws {
    let world = try await world(in: .file)
    let export = try await world.export("whole")
    try await Damage.flippedBit.happen(to: export, in: world)
    #expect(try await world.findings(nil).isEmpty)
    try await Damage.truncatedFile.happen(to: world.export("other"), in: world)
    #expect(try await world.findings(nil).map(\.code) == [.fileTruncated])
  }

  @Test("of parts reads every export in one of them, and in no other")
  func parts() async throws {
    let world = try await world(in: .file)
    try await Damage.flippedBit.happen(to: world.export("whole"), in: world)
    try await Damage.flippedBit.happen(to: world.export("other"), in: world)
    var found: [ExportFinding] = []
    for number in 1...5 {
      let share = try #require(DataShare("\(number)/5"))
      found += try await world.findings(share)
    }
    #expect(found.map(\.export.name).sorted() == ["other", "whole"])
  }

  @Test("a link in the place of a file is a file that is missing, and one that is too many")
  func link() async throws {
    let world = try await world(in: .file)
    let export = try await world.export("whole")
    let path = "\(world.storageRoot)/\(try await world.key(of: "a.bin", in: export).path)"
    try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path + ".away")
    #expect(Set(try await world.findings().map(\.code)) == [.fileMissing, .fileExtra])
  }

  @Test("a file that cannot be read is told of as that, and a store that is gone ends the check")
  func unread() async throws {
    var world = try await world(in: .file)
    let key = try await world.key(of: "a.bin", in: world.export("whole"))
    let storage = InterposedStorage(world.storage)
    world.storage = storage
    storage.failReading { $0 == key ? StorageError(.failed, key: $0.path, "cannot be read: Input/output error.") : nil }
    let found = try await world.findings()
    #expect(found.map(\.code) == [.unread])
    #expect(found.map(\.isDamage) == [false])

    storage.failReading { StorageError(.unreachable, key: $0.path, "is not reachable.") }
    let check = StorageCheck(context: world.context(), workspaces: [try WorkspaceID("dev01")], data: .whole)
    let report = try await check.run()
    #expect(report.ended?.code == .unreachable)
    #expect(report.exports == 0 && report.left == 2 && report.findings.isEmpty)
  }

  @Test("a repair gives up what is damaged, and not an export that has a file too many")
  func repair() async throws {
    let world = try await world(in: .file)
    try await Damage.extraFile.happen(to: world.export("whole"), in: world)
    try await Damage.flippedBit.happen(to: world.export("other"), in: world)
    let violations = try await CheckJob(
      context: world.context(), workspaces: [WorkspaceID("dev01")], target: nil, readsData: true, repairs: true
    ).run()
    #expect(violations.map(\.invariant) == ["J3", "J3"])
    #expect(violations.count(where: \.isPending) == 1)
    #expect(try await world.count(.exportInvalidated) == 1)
    #expect(try await world.model("whole").versions[1]?.export != nil)
  }
}

@Suite("Shares of the data")
struct DataShareTests {
  @Test("every export belongs to one share of any number", arguments: [1, 2, 7, 31, 1_000])
  func partition(_ count: Int) throws {
    let shares = try (1...count).map { try #require(DataShare("\($0)/\(count)")) }
    for _ in 0..<200 {
      let id = UUID().uuidString.lowercased()
      #expect(shares.count { $0.holds(exportID: id) } == 1)
    }
  }

  @Test("an export stays in its share for ever: shares as Python's hashlib gives them")
  func stable() throws {
    for (last, number) in [(1, 3), (2, 4), (3, 3), (4, 1), (5, 5), (6, 1), (7, 2)] {
      let share = try #require(DataShare("\(number)/7"))
      #expect(share.holds(exportID: "00000000-0000-0000-0000-00000000000\(last)"))
    }
  }

  @Test(
    "what is no share is refused",
    arguments: [
      "", "1", "0/3", "4/3", "1/0", "1/1001", "+1/3", "1/ 3", "1/3/4", "a/b", "1/99999999999999999999", "١/٣",
    ])
  func refused(_ text: String) { #expect(DataShare(text) == nil) }
}
