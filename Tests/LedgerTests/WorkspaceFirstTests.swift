import Ledger
import Postgres
import Testing

/// What lets the workspaces be spread over servers (`Scaling.md`): nothing but what is listed here looks past one of them.
@Suite("Everything begins with the workspace")
struct WorkspaceFirstTests {
  private static let schemas = "'ledger', 'marketplace_projection', 'jobs'"

  /// Notes of the jobs, small tables that every server has a copy of, and those of the sealer, of which there is one.
  private static let ofNoWorkspace = [
    "jobs.observation_cursor", "jobs.upload",
    "ledger.append_grant", "ledger.event_type", "ledger.projection",
    "ledger.publication", "ledger.seal", "ledger.seal_run",
  ]

  /// Functions that look at several workspaces: sealing and reading what is sealed, the whole catalog as of a moment, restoring.
  private static let ofAll = [
    "ledger.check_causes", "ledger.cut_at", "ledger.recover", "ledger.seal", "ledger.sealed_events",
    "marketplace.catalog_at", "marketplace.in_production_at", "marketplace_projection.replayed_text",
  ]

  /// Functions of one workspace that an administrator calls, which name something else first.
  private static let administration = [
    "ledger.admit_reader", "ledger.check_projection", "ledger.grant_read", "ledger.mark_stale",
    "ledger.rebuild_projection", "ledger.revoke_read", "marketplace_projection.seen",
  ]

  private func names(_ sql: String, in test: TestLedger) async throws -> [String] {
    try await test.sql(sql).map { try $0.string("name") }
  }

  @Test("every table has a key, and every key and unique index begins with the workspace")
  func keys() async throws {
    try await TestLedger.with { test async throws in
      let tables = """
        SELECT c.oid, c.oid::regclass::text AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN (\(Self.schemas)) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        """
      let other = try await names(
        """
        SELECT DISTINCT t.name
        FROM (\(tables)) t JOIN pg_index i ON i.indrelid = t.oid AND i.indisunique
        LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
        WHERE a.attname IS DISTINCT FROM 'workspace' ORDER BY 1
        """, in: test)
      #expect(other == Self.ofNoWorkspace)
      let keyless = try await names(
        "SELECT t.name FROM (\(tables)) t WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)",
        in: test)
      #expect(keyless == [])
      let foreign = try await names(
        """
        SELECT k.conname::text AS name FROM pg_constraint k JOIN (\(tables)) t ON t.oid = k.conrelid
        WHERE k.contype IN ('f', 'x')
        """, in: test)
      #expect(foreign == [])
    }
  }

  @Test("every function that touches what is spread takes the workspace first, and the others are known")
  func functions() async throws {
    try await TestLedger.with { test async throws in
      let found = try await names(
        """
        WITH spread AS (
          SELECT n.nspname || '.' || c.relname AS name
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] AND a.attname = 'workspace'
          WHERE n.nspname IN (\(Self.schemas)) AND c.relkind IN ('r', 'p') AND NOT c.relispartition)
        SELECT DISTINCT n.nspname || '.' || p.proname AS name
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        JOIN spread s ON p.prosrc ~ ('\\m' || replace(s.name, '.', '\\.') || '\\M')
        WHERE n.nspname IN (\(Self.schemas), 'marketplace') AND p.prorettype <> 'trigger'::regtype
          AND coalesce(p.proargnames[1], '') <> '_workspace'
        ORDER BY 1
        """, in: test)
      #expect(found == (Self.ofAll + Self.administration).sorted())
    }
  }
}
