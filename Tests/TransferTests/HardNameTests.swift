import Foundation
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

/// Names that look alike, climb out of folders, or break quoting.
@Suite("Hard names, on real MLflow", .enabled(if: MLflowServers.three != nil))
struct HardNameTests {
  @Test("names that differ only in how an accent is written collide with both named, and a rename ends it")
  func accents() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let composed = "caf\u{e9}"
    let decomposed = "cafe\u{301}"
    try await server.register(composed, content: "composed", stage: "Production")
    #expect(try await world.sync().isClean)
    try await server.register(decomposed, content: "decomposed", stage: "Production")

    let report = try await world.sync()
    let trouble = try #require(report.failures["name_collision"])
    let names = trouble.message.components(separatedBy: "'").map { Array($0.utf8) }
    #expect(names.contains(Array(composed.utf8)) && names.contains(Array(decomposed.utf8)))
    #expect(report.count(.failed) == 1)
    let kept = try await world.marketplaceFile("model.pkl", of: "dev01.\(composed)", version: 1)
    #expect(kept == Array("composed".utf8))
    #expect(try await world.marketplace.registeredModels().count == 1)

    // What the message advises has to help.
    try await server.renameRegisteredModel(decomposed, to: "kaffee")
    let renamed = try await world.sync { $0.retryFailed = true }
    #expect(renamed.isClean)
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.kaffee", version: 1) == Array("decomposed".utf8))
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  @Test("names with quotes, spaces, escapes, emoji and dots pass through unchanged, each with its own files")
  func hostileNames() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let names = [
      "it's \"quoted\" `thrice`", "%2e%2e", "%2E%2E%2Fetc", "two  spaces ", "🫀 heart", "back\\slash", "{workspace}",
      "-rf", "a?b&c=d#e", "semi;colon", "$(id)", "ed_wait.time model", "m-00000000000000000000000000000000", "Ω≈ç√",
    ]
    for name in names { try await server.register(name, content: "of \(name)", stage: "Production") }

    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.filter(\.isFailure).map { "\($0.model): \($0.trouble?.message ?? "")" } == [])
    #expect(report.count(.imported) == names.count)
    for name in names {
      let bytes = try await world.marketplaceFile("model.pkl", of: "dev01.\(name)", version: 1)
      #expect(bytes == Array("of \(name)".utf8), "\(name)")
    }
    // Each model has one folder, named so that it cannot be a path, and nothing lies beside the exports.
    let top = try FileManager.default.contentsOfDirectory(atPath: "\(world.storageRoot)/exports/dev01")
    #expect(top.count == names.count)
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a model called '..', which an MLflow 2 takes, stays within its folder", .enabled(if: MLflowServers.two != nil))
  func dots() async throws {
    let two = try TestWorld.two()
    let alias = TestWorld.unique("only")
    var world = try await TestWorld.over(["dev02": two], marketplace: try await MLflowServers.registry("market"))
    world.rules["dev02"] = PromotionRule(aliases: [alias], stages: [])
    let version = try await two.registerInRun("..", content: "climber", stage: nil, alias: alias)

    let report = try await world.sync()
    try await two.deleteRegisteredModel(named: "..")
    #expect(report.count(.imported) == 1)
    #expect(report.items.filter { $0.action == .failed }.isEmpty)
    #expect(try await world.promotion("dev02...") == .init(staged: [1], alias: 1))
    #expect(try await world.marketplaceFile("model.pkl", of: "dev02...", version: 1) == Array("climber".utf8))
    let folders = try FileManager.default.contentsOfDirectory(atPath: "\(world.storageRoot)/exports/dev02")
    #expect(folders == ["%2E%2E"])
    #expect(version.name == "..")
    #expect(try await world.violations().isEmpty)
  }

  @Test("a name that fills MLflow's 256 characters is imported, one character more is refused with the reason")
  func longNames() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let fits = String(repeating: "é", count: 250)
    let exceeds = String(repeating: "x", count: 251)
    try await server.register(fits, content: "fits", stage: "Production")
    try await server.register(exceeds, content: "exceeds", stage: "Production")

    let report = try await world.sync()
    #expect(report.count(.imported) == 1)
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.\(fits)", version: 1) == Array("fits".utf8))
    let trouble = try #require(report.items.first { $0.action == .failed }?.trouble)
    #expect(trouble.message.contains("257 characters") && trouble.message.contains("256"))
    #expect(try await world.violations().isEmpty)
  }

  @Test("a name with NUL, where MLflow takes one, is named as unkeepable and hinders no other model")
  func nul() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    try await server.register("good", stage: "Production")
    do {
      try await server.register("nul\0name", stage: "Production")
    } catch is RegistryError {
      // This MLflow refuses it, so that nobody has to.
      #expect(try await world.sync().isClean)
      return
    }
    let report = try await world.sync()
    let trouble = try #require(report.failures["unkeepable_name"])
    #expect(trouble.message.contains("nul\\0name"))
    #expect(!report.isClean)
    #expect(report.count(.imported) == 1)
    #expect(try await world.promotion("dev01.good") == .init(staged: [1], alias: 1))
    #expect(try await world.violations().isEmpty)
  }
}
