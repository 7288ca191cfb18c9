import Foundation
import Ledger
import Marketplace
import Postgres
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("Overlapping runs", .enabled(if: MLflowServers.three != nil))
struct OverlappingRunsTests {
  @Test("two and sixteen syncs at once do the work once", arguments: [2, 16])
  func together(_ runs: Int) async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    for name in ["a", "b", "c"] { try await source.register(name, stage: "Production") }
    let first = try await world.syncTogether(runs)
    try await expectOnce(world, first, versions: [1])

    // The same with a history: a promotion, a rollback to come, and a withdrawal.
    for name in ["a", "b"] { try await source.register(name, stage: "Production") }
    try await source.promote("c", 1, to: "Archived")
    _ = try await world.syncTogether(runs)
    _ = try await world.sync()
    for name in ["a", "b"] { #expect(try await world.promotion("dev01.\(name)") == .init(staged: [2], alias: 2)) }
    #expect(try await world.promotion("dev01.c") == .init(staged: [], alias: nil))
    #expect(try await world.count(.modelExported) == 5)
    #expect(try await world.count(.modelImported) == 5)
    #expect(try await world.violations().isEmpty)
    let quiet = try await world.sync()
    #expect(quiet.items.isEmpty)
    #expect(quiet.workspaces.map(\.changes) == [0])
  }

  private func expectOnce(_ world: TestWorld, _ reports: [JobReport], versions: [Int]) async throws {
    let actions = Set(reports.flatMap(\.items).map(\.action))
    #expect(actions.isSubset(of: [.exported, .imported, .promoted, .busy]))
    let failures = reports.filter { !$0.isClean }.flatMap(\.items)
    #expect(failures.isEmpty)
    // Whoever found everything busy leaves nothing undone that the next run does not do.
    let after = try await world.sync()
    #expect(after.isClean)
    #expect(try await world.count(.modelExported) == 3)
    #expect(try await world.count(.modelImported) == 3)
    #expect(try await world.count(.marketplacePromotionSet) == 3)
    #expect(try await world.count(.marketplaceDriftFound) == 0)
    #expect(try await world.count(.importLost) == 0)
    for name in ["a", "b", "c"] {
      #expect(try await world.marketplaceVersions("dev01.\(name)") == versions)
      #expect(try await world.promotion("dev01.\(name)") == .init(staged: [1], alias: 1))
    }
    #expect(try await world.violations().isEmpty)
    let quiet = try await world.sync()
    #expect(quiet.items.isEmpty)
    #expect(quiet.workspaces.map(\.changes) == [0])
  }
}

extension TestWorld {
  /// Starts as many syncs at once, each with connections and registry clients of its own, as processes have.
  func syncTogether(_ runs: Int) async throws -> [JobReport] {
    try await withThrowingTaskGroup(of: JobReport.self) { group in
      for _ in 0..<runs {
        group.addTask {
          let pool = PostgresPool(.init(conninfo: try await conninfo(), connectionsMax: 3))
          do {
            let report = try await TestWorld(
              pool: pool, ledger: Ledger(pool), storage: storage, storageRoot: storageRoot, sources: sources,
              rules: rules, marketplace: marketplace, target: target
            ).sync()
            await pool.close()
            return report
          } catch {
            await pool.close()
            throw error
          }
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }

  /// Where the world's database is.
  private func conninfo() async throws -> String {
    let name = try await pool.read { session in
      try session.query("select current_database() as name")[0].string("name")
    }
    return try await TestCluster.start().server.conninfo(database: name)
  }
}
