import Catalog
import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@Suite("A replay")
struct ReplayTests {
  @Test("equals the as-of functions at every position of the sample history, in every view")
  func sample() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let replay = Replay(sample.pool)
    let last = try await replay.lastPosition()
    for position in stride(from: 0, through: last, by: 7) {
      let outcome = try await replay.fold(through: position, into: "past", workspacesConcurrent: 2)
      #expect(outcome.events == position && outcome.position == position)
      let views = try await replay.compare("past")
      #expect(views.count == 10)
      #expect(views.filter { $0.differences != 0 } == [], "position \(position)")
      try await replay.drop("past")
    }
    _ = try await replay.fold(through: last, into: "past")
    #expect(try await replay.compare("past").allSatisfy { $0.rows > 0 && $0.differences == 0 })
  }

  @Test("of random histories equals them too, and their answers stay after more has happened")
  func random() async throws {
    let pool = try await migratedDatabase()
    defer { Task { await pool.close() } }
    let replay = Replay(pool)
    try await pool.withSession { session in
      try session.executeScript(String(decoding: PackageResources.random_history_sql, as: UTF8.self))
      for seed in 1...8 {
        _ = try session.query("SELECT testing.append_random($1, 60, $2, 3)", ["history-\(seed)", Double(seed) / 8])
      }
    }
    let before = try await Ledger(pool).seal().last
    var random = Seeded(Int(before))
    let positions = (0..<5).map { _ in Int64.random(in: 0...before, using: &random) }
    let answers = try await answers(at: positions, pool)
    try await pool.withSession { session in
      for seed in 1...12 {
        _ = try session.query("SELECT testing.append_random($1, 60, $2, 5)", ["history-\(seed)", Double(seed) / 12])
      }
    }
    #expect(try await Ledger(pool).seal().last > before)
    #expect(try await self.answers(at: positions, pool) == answers)
    for position in positions {
      _ = try await replay.fold(through: position, into: "past")
      #expect(try await replay.compare("past").filter { $0.differences != 0 } == [], "position \(position)")
      try await replay.drop("past")
    }
  }

  private func answers(at positions: [Int64], _ pool: PostgresPool) async throws -> [String] {
    try await pool.withSession { session in
      try positions.flatMap { position in
        try session.query(
          """
          SELECT md5(string_agg(line, E'\\n' ORDER BY line)) AS digest FROM (
            SELECT c::text AS line FROM marketplace.catalog_at($1::bigint) c
            UNION ALL SELECT h::text FROM marketplace.production_history_at($1::bigint) h
            UNION ALL SELECT h::text FROM marketplace.model_history_at($1::bigint) h) x
          """, [position]
        ).map { try $0.optionalString("digest") ?? "" }
      }
    }
  }

  @Test("has the views, comments and the question of production that analysts know, and none of what moves rows")
  func contract() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    _ = try await Replay(sample.pool).fold(through: sample.seals[1], into: "march")
    try await sample.pool.withSession { session in
      let columns = """
        SELECT table_name || '.' || column_name || ' ' || data_type || ': '
          || coalesce(col_description((table_schema || '.' || table_name)::regclass, ordinal_position), '') AS line
        FROM information_schema.columns WHERE table_schema = $1 AND table_name <> 'replay' AND table_name NOT LIKE 'fold%'
        ORDER BY 1
        """
      let (here, there) = (try session.query(columns, ["march"]), try session.query(columns, ["marketplace"]))
      #expect(try here.map { try $0.string("line") } == there.map { try $0.string("line") })
      let moving = try session.query(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'march'::regnamespace AND proname ~ 'apply|move|reset'")
      #expect(moving.isEmpty)
      let answers = try session.query("SELECT answer FROM march.in_production_at(now())")
      #expect(!answers.isEmpty)
      // What is asked of the copy is answered from the copy.
      let outside = try session.query(
        """
        SELECT DISTINCT dependent.relname FROM pg_depend d
        JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class view ON view.oid = r.ev_class
        JOIN pg_class dependent ON dependent.oid = d.refobjid
        WHERE view.relnamespace = 'march'::regnamespace AND dependent.relnamespace <> 'march'::regnamespace
        """)
      #expect(outside.isEmpty)
    }
  }

  @Test(
    "refuses a position that is not sealed, a name that is taken, and names that are none, and leaves nothing behind",
    arguments: [
      "marketplace_past", "my_marketplace", "the_ledger", "pg_past", "Past", "past; drop schema ledger", "", "1st",
    ])
  func refusals(name: String) async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let replay = Replay(sample.pool)
    await #expect(throws: CatalogError.self) { _ = try await replay.fold(through: 1, into: name) }
    await #expect(throws: CatalogError.self) { _ = try await replay.fold(through: 1_000_000, into: "past") }
    _ = try await replay.fold(through: 1, into: "past")
    await #expect(throws: CatalogError.self) { _ = try await replay.fold(through: 1, into: "past") }
    let schemas = try await sample.pool.withSession { session in
      try session.query("SELECT nspname FROM pg_namespace WHERE nspname ~ 'past'").map { try $0.string("nspname") }
    }
    #expect(schemas == ["past"])
  }

  @Test("differs where a projection was changed by hand, and names the view")
  func tampered() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      try session.executeScript(
        "UPDATE marketplace_projection.export SET manifest_sha256 = repeat('0', 64) WHERE invalidated_sequence IS NULL")
    }
    let replay = Replay(sample.pool)
    _ = try await replay.fold(through: try await replay.lastPosition(), into: "past")
    let differing = try await replay.compare("past").filter { $0.differences > 0 }.map(\.view)
    #expect(differing.contains("export_summary"))
  }

  @Test("what changed between two positions is what both catalogs say, and the events in between did it")
  func changes() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let catalog = Catalog(sample.pool)
    let last = try #require(sample.seals.last)
    #expect(try await catalog.changes(from: last, to: last).isEmpty)
    for (from, to) in zip([0] + sample.seals, sample.seals) {
      let (before, after) = (try await catalog.list(asOf: .position(from)), try await catalog.list(asOf: .position(to)))
      let changes = try await catalog.changes(from: from, to: to)
      let old = Dictionary(uniqueKeysWithValues: before.map { ($0.model, $0) })
      let new = Dictionary(uniqueKeysWithValues: after.map { ($0.model, $0) })
      #expect(Set(changes.filter { $0.kind == .added }.map(\.model)) == Set(new.keys).subtracting(old.keys))
      #expect(Set(changes.filter { $0.kind == .removed }.map(\.model)) == Set(old.keys).subtracting(new.keys))
      for change in changes {
        #expect(!change.events.isEmpty, "\(change)")
        guard let state = change.field("state") else { continue }
        #expect(state.before == old[change.model]?.state.rawValue)
        #expect(state.after == new[change.model]?.state.rawValue)
      }
    }
  }

  @Test("a version is explained by its events: each that can be loaded is, and every other names what it lacks")
  func explanations() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let catalog = Catalog(sample.pool)
    var told: [String] = []
    for asOf in [AsOf.now] + sample.seals.map(AsOf.position) {
      for entry in try await catalog.list(asOf: asOf) {
        let model = ModelReference(workspace: entry.workspace, model: entry.model, name: entry.name)
        for version in 1...4 {
          guard let why = try await catalog.explain(version: version, of: model, asOf: asOf) else { continue }
          #expect(why.isAvailable == (entry.availableVersion == version))
          #expect(why.steps.count == 7)
          #expect(why.steps.first { $0.question == .meant }?.isMet == (entry.sourceVersion == version))
          #expect(why.isAvailable == why.verdict.contains("is in the catalog"))
          told.append(why.verdict)
        }
      }
    }
    #expect(told.contains { $0.contains("the source means v") })
    #expect(Set(told).count > 5)
  }

  @Test("what can be loaded is explained so whatever was redacted, and nothing that happened is denied")
  func explainedAfterRedaction() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let catalog = Catalog(sample.pool)
    let places = try await sample.pool.withSession { session in
      try session.query(
        """
        SELECT sequence FROM ledger.event WHERE workspace = 'dev01'
          AND type IN ('ModelVersionRegistered', 'StageTransitioned', 'AliasAssigned', 'ModelDescribed', 'ModelExported', 'ModelImported')
        ORDER BY type, sequence
        """
      ).map { try $0.int64("sequence") }
    }
    for place in places {
      _ = try await sample.pool.withSession { session in
        try session.query("SELECT ledger.redact('dev01', $1, 'for a test')", [place])
      }
      for entry in try await catalog.list(workspace: "dev01") {
        guard let version = entry.availableVersion else { continue }
        let model = ModelReference(workspace: entry.workspace, model: entry.model, name: entry.name)
        let why = try #require(try await catalog.explain(version: version, of: model), "after \(place)")
        #expect(why.isAvailable && why.verdict.contains("is in the catalog"), "after \(place): \(why.verdict)")
        let denied = why.steps.filter { !$0.isMet && $0.question != .meant && $0.question != .stands }
        #expect(denied.isEmpty, "after \(place): \(denied)")
      }
    }
    #expect(places.count > 10)
  }
}
