import Foundation
import Marketplace
import NIOHTTP1
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("There and back", .enabled(if: MLflowServers.three != nil))
struct TransitionTests {
  @Test("Production, Archived, Production seen by runs: two transitions, one copy, available again")
  func betweenRuns() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("m", stage: "Production")
    _ = try await world.sync()
    let stored = try world.stored()

    try await source.promote("m", 1, to: "Archived")
    let archived = try await world.sync()
    #expect(archived.items.map(\.action) == [.withdrawn])
    try await source.promote("m", 1)
    let back = try await world.sync()
    #expect(back.isClean)
    #expect(back.items.map(\.action) == [.promoted])
    #expect(try await world.count(.stageTransitioned) == 3)
    #expect(try await world.count(.modelExported) == 1)
    #expect(try await world.count(.modelImported) == 1)
    #expect(try await world.promotionCauses() == [.promotion, .withdrawal, .promotion])
    #expect(try await world.promotion("dev01.m") == .init(staged: [1], alias: 1))
    #expect(try await world.marketplaceVersions("dev01.m") == [1])
    #expect(try world.stored() == stored)
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("Production, Archived, Production between two runs: nothing recorded, nothing copied")
  func withinOne() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("m", stage: "Production")
    _ = try await world.sync()
    let before = try await world.events()
    let stored = try world.stored()
    try await source.promote("m", 1, to: "Archived")
    try await source.promote("m", 1)
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.isEmpty)
    #expect(try await world.events() == before)
    #expect(try world.stored() == stored)
    #expect(try await world.violations().isEmpty)
  }

  @Test("an alias moved forward and back is a promotion and a rollback, copied once each")
  func aliasBack() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("m", alias: "champion")
    _ = try await world.sync()
    try await source.register("m", alias: "champion")
    _ = try await world.sync()
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    let stored = try world.stored()

    try await source.setAlias("champion", ofModel: "m", version: 1)
    let back = try await world.sync()
    #expect(back.items.map(\.action) == [.rolledBack])
    #expect(back.items.first?.version == 1)
    #expect(back.items.first?.from == 2)
    #expect(try await world.promotion("dev01.m") == .init(staged: [1], alias: 1))
    #expect(try world.stored() == stored)
    #expect(try await world.promotionCauses() == [.promotion, .promotion, .rollback])
    #expect(try await world.violations().isEmpty)

    try await source.deleteAlias("champion", ofModel: "m")
    let gone = try await world.sync()
    #expect(gone.items.map(\.action) == [.withdrawn])
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("an alias takes precedence over a stage")
  func aliasFirst() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("m", alias: "champion")
    try await source.register("m", stage: "Production")
    _ = try await world.sync()
    #expect(try await world.model("m").current(under: .standard)?.number == 1)
    #expect(try await world.count(.modelExported) == 1)

    try await source.deleteAlias("champion", ofModel: "m")
    _ = try await world.sync()
    let promoted = try await world.promotion("dev01.m")
    let marketplace = try await world.model("m").marketplace["marketplace"]
    #expect(marketplace?.available.flatMap { marketplace?.sourceVersions[$0] } == 2)
    #expect(promoted?.alias == marketplace?.available)
    #expect(try await world.violations().isEmpty)
  }

  @Test("when v2 is archived, v1, still in Production, is current again")
  func stageRollback() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("m", stage: "Production")
    _ = try await world.sync()
    try await source.register("m", stage: "Production")
    _ = try await world.sync()
    let stored = try world.stored()
    try await source.promote("m", 2, to: "Archived")
    let report = try await world.sync()
    #expect(report.items.map(\.action) == [.rolledBack])
    #expect(try await world.promotion("dev01.m") == .init(staged: [1], alias: 1))
    #expect(try world.stored() == stored)
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("a promotion whose export fails keeps its predecessor available until the fault is gone")
  func failingExport() async throws {
    try await RegistryProxy.with { proxy in
      var world = try await TestWorld.make()
      world.sources["dev01"] = try proxy.registry(try await MLflowServers.freshWorkspace("dev01"))
      let source = try world.source()
      try await source.register("m", stage: "Production")
      _ = try await world.sync()
      try await source.register("m", stage: "Production")
      // v1 is archived as MLflow's client does when it promotes v2.
      try await source.promote("m", 1, to: "Archived")

      proxy.tell { request in
        request.method == .GET && request.uri.contains("model.pkl")
          ? .json("{\"error_code\": \"INTERNAL_ERROR\", \"message\": \"disk\"}", status: .internalServerError) : nil
      }
      for _ in 1...2 {
        let bad = try await world.sync()
        #expect(bad.items.map(\.action) == [.failed])
        #expect(bad.items.first?.version == 2)
        #expect(bad.items.first?.trouble?.retriable == true)
      }
      #expect(try await world.count(.exportFailed) == 1)
      #expect(try await world.promotion("dev01.m") == .init(staged: [1], alias: 1))
      let row = try await world.catalogRow("dev01", "m")
      #expect(row.current == 2)
      #expect(row.available == 1)
      #expect(row.reason?.isEmpty == false)
      #expect(try await world.violations().isEmpty)

      proxy.tell(nil)
      let good = try await world.sync()
      #expect(good.items.map(\.action) == [.exported, .imported, .promoted])
      #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
      #expect(try await world.violations().isEmpty)
      #expect(try await world.sync().items.isEmpty)
    }
  }
}
