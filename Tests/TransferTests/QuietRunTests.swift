import Foundation
import Marketplace
import Postgres
import Registry
import TestSupport
import Testing

@testable import Transfer

/// A run that finds no change says so in one event and touches nothing else.
@Suite("A run with no change, on real MLflow", .enabled(if: MLflowServers.three != nil))
struct QuietRunTests {
  @Test("asks each registry at most 2 + ⌈models/1000⌉ times and appends WorkspaceObserved alone")
  func quiet() async throws {
    let three = try #require(MLflowServers.three)
    try await CountingProxy.with(three) { sourceDoor, sourceURL in
      try await CountingProxy.with(three) { targetDoor, targetURL in
        let sourceWorkspace = try await MLflowServers.freshWorkspace("dev01")
        let targetWorkspace = try await MLflowServers.freshWorkspace("market")
        let source = try Self.registry(sourceURL, sourceWorkspace)
        let marketplace = try Self.registry(targetURL, targetWorkspace)
        var world = try await TestWorld.over(["dev01": source], marketplace: marketplace)
        try await Self.populate(source)
        #expect(try await world.sync().isClean)
        // The rollback and the withdrawal of a first life, so that the marketplace has more than one of each.
        try await source.promote("staged", 2, to: "Archived")
        try await source.promote("withdrawn", 1, to: "Archived")
        #expect(try await world.sync().isClean)
        let models = try await source.registeredModels().count
        #expect(models == 6)

        // A process of its own remembers nothing of what earlier ones asked.
        for _ in 1...2 {
          world = world.connected(
            ["dev01": try Self.registry(sourceURL, sourceWorkspace)],
            marketplace: try Self.registry(targetURL, targetWorkspace))
          let before = try await Snapshot(of: world)
          _ = sourceDoor.takeRequests()
          _ = targetDoor.takeRequests()
          let report = try await world.sync()
          let asked = sourceDoor.takeRequests()
          let askedOfTarget = targetDoor.takeRequests()
          let after = try await Snapshot(of: world)

          #expect(report.isClean && report.items.isEmpty)
          #expect(asked.count <= 3, "\(asked.prefix(9))")
          #expect(askedOfTarget.count <= 3, "\(askedOfTarget.prefix(9))")
          let writes = (asked + askedOfTarget).filter { !$0.hasPrefix("GET ") }
          #expect(writes.isEmpty, "\(writes.prefix(9))")
          let fresh = after.events.subtracting(before.events)
          #expect(fresh.map { $0.split(separator: " ").last } == ["WorkspaceObserved"])
          #expect(before.events.isSubset(of: after.events))
          let changed = after.tables.filter { before.tables[$0.key] != $0.value }.keys.sorted()
          #expect(changed.allSatisfy(Self.mayChange), "\(changed)")
          #expect(after.files == before.files)
          #expect(after.marketplace == before.marketplace)
        }
      }
    }
  }

  @Test("takes one request more for each thousand models, and no more", .timeLimit(.minutes(10)))
  func manyModels() async throws {
    let three = try #require(MLflowServers.three)
    try await CountingProxy.with(three) { door, url in
      let workspace = try await MLflowServers.freshWorkspace("many")
      let source = try Self.registry(url, workspace)
      let world = try await TestWorld.over(
        ["many": source], marketplace: try await MLflowServers.registry("market"))
      // Models without versions are listed like any other and cost the least to make.
      for start in stride(from: 0, to: 1_010, by: 10) {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in start..<start + 10 {
            group.addTask {
              _ = try await source.createRegisteredModel(named: "model-\(number)", description: nil, tags: [])
            }
          }
          try await group.waitForAll()
        }
      }
      #expect(try await world.sync().isClean)
      let again = world.connected(["many": try Self.registry(url, workspace)], marketplace: world.marketplace)
      _ = door.takeRequests()
      let report = try await again.sync()
      let asked = door.takeRequests()
      #expect(report.workspaces.map(\.models) == [1_010])
      #expect(asked.count <= 2 + 2, "\(asked.prefix(9))")
    }
  }

  /// What an observation moves: the log itself, its head and seal, and the row that says when a workspace was seen.
  private static func mayChange(_ table: String) -> Bool {
    table.hasPrefix("ledger.event_") || table == "ledger.event"
      || ["ledger.head", "ledger.stream", "ledger.seal", "ledger.seal_run", "ledger.sealed", "ledger.projection"]
        .contains(table)
      || table == "marketplace_projection.observation"
  }

  /// As a process of its own would connect: nothing is remembered.
  private static func registry(_ url: String, _ workspace: String) throws -> MLflowRegistry {
    try MLflowRegistry(MLflowRegistry.Configuration(url: url, mlflowWorkspace: workspace))
  }

  private static func populate(_ source: MLflowRegistry) async throws {
    try await source.register("staged", content: "1", stage: "Production")
    try await source.register("staged", content: "2", stage: "Production")
    try await source.register("staged", content: "3", stage: "Staging")
    try await source.register("aliased", content: "1")
    try await source.register("aliased", content: "2", alias: "champion")
    try await source.register("aliased", content: "3", alias: "challenger")
    try await source.register("withdrawn", stage: "Production")
    try await source.register("both", stage: "Production", alias: "champion")
    try await source.register("draft")
    _ = try await source.createRegisteredModel(named: "without versions", description: nil, tags: [])
  }
}

extension TestWorld {
  /// The same ledger and store, the registries connected anew.
  fileprivate func connected(_ sources: [String: any ModelRegistry], marketplace: MLflowRegistry) -> TestWorld {
    TestWorld(
      pool: pool, ledger: ledger, storage: storage, storageRoot: storageRoot, sources: sources,
      marketplace: marketplace, target: marketplace)
  }
}

/// Everything that a run could have written to.
private struct Snapshot {
  /// Workspace, sequence and type of every event.
  var events: Set<String>
  /// A digest of each table's rows.
  var tables: [String: String]
  /// The store, with times.
  var files: [TestWorld.StoredPath]
  /// Names, times and versions in the marketplace registry.
  var marketplace: [String]

  init(of world: TestWorld) async throws {
    (events, tables) = try await world.pool.read { session in
      let events = try session.query("select workspace, sequence, type from ledger.event").map {
        "\(try $0.string("workspace"))/\(try $0.int("sequence")) \(try $0.string("type"))"
      }
      let names = try session.query(
        """
        select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname in ('ledger', 'jobs', 'marketplace_projection', 'marketplace')
        """)
      var tables: [String: String] = [:]
      for name in try names.map({ try $0.string("name") }) {
        let rows = try session.query(
          """
          select count(*) || ' ' || coalesce(md5(string_agg(t::text, chr(10) order by t::text)), '') as rows
          from \(name) t
          """)
        tables[name] = try rows[0].string("rows")
      }
      return (Set(events), tables)
    }
    files = try await world.storedFiles()
    marketplace = []
    for model in try await world.marketplace.registeredModels() {
      marketplace.append(
        "\(model.name) \(model.lastUpdated) \(model.aliases.map { "\($0.name) \($0.version)" }.sorted())")
      for version in try await world.marketplace.modelVersions(of: model.name) {
        marketplace.append("\(model.name) v\(version.version) \(version.stage) \(version.lastUpdated)")
      }
    }
  }
}
