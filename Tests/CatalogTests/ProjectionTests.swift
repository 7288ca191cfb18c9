import Catalog
import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@Suite("The projections")
struct ProjectionTests {
  /// A database with the product's schema and the functions of Resources/random-history.sql.
  private func randomDatabase() async throws -> PostgresPool {
    let pool = try await migratedDatabase()
    try await pool.withSession { session in
      try session.executeScript(String(decoding: PackageResources.random_history_sql, as: UTF8.self))
    }
    return pool
  }

  @Test("hold the same rows, byte for byte, however the events were cut into batches and after a rebuild")
  func batching() async throws {
    let pool = try await randomDatabase()
    defer { Task { await pool.close() } }
    let histories = 400
    let differing = try await pool.withSession { session in
      try (1...histories).filter { seed in
        let workspace = "history-\(seed)"
        _ = try session.query(
          "SELECT testing.append_random($1, $2, $3, $4)",
          [workspace, 10 + seed * 7 % 60, Double(seed) / Double(histories), 1 + seed % 9])
        let digests = try [
          "SELECT testing.digest($1) AS digest", "SELECT testing.replay($1, 1) AS digest",
          "SELECT testing.replay($1, 7) AS digest",
          "SELECT ledger.rebuild_projection('marketplace', $1)::text AS digest",
          "SELECT testing.digest($1) AS digest",
        ].map { try session.query($0, [workspace]).first?.string("digest") }
        // the fourth is what the rebuild answers: the last sequence
        return [1, 2, 4].contains { digests[$0] != digests[0] }
      }
    }
    #expect(differing == [])
    #expect(try await Projections(pool).stale().isEmpty)
  }

  @Test("answer as of a position what they would hold had nothing come after it")
  func asOf() async throws {
    let pool = try await randomDatabase()
    defer { Task { await pool.close() } }
    for seed in 1...20 {
      let workspace = "history-\(seed)"
      try await pool.withSession { session in
        _ = try session.query(
          "SELECT testing.append_random($1, $2, $3, $4)", [workspace, 100, Double(seed) / 20, 1 + seed % 9])
      }
    }
    _ = try await Ledger(pool).seal()
    for seed in 1...20 {
      let differences = try await pool.withSession { session in
        try [5, 30, 60, 99, 100].flatMap { sequence in
          try session.query(
            "SELECT side || ': ' || line AS text FROM testing.as_of_differences($1, $2)",
            ["history-\(seed)", Int64(sequence)]
          ).map { try $0.string("text") }
        }
      }
      #expect(differences == [])
    }
  }

  @Test("are checked and made anew alike in the two steps that many events take")
  func inTwoSteps() async throws {
    let pool = try await randomDatabase()
    defer { Task { await pool.close() } }
    try await pool.withSession { session in
      try session.executeScript(
        """
        CREATE OR REPLACE FUNCTION marketplace_projection.scratch_events_first() RETURNS bigint
          LANGUAGE sql IMMUTABLE AS 'SELECT 12::bigint'
        """)
    }
    let projections = Projections(pool)
    for seed in 1...12 {
      let workspace = "history-\(seed)"
      func digest() async throws -> String? {
        try await pool.withSession { session in
          try session.query("SELECT testing.digest($1) AS digest", [workspace]).first?.string("digest")
        }
      }
      try await pool.withSession { session in
        _ = try session.query(
          "SELECT testing.append_random($1, $2, $3, $4)", [workspace, 20 + seed * 9, Double(seed) / 12, 1 + seed % 9])
      }
      #expect(try await projections.check(workspace) == [])
      let before = try await digest()
      let damaged = try await pool.withSession { session in
        try session.query(
          "DELETE FROM marketplace_projection.model_version WHERE workspace = $1 RETURNING 1", [workspace]
        ).count
      }
      #expect(try await projections.check(workspace).count { $0.difference == "missing" } == damaged)
      _ = try await pool.withSession { session in
        try session.query("SELECT ledger.rebuild_projection('marketplace', $1)", [workspace])
      }
      #expect(try await digest() == before)
    }
  }

  @Test("are checked against the events: what is missing and what nothing accounts for")
  func check() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let projections = Projections(sample.pool)
    for workspace in try await projections.workspaces() {
      #expect(try await projections.check(workspace) == [])
    }
    try await sample.pool.withSession { session in
      try session.execute(
        "UPDATE marketplace_projection.promotion SET marketplace_version = 7 WHERE version = 1")
    }
    let differences = try await projections.check("dev01")
    #expect(
      Set(differences.map { "\($0.table ?? "") \($0.difference)" }) == [
        "promotion missing", "promotion unfounded",
      ])
    _ = try await projections.rebuild("dev01")
    #expect(try await projections.check("dev01") == [])
  }

  @Test("stop visibly at data they cannot take in, without stopping the log, and go on after a rebuild")
  func stale() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let ledger = Ledger(sample.pool)
    let bad = NewEvent(
      stream: "model/x", expectedVersion: nil, id: UUID(), type: "ModelExported", occurredAt: nil,
      data: #"{"model":"no uuid","version":1}"#, cause: nil)
    _ = try await ledger.append([bad], to: "dev01", run: nil)
    let projections = Projections(sample.pool)
    #expect(try await projections.stale().map(\.from) == [51])
    #expect(try await Catalog(sample.pool).workspaces().map(\.staleFrom) == [51, nil])
    #expect(try await projections.check("dev01").map(\.difference) == ["stale"])
    // What they claim of before is compared all the same.
    try await sample.pool.withSession { session in
      _ = try session.query("UPDATE marketplace_projection.catalog SET state = 'forged' WHERE workspace = 'dev01'")
    }
    #expect(try await projections.check("dev01").contains { $0.table == "catalog" && $0.row.contains("forged") })
    // once the data is gone, a rebuild passes over the event
    try await sample.pool.withSession { session in
      _ = try session.query("SELECT ledger.redact('dev01', 51, 'not a model')")
    }
    // Rows of what was redacted since wait to be made anew.
    #expect(try await projections.check("dev01").map(\.difference) == ["not compared", "stale"])
    _ = try await projections.rebuild("dev01")
    #expect(try await projections.stale().isEmpty)
    #expect(try await projections.check("dev01") == [])
  }

  @Test("forget what was redacted")
  func redaction() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      _ = try session.query("SELECT ledger.redact('dev01', 4, 'names a person')")
    }
    let entry = try await Catalog(sample.pool).entries(named: "dev01.readmission-risk").first
    #expect(entry?.name == "readmission-risk")
    #expect(entry?.description == nil)
    #expect(entry?.versionDescription == "first")
    #expect(try await Projections(sample.pool).check("dev01") == [])
  }

  @Test("can be read by an analyst, every view and function, and not be changed")
  func analyst() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      let views = try session.query(
        "SELECT viewname FROM pg_views WHERE schemaname = 'marketplace' ORDER BY 1"
      ).map { try $0.string("viewname") }
      #expect(views.count == 10)
      try session.executeScript("SET ROLE marketplace_analyst")
      for view in views {
        _ = try session.query("SELECT * FROM marketplace.\(view)")
        _ = try session.query("SELECT * FROM marketplace.\(view)_at(\(sample.seals[3]))")
        _ = try session.query("SELECT * FROM marketplace.\(view)_at(now())")
      }
      _ = try session.query("SELECT * FROM marketplace.in_production_at(now())")
      #expect(throws: PostgresError.self) {
        try session.execute("DELETE FROM marketplace_projection.catalog")
      }
      #expect(throws: PostgresError.self) {
        _ = try session.query("SELECT marketplace_projection.reset('dev01')")
      }
      try session.executeScript("RESET ROLE")
    }
  }

  @Test("explain every column of every view")
  func comments() async throws {
    let pool = try await migratedDatabase()
    defer { Task { await pool.close() } }
    let silent = try await pool.withSession { session in
      try session.query(
        """
        SELECT c.relname || '.' || a.attname AS name
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'marketplace'::regnamespace AND col_description(c.oid, a.attnum) IS NULL
        """
      ).map { try $0.string("name") }
    }
    #expect(silent == [])
  }
}
