import Foundation
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("Which promoted versions are transferred", .enabled(if: MLflowServers.three != nil))
struct PromotedVersionsTests {
  @Test("where a workspace says so, every promoted version is exported and imported, and one is available")
  func all() async throws {
    var world = try await TestWorld.make("dev01")
    world.rules["dev01"] = PromotionRule(aliases: ["champion"], stages: ["Production"], versions: .all)
    let source = try world.source()
    try await source.register("m", stage: "Production")
    try await source.register("m", stage: "Production")
    try await source.register("m", stage: "Staging")
    try await source.register("m", alias: "champion")
    try await source.register("other", stage: "Production")
    let plan = try await world.sync { $0.isDryRun = true }
    #expect(plan.count(.exported) == 4)
    #expect(plan.count(.imported) == 4)
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.count(.busy) == 0)
    #expect(report.items.filter { $0.action == .exported && $0.model == "m" }.map(\.version) == [1, 2, 4])
    #expect(report.items.filter { $0.action == .imported && $0.model == "m" }.map(\.version) == [1, 2, 4])
    #expect(report.count(.promoted) == 2)
    #expect(try await world.promotion("dev01.m") == .init(staged: [3], alias: 3))
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)

    // Going back copies nothing: it is there.
    try await source.deleteAlias("champion", ofModel: "m")
    let back = try await world.sync()
    #expect(back.items.map(\.action) == [.promoted])
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    #expect(try await world.violations().isEmpty)
  }

  @Test("an export that nobody imported before its version was superseded is named, and is no failure")
  func passedOver() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("m", stage: "Production")
    _ = try await world.sync([.observe, .export])
    try await source.promote("m", 1, to: "Archived")
    try await source.register("m", stage: "Production")
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.exported, .imported, .notImported, .promoted])
    let named = report.items.first { $0.action == .notImported }
    #expect(named?.version == 1)
    #expect(named?.trouble?.code == "no_longer_promoted")
    #expect(try await world.violations().isEmpty)

    try await source.promote("m", 1)
    try await source.promote("m", 2, to: "Archived")
    let back = try await world.sync()
    #expect(back.items.map(\.action) == [.imported, .promoted])
  }
}
