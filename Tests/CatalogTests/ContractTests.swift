import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@Suite("The contract with analysts")
struct ContractTests {
  private static let root = URL(fileURLWithPath: #filePath).appending(path: "../../..").standardized

  private static func lines(_ sql: String, _ pool: PostgresPool) async throws -> [String] {
    try await pool.withSession { session in try session.query(sql).map { try $0.string("line") } }
  }

  @Test("what contract 1 promised is there as it was; a migration may only add")
  func kept() async throws {
    let pool = try await migratedDatabase()
    defer { Task { await pool.close() } }
    let now = Set(
      try await Self.lines(
        """
        SELECT format('view %s %s %s %s', c.relname, lpad(a.attnum::text, 2, '0'), a.attname,
          format_type(a.atttypid, a.atttypmod)) AS line
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'marketplace'::regnamespace AND c.relkind = 'v'
        UNION ALL
        SELECT format('function %s(%s) %s', p.proname, pg_get_function_identity_arguments(p.oid),
          regexp_replace(pg_get_function_result(p.oid), '^SETOF (marketplace\\.)?', 'rows of '))
        FROM pg_proc p WHERE p.pronamespace = 'marketplace'::regnamespace
        """, pool))
    let promised = String(decoding: PackageResources.contract_1_txt, as: UTF8.self).split(separator: "\n").map(
      String.init)
    #expect(promised.count > 150)
    #expect(promised.filter { !now.contains($0) } == [])
  }

  @Test("every view, column and function says what it means, and the data dictionary is made of that")
  func dictionary() async throws {
    let pool = try await migratedDatabase()
    defer { Task { await pool.close() } }
    let silent = try await Self.lines(
      """
      SELECT c.relname || coalesce('.' || a.attname, '') AS line
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE c.relnamespace = 'marketplace'::regnamespace AND c.relkind = 'v'
        AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)
      UNION ALL
      SELECT p.oid::regprocedure::text FROM pg_proc p
      WHERE p.pronamespace = 'marketplace'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
      """, pool)
    #expect(silent == [])
    let sql = try String(contentsOf: Self.root.appending(path: "ops/lib/dictionary.sql"), encoding: .utf8)
    let made = try await Self.lines(sql, pool).joined(separator: "\n") + "\n"
    let page = Self.root.appending(path: "Sources/marketplace/Documentation.docc/DataDictionary.md")
    let written = try String(contentsOf: page, encoding: .utf8)
    #expect(written == made, "ops/lib/dictionary.sql says how it is made anew")
  }

  /// Runs `body` with the history of a hospital: as its superuser, as an analyst, and as one who may see `dev02` alone.
  private static func with(
    _ body: (_ owner: PostgresPool, _ analyst: PostgresPool, _ reader: PostgresPool) async throws -> Void
  ) async throws {
    let (conninfo, analyst) = try await hospitalHistory()
    let reader = "reader_\(UUID().uuidString.prefix(8).lowercased())"
    let owner = PostgresPool(.init(conninfo: conninfo, connectionsMax: 1))
    try await owner.withSession { session in
      try session.executeScript(
        "CREATE ROLE \(reader) LOGIN; SELECT ledger.admit_reader('\(reader)', '{dev02}', '90 s');")
    }
    let pools = [analyst, reader].map { PostgresPool(.init(conninfo: conninfo + " user=\($0)", connectionsMax: 1)) }
    do {
      try await body(owner, pools[0], pools[1])
    } catch {
      for pool in [owner] + pools { await pool.close() }
      throw error
    }
    for pool in [owner] + pools { await pool.close() }
  }

  /// What a relation or a call gives, workspace by workspace.
  private static func workspaces(_ source: String, _ pool: PostgresPool) async throws -> [String] {
    try await lines(
      "SELECT q.workspace || ' ' || count(*) AS line FROM \(source) q GROUP BY q.workspace ORDER BY 1", pool)
  }

  private static let views = [
    "catalog", "stage_history", "alias_history", "production_history", "availability_history", "model_history",
    "model_versions", "export_summary", "import_summary", "workspaces",
  ]

  @Test("an analyst reads all of it, a reader its workspaces alone, by whatever way it asks")
  func rows() async throws {
    try await Self.with { owner, analyst, reader in
      let last = try await Ledger(owner).lastPosition()
      var sources = Self.views.flatMap { view in
        [
          "marketplace.\(view)", "marketplace.\(view)_at(\(last)::bigint)",
          "marketplace.\(view)_at(timestamptz '2026-03-01')",
        ]
      }
      sources += [
        "marketplace.in_production_at('2026-01-01')", "marketplace.catalog_changes(100, \(last))",
        "marketplace.model_history_between(100, \(last))",
      ]
      sources += try await Self.lines(
        """
        SELECT c.oid::regclass::text AS line FROM pg_class c
        WHERE c.relnamespace = 'marketplace_projection'::regnamespace AND c.relkind IN ('r', 'v')
        """, owner)
      for source in sources {
        let all = try await Self.workspaces(source, owner)
        #expect(try await Self.workspaces(source, analyst) == all, "\(source)")
        #expect(try await Self.workspaces(source, reader) == all.filter { $0.hasPrefix("dev02 ") }, "\(source)")
      }
      // A workspace whose projections stopped is no exception.
      try await owner.withSession { session in
        _ = try session.query("SELECT ledger.mark_stale('marketplace', 'dev01', 1, null, 'for a test')")
      }
      #expect(try await Self.workspaces("marketplace.workspaces", reader) == ["dev02 1"])
      #expect(try await Self.workspaces("marketplace_projection.stale", reader) == [])
      #expect(try await Self.workspaces("marketplace_projection.stale", analyst) == ["dev01 1"])
    }
  }

  @Test("a reader asks as the role that it sets, and sees what that role was granted")
  func roles() async throws {
    try await Self.with { owner, _, reader in
      let ward = "ward_\(UUID().uuidString.prefix(8).lowercased())"
      try await owner.withSession { session in
        let login = try session.query("SELECT reader AS name FROM ledger.read_grant").first?.string("name") ?? ""
        try session.executeScript(
          "CREATE ROLE \(ward) IN ROLE marketplace_reader; GRANT \(ward) TO \(login); SELECT ledger.grant_read('\(ward)', 'dev03');"
        )
      }
      // What a role that it is a member of may see, it may see.
      #expect(try await Self.workspaces("marketplace.catalog", reader) == ["dev02 3", "dev03 2"])
      try await reader.withSession { try $0.execute("SET ROLE \(ward)") }
      for source in ["marketplace.catalog", "marketplace.catalog_at(timestamptz '2026-04-01')"] {
        #expect(try await Self.workspaces(source, reader) == ["dev03 2"], "\(source)")
      }
      try await reader.withSession { try $0.execute("RESET ROLE") }
      try await owner.withSession { session in
        _ = try session.query("SELECT ledger.revoke_read('\(ward)', 'dev03')")
      }
      #expect(try await Self.workspaces("marketplace.catalog", reader) == ["dev02 3"])
    }
  }

  @Test("a reader that has its function run by an administrator sees no more by it")
  func lured() async throws {
    try await Self.with { owner, _, reader in
      let role = try await Self.lines("SELECT reader AS line FROM ledger.read_grant", owner).first ?? ""
      try await owner.withSession { session in
        try session.executeScript("CREATE SCHEMA lure AUTHORIZATION \(role)")
      }
      try await reader.withSession { session in
        try session.executeScript(
          """
          SET default_transaction_read_only = off;
          """)
        try session.executeScript(
          """
          CREATE TABLE lure.loot (workspace text);
          CREATE TABLE lure.bait (n integer);
          INSERT INTO lure.bait SELECT generate_series(1, 10);
          CREATE FUNCTION lure.take(integer) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$ BEGIN
            INSERT INTO lure.loot SELECT DISTINCT workspace FROM marketplace.catalog_at(300::bigint);
            INSERT INTO lure.loot SELECT DISTINCT workspace FROM marketplace.stage_history_at(timestamptz '2026-03-01');
            INSERT INTO lure.loot SELECT DISTINCT workspace FROM marketplace.model_versions;
            RETURN $1; END $$;
          CREATE FUNCTION lure.quiet(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN lure.take($1); END $$;
          CREATE INDEX ON lure.bait (lure.quiet(n));
          TRUNCATE lure.loot;
          """)
      }
      try await owner.withSession { try $0.execute("ANALYZE lure.bait") }
      let loot = try await Self.lines("SELECT DISTINCT workspace AS line FROM lure.loot ORDER BY 1", owner)
      #expect(loot.allSatisfy { $0 == "dev02" }, "\(loot)")
    }
  }

  @Test(
    "neither writes anything, reads the ledger or the caches of the jobs, or keeps the server for long; auditors read both"
  )
  func refused() async throws {
    try await Self.with { owner, analyst, reader in
      let statements = [
        "SELECT * FROM ledger.event", "SELECT * FROM ledger.events", "SELECT * FROM ledger.append_grant",
        "SELECT * FROM ledger.read_grant", "SELECT * FROM ledger.leaves(0, 1)", "SELECT * FROM jobs.export_claim",
        "SELECT * FROM jobs.upload", "SELECT ledger.seal()", "SELECT ledger.grant_read('x', 'dev01')",
        "SELECT ledger.open_workspace('dev09')", "INSERT INTO marketplace_projection.drift DEFAULT VALUES",
        "UPDATE marketplace_projection.catalog SET state = 'available'", "DELETE FROM marketplace_projection.export",
        "TRUNCATE marketplace_projection.model", "CREATE TABLE marketplace.mine ()",
        "SELECT * FROM marketplace_projection.check('dev01')", "SELECT marketplace_projection.reset('dev01')",
        "DROP VIEW marketplace.catalog", "ALTER TABLE marketplace_projection.model DISABLE ROW LEVEL SECURITY",
        "SELECT pg_read_file('PG_VERSION')", "SELECT rolpassword FROM pg_authid",
      ]
      for pool in [analyst, reader] {
        for statement in statements {
          let state = try await pool.withSession { session in
            do {
              try session.execute("SET default_transaction_read_only = off")
              try session.executeScript(statement)
              return "done"
            } catch let error as PostgresError {
              return error.sqlState ?? "\(error.code)"
            }
          }
          #expect(state == "42501", "\(statement)")
        }
      }
      // A pool of ours has a time-out of its own, which wins.
      let settings = try await Self.lines(
        """
        SELECT left(setrole::regrole::text, 7) || ': ' || array_to_string(setconfig, ', ') AS line
        FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole IN (
          SELECT r.oid FROM pg_roles r JOIN pg_stat_activity a ON a.usename = r.rolname WHERE a.datname = current_database())
        ORDER BY 1
        """, owner)
      let common =
        "idle_in_transaction_session_timeout=60s, default_transaction_read_only=on, search_path=marketplace, public"
      #expect(
        settings == ["analyst: statement_timeout=300000, \(common)", "reader_: statement_timeout=90000, \(common)"])
      try await owner.withSession { session in
        try session.execute("SET ROLE ledger_auditor")
        #expect(try session.query("SELECT 1 AS one FROM ledger.events LIMIT 1").count == 1)
        #expect(try session.query("SELECT 1 AS one FROM marketplace.catalog").count == 9)
        try session.execute("RESET ROLE")
        for wrong in [
          "SELECT ledger.grant_read('no such role', 'dev01')", "SELECT ledger.grant_read('\("ledger_owner")', 'dev09')",
        ] {
          #expect(throws: PostgresError.self) { _ = try session.query(wrong) }
        }
      }
    }
  }
}
