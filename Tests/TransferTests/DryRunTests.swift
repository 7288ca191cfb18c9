import Foundation
import Marketplace
import NIOHTTP1
import Postgres
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("A dry run", .enabled(if: MLflowServers.three != nil))
struct DryRunTests {
  @Test("changes nothing anywhere and lists what the real run then does")
  func plan() async throws {
    try await RegistryProxy.with { proxy in
      var world = try await TestWorld.make()
      let sourceWorkspace = try await MLflowServers.freshWorkspace("dev01")
      let direct = try MLflowRegistry(.init(url: MLflowServers.three ?? "", mlflowWorkspace: sourceWorkspace))
      world.sources["dev01"] = try proxy.registry(sourceWorkspace)
      world.target = try proxy.registry(try await MLflowServers.freshWorkspace("market"))
      for name in ["first", "rolled", "archived", "touched"] { try await direct.register(name, stage: "Production") }

      try await expectPlanKept(world, proxy)
      try await direct.register("rolled", stage: "Production")
      try await expectPlanKept(world, proxy)
      try await direct.promote("rolled", 2, to: "Archived")
      try await direct.promote("archived", 1, to: "Archived")
      try await direct.register("new", alias: "champion")
      try await direct.rename(model: "first", to: "renamed")
      try await world.target.promote("dev01.touched", 1, to: "Staging")
      try await world.target.deleteModelVersion(name: "dev01.first", version: 1)
      try await expectPlanKept(world, proxy)
      try await expectPlanKept(world, proxy)
    }
  }

  /// Runs dry and then for real, and compares.
  private func expectPlanKept(_ world: TestWorld, _ proxy: RegistryProxy) async throws {
    let before = try await Everything(world)
    proxy.tell { request in
      // The one search that MLflow takes as POST reads only.
      request.method == .GET || request.uri.contains("/search")
        ? nil : .json("{\"error_code\": \"BAD_REQUEST\", \"message\": \"a dry run wrote\"}", status: .badRequest)
    }
    let plan = try await world.sync { $0.isDryRun = true }
    proxy.tell(nil)
    #expect(plan.isClean)
    #expect(plan.workspaces.compactMap(\.sequences).isEmpty)
    let after = try await Everything(world)
    #expect(after == before)

    let real = try await world.sync()
    #expect(real.isClean)
    #expect(real.workspaces.map(\.changes) == plan.workspaces.map(\.changes))
    let planned = plan.items.map(Line.init).sorted()
    let done = real.items.map(Line.init).sorted()
    #expect(planned == done)
    #expect(try await world.violations().isEmpty)
  }

  private struct Line: Equatable, Comparable, CustomStringConvertible {
    var description: String

    init(_ item: Item) { description = "\(item.action.rawValue) \(item.model) v\(item.version ?? 0)" }

    static func < (a: Line, b: Line) -> Bool { a.description < b.description }
  }

  /// What a dry run must leave alone: the ledger, the caches and claims, the storage, both registries.
  private struct Everything: Equatable {
    var rows: [String]
    var stored: [String: Int]
    var source: [RegisteredModel]
    var target: [RegisteredModel]

    init(_ world: TestWorld) async throws {
      rows = try await world.pool.read { session in
        let tables = try session.query(
          """
          select format('%I.%I', schemaname, tablename) as name from pg_tables
          where schemaname not in ('pg_catalog', 'information_schema') order by 1
          """)
        return try tables.map { table in
          let name = try table.string("name")
          let digest = try session.query(
            "select count(*) as rows, md5(string_agg(t::text, ',' order by t::text)) as digest from \(name) t")[0]
          return "\(name) \(try digest.int("rows")) \(try digest.optionalString("digest") ?? "")"
        }
      }
      stored = try world.stored()
      source = try await world.source().registeredModels()
      target = try await world.target.registeredModels()
    }
  }
}
