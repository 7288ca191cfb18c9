import Foundation
import Ledger
import Marketplace
import Postgres
import Registry
import TestSupport
import Testing

@testable import Transfer

/// The nine faults of the system that this one replaces, each shown not to happen here.
@Suite("The faults of the original, on real MLflow", .enabled(if: MLflowServers.three != nil))
struct FaultsOfTheOriginalTests {
  /// The mark by which the original remembered what it had done.
  static let mark = "Exported Already On 2026-01-31"
  /// The longest description that MLflow's column is declared for.
  static let descriptionCharactersMax = 5_000

  @Test("F1: a mark in the description, erased or typed by hand, decides nothing")
  func markInTheDescription() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("erased", stage: "Production")
    try await source.updateRegisteredModel(named: "erased", description: Self.mark)
    try await source.updateModelVersion(name: "erased", version: 1, description: Self.mark)
    try await source.register("typed", stage: "Production")
    try await source.updateRegisteredModel(named: "typed", description: Self.mark)
    try await source.updateModelVersion(name: "typed", version: 1, description: Self.mark)

    let first = try await world.sync()
    #expect(first.count(.exported) == 2)
    #expect(first.count(.imported) == 2)
    #expect(try await world.promotion("dev01.typed") == .init(staged: [1], alias: 1))

    try await source.updateRegisteredModel(named: "erased", description: "")
    try await source.updateModelVersion(name: "erased", version: 1, description: "")
    let second = try await world.sync()
    #expect(second.items.isEmpty)
    #expect(try await world.events().count { $0.kind == .modelExported } == 2)
    #expect(try await world.violations().isEmpty)
  }

  @Test("F2: descriptions as long as their column are never written to, nor is anything else at the source")
  func fullDescription() async throws {
    var world = try await TestWorld.make("dev01")
    let server = try world.server()
    let full = String(repeating: "é", count: Self.descriptionCharactersMax)
    try await server.register("full", stage: "Production")
    try await server.updateRegisteredModel(named: "full", description: full)
    try await server.updateModelVersion(name: "full", version: 1, description: full)
    let source = try world.interpose()

    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.count(.imported) == 1)
    #expect(source.writes == 0)
    #expect(try await server.registeredModel(named: "full")?.description == full)
    #expect(try await server.modelVersion(name: "full", version: 1)?.description == full)
    #expect(try await world.marketplace.registeredModel(named: "dev01.full")?.description == full)
    #expect(try await world.marketplace.modelVersion(name: "dev01.full", version: 1)?.description == full)
  }

  @Test("F3: a rollback moves catalog and marketplace back without copying a byte again")
  func rollback() async throws {
    var world = try await TestWorld.make("dev01")
    let server = try world.server()
    try await server.register("risk", content: "one", stage: "Production")
    _ = try await world.sync()
    try await server.register("risk", content: "two", stage: "Production")
    let second = try await world.sync()
    #expect(second.count(.promoted) == 1)
    #expect(try await world.promotion("dev01.risk") == .init(staged: [2], alias: 2))

    try await server.promote("risk", 2, to: "Archived")
    let source = try world.interpose()
    let target = world.interposeTarget()
    let third = try await world.sync()
    #expect(third.items.map(\.action) == [.rolledBack])
    #expect(third.items.map(\.version) == [1])
    #expect(third.items.map(\.from) == [2])
    #expect(source.count(.download) == 0)
    #expect(target.count(.upload) == 0)
    #expect(target.count(.createModelVersion) == 0)
    #expect(try await world.promotion("dev01.risk") == .init(staged: [1], alias: 1))
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.risk", version: 1) == Array("one".utf8))
    let catalog = try await world.rows("select source_version, available_version, state from marketplace.catalog")
    #expect(try catalog.map { try $0.int("source_version") } == [1])
    #expect(try catalog.map { try $0.int("available_version") } == [1])
    #expect(try catalog.map { try $0.string("state") } == ["available"])
    #expect(try await world.violations().isEmpty)
  }

  @Test("F4: an archived model, a deleted version and a deleted model are withdrawn within one run")
  func goneAtTheSource() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    for name in ["archived", "deleted", "emptied", "kept"] { try await server.register(name, stage: "Production") }
    #expect(try await world.sync().count(.imported) == 4)
    #expect(try await world.rows("select name from marketplace.catalog").count == 4)

    try await server.promote("archived", 1, to: "Archived")
    try await server.deleteRegisteredModel(named: "deleted")
    try await server.deleteModelVersion(name: "emptied", version: 1)
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(Set(report.items.filter { $0.action == .withdrawn }.map(\.model)) == ["archived", "deleted", "emptied"])
    for name in ["archived", "deleted", "emptied"] {
      #expect(try await world.promotion("dev01.\(name)") == .init(staged: [], alias: nil))
      // Withdrawn is not erased: the bytes and the record stay.
      #expect(try await world.marketplace.modelVersion(name: "dev01.\(name)", version: 1)?.stage == "Archived")
    }
    let listed = try await world.rows("select name from marketplace.catalog").map { try $0.string("name") }
    #expect(listed == ["kept"])
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  @Test("F5: an export of a day on which nobody imported is imported later")
  func missedDay() async throws {
    let world = try await TestWorld.make("dev01")
    try await world.source().register("patient", stage: "Production")
    let exported = try await world.sync([.observe, .export])
    #expect(exported.count(.exported) == 1)
    #expect(exported.count(.imported) == 0)
    world.clock.advance(days: 40)
    let imported = try await world.sync([.import])
    #expect(imported.count(.imported) == 1)
    #expect(imported.isClean)
    #expect(try await world.promotion("dev01.patient") == .init(staged: [1], alias: 1))
  }

  @Test("F6: jobs of many workspaces at once, two for each, lose no row and double none")
  func manyJobsAtOnce() async throws {
    let ids = (1...6).map { "dev0\($0)" }
    let world = try await TestWorld.make("dev01", "dev02", "dev03", "dev04", "dev05", "dev06")
    for id in ids { try await world.source(id).register("risk", content: id, stage: "Production") }
    try await withThrowingTaskGroup(of: JobReport.self) { group in
      for id in ids {
        for _ in 1...2 { group.addTask { try await world.elsewhere { try await $0.sync(only: [id]) } } }
      }
      for try await report in group {
        // Which of two overlapping runs does the work is chance; that neither fails is not.
        #expect(report.isClean)
      }
    }
    // What one of two overlapping runs left to the other is finished now.
    #expect(try await world.sync().isClean)
    for table in ["export_summary", "import_summary", "catalog"] {
      let rows = try await world.rows("select workspace from marketplace.\(table) order by workspace")
      let workspaces = try rows.map { try $0.string("workspace") }
      #expect(workspaces == ids)
    }
    for id in ids {
      #expect(try await world.marketplace.modelVersions(of: "\(id).risk").map(\.version) == [1])
      #expect(try await world.marketplaceFile("model.pkl", of: "\(id).risk", version: 1) == Array(id.utf8))
    }
    #expect(try await world.violations().isEmpty)
  }

  @Test("F7: an import that dies after making its version makes no second one, however often it is retried")
  func retriedImport() async throws {
    var world = try await TestWorld.make("dev01")
    try await world.source().register("stubborn", stage: "Production")
    let target = world.interposeTarget()
    for _ in 1...2 {
      target.restart { call, moment, _ in
        if call == .createModelVersion, moment == .after { throw CancellationError() }
        // From the second attempt on the version is there, and what follows it dies instead.
        if call == .transitionStage { throw CancellationError() }
      }
      let stubborn = world
      await #expect(throws: CancellationError.self) { try await stubborn.sync() }
    }
    target.restart()
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(target.count(.createModelVersion) == 0)
    #expect(try await world.marketplace.modelVersions(of: "dev01.stubborn").map(\.version) == [1])
    #expect(try await world.events().count { $0.kind == .modelImported } == 1)
    #expect(try await world.promotion("dev01.stubborn") == .init(staged: [1], alias: 1))
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  @Test("F8: version 3 at the source is version 1 in the marketplace, and the ledger says so")
  func versionNumbers() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    for content in ["one", "two"] { try await source.register("risk", content: content) }
    try await source.register("risk", content: "three", stage: "Production")
    #expect(try await world.sync().count(.imported) == 1)
    try await source.promote("risk", 3, to: "Archived")
    try await source.promote("risk", 1)
    #expect(try await world.sync().count(.imported) == 1)

    let rows = try await world.rows("select version, marketplace_version from marketplace.import_summary order by 1")
    #expect(try rows.map { try $0.int("version") } == [1, 3])
    #expect(try rows.map { try $0.int("marketplace_version") } == [2, 1])
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.risk", version: 1) == Array("three".utf8))
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.risk", version: 2) == Array("one".utf8))
    #expect(try await world.promotion("dev01.risk") == .init(staged: [2], alias: 2))
    #expect(try await world.violations().isEmpty)
  }

  @Test("F9: models of one name in two workspaces stay two, and a template that would merge two is refused")
  func sameName() async throws {
    var world = try await TestWorld.make("a", "a-b")
    try await world.source("a").register("risk", content: "of a", stage: "Production")
    try await world.source("a-b").register("risk", content: "of a-b", stage: "Production")
    #expect(try await world.sync().isClean)
    #expect(try await world.marketplaceFile("model.pkl", of: "a.risk", version: 1) == Array("of a".utf8))
    #expect(try await world.marketplaceFile("model.pkl", of: "a-b.risk", version: 1) == Array("of a-b".utf8))

    world.template = try NameTemplate("{workspace}-{model}")
    try await world.source("a").register("b-c", content: "b-c of a", stage: "Production")
    #expect(try await world.sync().isClean)
    try await world.source("a-b").register("c", content: "c of a-b", stage: "Production")
    let report = try await world.sync()
    let collision = try #require(report.failures["name_collision"])
    #expect(collision.message.contains("'c'") && collision.message.contains("'b-c'"))
    #expect(report.count(.failed) == 1)
    #expect(try await world.marketplace.modelVersions(of: "a-b-c").map(\.version) == [1])
    #expect(try await world.marketplaceFile("model.pkl", of: "a-b-c", version: 1) == Array("b-c of a".utf8))
  }
}
