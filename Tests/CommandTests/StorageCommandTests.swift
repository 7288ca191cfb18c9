import ArgumentParser
import Foundation
import Registry
import Storage
import TestSupport
import Testing
import Transfer

@testable import marketplace

@Suite("Looking after storage from the command line")
struct StorageCommandTests {
  private func check(_ arguments: String...) throws -> StorageCheckCommand {
    try #require(
      try MarketplaceCommand.parseAsRoot(["storage", "check"] + arguments) as? StorageCheckCommand)
  }

  @Test("how much is read is said by an option with or without a share")
  func shares() throws {
    #expect(try check().readData == nil)
    #expect(try check("--read-data").readData?.share == .whole)
    #expect(try check("--read-data", "--all").readData?.share == .whole)
    #expect(try check("--read-data=2/7").readData?.share == DataShare("2/7"))
    #expect(try check("--read-data", "2/7", "--all").all)
    for wrong in ["0/7", "8/7", "x", "1/1001"] {
      #expect(throws: (any Error).self) { try check("--read-data=\(wrong)") }
    }
  }

  @Test("nothing younger than a day can be asked for")
  func floor() throws {
    let gc = ["storage", "gc"]
    let plain = try #require(try MarketplaceCommand.parseAsRoot(gc) as? StorageCollectCommand)
    #expect(plain.olderThan == nil && !plain.delete)
    _ = try MarketplaceCommand.parseAsRoot(gc + ["--older-than", "1d", "--delete"])
    for wrong in ["23h", "0s", "1x", ""] {
      #expect(throws: (any Error).self, "\(wrong)") {
        try MarketplaceCommand.parseAsRoot(gc + ["--older-than", wrong])
      }
    }
  }
}

@Suite("Storage, looked after by the real program", .enabled(if: MLflowServers.three != nil))
struct StorageProgramTests {
  /// A world with one export.
  private func exported() async throws -> (CommandWorld, manifest: String) {
    let world = try await CommandWorld.make()
    let workspace = try await MLflowServers.freshWorkspace("dev01")
    try world.configure([CommandWorld.line("dev01", mlflowWorkspace: workspace)])
    try await CommandWorld.promote("triage", in: workspace)
    for command in ["observe", "export"] {
      let outcome = try await world.run(command)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    let root = world.folder + "/storage"
    let manifest = try FileManager.default.subpathsOfDirectory(atPath: root).first { $0.hasSuffix("manifest.json") }
    return (world, "\(root)/\(try #require(manifest))")
  }

  @Test("a check ends with 0 while all is there, with 8 and the file's name when it is not, with 5 without a store")
  func check() async throws {
    let (world, manifest) = try await exported()
    let sound = try await world.run("storage", "check", "--read-data", "--output", "json")
    #expect(sound.status == 0)
    let report = try sound.json()
    #expect(report["schema"] as? String == "marketplace.storage.check/1")
    #expect(report["exports"] as? Int == 1 && (report["findings"] as? [Any])?.isEmpty == true)
    let table = try await world.run("storage", "check")
    #expect(table.output.contains("manifests and sizes of 1 export, ") && table.output.contains("all is there"))

    let model = URL(fileURLWithPath: manifest).deletingLastPathComponent().appendingPathComponent("model.json")
    var bytes = try Data(contentsOf: model)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: model)
    #expect(try await world.run("storage", "check").status == 0)
    let damaged = try await world.run("storage", "check", "--read-data", "--output", "json")
    #expect(damaged.status == 8)
    let findings = try #require(try damaged.json()["findings"] as? [[String: Any]])
    #expect(findings.map { $0["code"] as? String } == ["file_changed"])
    #expect(findings.map { $0["file"] as? String } == ["model.json"])

    try FileManager.default.removeItem(atPath: world.folder + "/storage/.marketplace-storage")
    #expect(try await world.run("storage", "check").status == 5)
    #expect(try await world.run("storage", "gc").status == 5)
  }

  @Test("a collection lists what would go, and removes it when it is told to")
  func collect() async throws {
    let (world, manifest) = try await exported()
    let live = URL(fileURLWithPath: manifest).deletingLastPathComponent()
    let orphan = live.deletingLastPathComponent().appendingPathComponent("7-\(UUID().uuidString.lowercased())")
    try FileManager.default.copyItem(at: live, to: orphan)
    let old = Date(timeIntervalSinceNow: -9 * 86_400)
    for path in try FileManager.default.subpathsOfDirectory(atPath: orphan.path) {
      try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: "\(orphan.path)/\(path)")
    }
    let plan = try await world.run("storage", "gc")
    #expect(plan.status == 0)
    #expect(plan.output.contains("\(orphan.lastPathComponent)  no event names it, 9 d old"))
    #expect(plan.output.contains("--delete removes them"))
    #expect(FileManager.default.fileExists(atPath: orphan.path))
    let young = try await world.run("storage", "gc", "--older-than", "10d", "--delete", "--output", "json")
    #expect(try young.json()["kept"] as? [String: Int] == ["live": 1, "young": 1])
    let done = try await world.run("storage", "gc", "--delete", "--output", "json")
    #expect(done.status == 0)
    let report = try done.json()
    #expect(report["schema"] as? String == "marketplace.storage.gc/1")
    #expect(report["outcomes"] as? [String: Int] == ["collected": 1])
    #expect(!FileManager.default.fileExists(atPath: orphan.path))
    #expect(FileManager.default.fileExists(atPath: manifest))
    #expect(try await world.run("storage", "check", "--read-data").status == 0)
  }
}
