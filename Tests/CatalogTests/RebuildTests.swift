import Catalog
import Foundation
import Postgres
import TestSupport
import Testing

@Suite("A rebuild of the projections")
struct RebuildTests {
  private let tables = """
    SELECT relname FROM pg_class WHERE relnamespace = 'marketplace_projection'::regnamespace AND relkind = 'r' ORDER BY 1
    """

  /// Where each row of a workspace lies and what it says: a row that is written again lies elsewhere.
  private func rows(_ session: Session, of workspace: String) throws -> Set<String> {
    var rows = Set<String>()
    for table in try session.query(tables).map({ try $0.string("relname") }) {
      rows.formUnion(
        try session.query(
          "SELECT concat('\(table) ', ctid, ' ', t) AS row FROM marketplace_projection.\(table) t WHERE workspace = $1",
          [workspace]
        ).map { try $0.string("row") })
    }
    return rows
  }

  private func rebuild(_ session: Session, _ workspace: String) throws {
    _ = try session.query("SELECT ledger.rebuild_projection('marketplace', $1)", [workspace])
  }

  @Test("writes nothing where nothing is wrong")
  func intact() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      let before = try rows(session, of: "dev01")
      try rebuild(session, "dev01")
      let moved = try rows(session, of: "dev01").symmetricDifference(before).count
      #expect(before.count > 20)
      #expect(moved == 0)
    }
  }

  @Test("puts right every table, whatever happened to its rows, and touches no other workspace")
  func damaged() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      func text(_ rows: Set<String>) -> Set<String> {
        Set(rows.map { $0.replacing(#/\(\d+,\d+\) /#, with: "") })
      }
      let (before, others) = (text(try rows(session, of: "dev01")), try rows(session, of: "dev02"))
      var damaged = 0
      for table in try session.query(tables).map({ try $0.string("relname") }) {
        for damage in [
          "DELETE FROM marketplace_projection.\(table) WHERE workspace = 'dev01'",
          "UPDATE marketplace_projection.\(table) SET \(try nullable(session, table)) WHERE workspace = 'dev01'",
          """
          INSERT INTO marketplace_projection.\(table) SELECT (jsonb_populate_record(t, \
          jsonb_build_object('model', gen_random_uuid(), 'sequence', 9999, 'to_sequence', 9999))).* \
          FROM marketplace_projection.\(table) t WHERE workspace = 'dev01' LIMIT 1
          """,
        ] {
          _ = try session.query(damage)
          guard text(try rows(session, of: "dev01")) != before else { continue }
          damaged += 1
          try rebuild(session, "dev01")
          let differing = text(try rows(session, of: "dev01")).symmetricDifference(before).count
          #expect(differing == 0, "after: \(damage)")
        }
      }
      #expect(damaged >= 40)
      #expect(try rows(session, of: "dev02").symmetricDifference(others).isEmpty)
    }
  }

  /// Assignments that change every column that may be empty, or the time of a row that has none.
  private func nullable(_ session: Session, _ table: String) throws -> String {
    let columns = try session.query(
      """
      SELECT attname FROM pg_attribute
      WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND NOT attnotnull
      """, ["marketplace_projection.\(table)"]
    ).map { "\(try $0.string("attname")) = NULL" }
    return columns.isEmpty ? "recorded_at = recorded_at + interval '1 day'" : columns.joined(separator: ", ")
  }

  @Test("fills tables that were emptied, all of them or all but one")
  func emptied() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    for kept in ["", "catalog"] {
      try await sample.pool.withSession { session in
        for table in try session.query(tables).map({ try $0.string("relname") }) where table != kept {
          try session.execute("DELETE FROM marketplace_projection.\(table)")
        }
        try rebuild(session, "dev01")
        try rebuild(session, "dev02")
      }
      #expect(try await Projections(sample.pool).check("dev01") == [])
      #expect(try await Projections(sample.pool).check("dev02") == [])
    }
  }

  @Test("follows changed functions and tables within one session, also one that was emptied for its size")
  func changed() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      func differences() throws -> Set<String> {
        Set(
          try session.query("SELECT projection_table FROM marketplace_projection.check('dev01')").map {
            try $0.string("projection_table")
          })
      }
      #expect(try differences() == [])
      try session.executeScript(
        """
        CREATE OR REPLACE FUNCTION marketplace_projection.scratch_bytes_max() RETURNS bigint
        LANGUAGE sql IMMUTABLE AS 'SELECT 0'
        """)
      #expect(try differences() == [])
      #expect(try differences() == [])
      try session.executeScript(
        """
        DO $do$ BEGIN
          EXECUTE replace(pg_get_functiondef('marketplace_projection.move_observation'::regproc), 'r.changes,',
            'r.changes + 1,');
        END $do$
        """)
      #expect(try differences() == ["observation"])
      try rebuild(session, "dev01")
      #expect(try differences() == [])
      try session.execute("ALTER TABLE marketplace_projection.observation ADD COLUMN remark text")
      try session.execute("UPDATE marketplace_projection.observation SET remark = 'x'")
      #expect(try differences() == ["observation"])
      try rebuild(session, "dev01")
      #expect(try differences() == [])
    }
  }

  @Test("follows a function that changes twice within one transaction")
  func changedTwice() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      func changes() throws -> Int {
        try session.query(
          "SELECT sum(changes)::bigint AS sum FROM marketplace_projection.observation WHERE workspace = 'dev01'")[0]
          .int("sum")
      }
      let before = try changes()
      let rows = try session.query(
        "SELECT count(changes) AS n FROM marketplace_projection.observation WHERE workspace = 'dev01'")[0].int("n")
      try session.executeScript("BEGIN")
      for _ in 1...2 {
        try session.executeScript(
          """
          DO $do$ BEGIN
            EXECUTE replace(pg_get_functiondef('marketplace_projection.move_observation'::regproc), 'r.changes',
              'r.changes + 1');
          END $do$
          """)
        try rebuild(session, "dev01")
      }
      try session.executeScript("COMMIT")
      #expect(try changes() == before + 2 * rows)
    }
  }

  @Test("refuses a column of which equal values may differ in their bytes")
  func unknownType() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      try session.execute("ALTER TABLE marketplace_projection.drift ADD COLUMN amount numeric")
      do {
        _ = try session.query("SELECT * FROM marketplace_projection.check('dev01')")
        Issue.record("it was compared")
      } catch let error as PostgresError {
        #expect(error.sqlState == "0A000")
        #expect(error.message.contains("drift.amount numeric"))
      }
    }
  }

  @Test("leaves the names of the session alone")
  func names() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      try session.executeScript("CREATE TEMPORARY TABLE catalog (mine text); SET search_path = marketplace")
      _ = try session.query("SELECT * FROM marketplace_projection.check('dev01')")
      #expect(try session.query("SELECT count(*) AS n FROM pg_temp.catalog")[0].int("n") == 0)
      #expect(try session.query("SELECT count(*) AS n FROM workspaces")[0].int("n") == 2)
    }
  }

  @Test("trusts no function that somebody else put into the session's temporary schema")
  func strangers() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    try await sample.pool.withSession { session in
      try session.executeScript(
        """
        CREATE FUNCTION pg_temp.marketplace_scratch_apply(text, integer, bigint) RETURNS void LANGUAGE sql AS 'SELECT'
        """)
      do {
        _ = try session.query("SELECT * FROM marketplace_projection.check('dev01')")
        Issue.record("it was called")
      } catch let error as PostgresError {
        #expect(error.sqlState == "42501")
      }
      try session.executeScript("DISCARD TEMP")
      #expect(try session.query("SELECT * FROM marketplace_projection.check('dev01')").isEmpty)
    }
  }
}
