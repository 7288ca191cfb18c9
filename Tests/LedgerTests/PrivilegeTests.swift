import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@Suite struct PrivilegeTests {
  /// Runs `body` with a pool that is logged in as a new role, a member of `group`.
  private func with(
    _ group: String, in test: TestLedger, _ body: (PostgresPool, String) async throws -> Void
  ) async throws {
    let name = "p_" + UUID().uuidString.prefix(8).lowercased()
    try await test.sql("CREATE ROLE \(name) LOGIN IN ROLE \(group)")
    let pool = PostgresPool(.init(conninfo: test.database.conninfo + " user=\(name)", connectionsMax: 1))
    do {
      try await body(pool, name)
      await pool.close()
    } catch {
      await pool.close()
      throw error
    }
  }

  @Test("a writer appends what it was granted, and nothing else is open to it")
  func writer() async throws {
    try await TestLedger.with { test async throws in
      try await with("ledger_writer", in: test) { pool, name async throws in
        let ledger = Ledger(pool)
        for events in [[happened()], [happened(), happened()]] {
          #expect(try await test.refusal(appending: events, by: ledger) == .notAllowed)
        }
        try await test.sql("SELECT ledger.grant_append('\(name)', 'dev01', 'Happ')")
        #expect(try await ledger.append([happened()], to: "dev01").sequences == [1])
        #expect(try await ledger.append([happened(), happened()], to: "dev01").sequences == [2, 3])
        let moved = NewEvent(stream: "s", id: UUID(), type: "Moved", data: "{}")
        #expect(try await test.refusal(appending: [moved], by: ledger) == .notAllowed)
        #expect(try await test.refusal(appending: [happened(), moved], by: ledger) == .notAllowed)
        #expect(try await test.state(of: "SELECT ledger.open_workspace('dev02')", as: pool) == "LG403")
        #expect(try await test.refusal(appending: [happened()], as: "root", by: ledger) == .notAllowed)
        let codeOfSeal = try await refusal { try await ledger.seal() }
        #expect(codeOfSeal == .notAllowed)
        try await test.sql("SELECT ledger.grant_append('\(name)', '*', '')")
        try await ledger.openWorkspace("dev02")
        #expect(try await ledger.append([moved], to: "dev02").sequences == [1])
        // Every type is not those that say who may do what: a job makes no tokens.
        let token = NewEvent(stream: "token/x", id: UUID(), type: "TokenCreated", data: "{}")
        for events in [[token], [moved, token]] {
          #expect(try await test.refusal(appending: events, to: "dev02", by: ledger) == .notAllowed)
        }
        try await test.sql("SELECT ledger.grant_append('\(name)', 'dev02', 'Token')")
        #expect(try await ledger.append([token], to: "dev02").sequences == [2])
        try await test.sql("SELECT ledger.revoke_append('\(name)', '*', '')")
        #expect(try await test.refusal(appending: [happened()], to: "dev02", by: ledger) == .notAllowed)
        for statement in [
          "SELECT * FROM ledger.event", "SELECT * FROM ledger.events", "SELECT * FROM ledger.head",
          "INSERT INTO ledger.event_type VALUES ('X')", "UPDATE ledger.head SET last_sequence = 0",
          "DELETE FROM ledger.stream", "SELECT ledger.redact('dev01', 1, 'x')",
          "SELECT ledger.register_event_type('X', 1::smallint, '')",
          "SELECT ledger.grant_append('x', '*', '')",
          "SELECT ledger.rebuild_projection('x', 'dev01')",
          "SELECT ledger.mark_stale('a', 'dev01', 1, '', '')",
          "SELECT ledger.position_at(now())", "SELECT * FROM ledger.cut_at(1)", "CREATE TABLE ledger.x ()",
          "SELECT ledger.put('dev01', 1, now(), 'x', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        ] {
          let state = try await test.state(ofScript: statement, as: pool)
          #expect(state == "42501", "\(statement)")
        }
      }
      let principals = try await test.sql("SELECT DISTINCT principal FROM ledger.event")
      #expect(principals.count == 1)
      #expect(try principals[0].string("principal").hasPrefix("p_"))
    }
  }

  @Test("the service appends for others, within what they were granted")
  func service() async throws {
    try await TestLedger.with { test async throws in
      try await with("ledger_service", in: test) { pool, _ async throws in
        let ledger = Ledger(pool)
        #expect(
          try await test.refusal(appending: [happened()], as: "ann@example.org", by: ledger) == .notAllowed)
        try await test.sql("SELECT ledger.grant_append('ann@example.org', 'dev01', 'Happened')")
        _ = try await ledger.append([happened()], to: "dev01", as: "ann@example.org")
        _ = try await ledger.append([happened(), happened()], to: "dev01", as: "ann@example.org")
        #expect(
          try await test.refusal(appending: [happened()], as: "", by: ledger)
            == .invalidEvent(index: nil, byteOffset: nil))
      }
      #expect(
        try await test.number("SELECT count(*) FROM ledger.event WHERE principal = 'ann@example.org'") == 3)
      // An owner that speaks for somebody else lends nothing of its own.
      #expect(
        try await test.refusal(appending: [happened()], to: "dev01", as: "bob@example.org", by: test.ledger)
          == .notAllowed)
      _ = try await test.ledger.append([happened()], to: "dev01", as: "ann@example.org")
    }
  }

  @Test("a sealer seals and an auditor reads everything; neither does more")
  func sealerAndAuditor() async throws {
    try await TestLedger.with { test async throws in
      _ = try await test.ledger.append([happened()], to: "dev01")
      try await with("ledger_sealer", in: test) { pool, _ async throws in
        #expect(try await Ledger(pool).seal().sealed == 1...1)
        #expect(try await Ledger(pool).cut(at: 1) == ["dev01": 1])
        #expect(try await test.refusal(appending: [happened()], by: Ledger(pool)) == .notAllowed)
        #expect(try await test.state(of: "SELECT * FROM ledger.events", as: pool) == "42501")
      }
      try await with("ledger_auditor", in: test) { pool, _ async throws in
        #expect(try await Ledger(pool).read().events.count == 1)
        #expect(try await Ledger(pool).read(workspace: "dev01").events.count == 1)
        #expect(try await Ledger(pool).position(at: .init(milliseconds: 0)) == 0)
        #expect(try await test.state(of: "SELECT ledger.seal()", as: pool) == "42501")
        let leaves = try await pool.read { try $0.query("SELECT * FROM ledger.leaves(0, 10)") }
        #expect(leaves.count == 1)
        for statement in ["DELETE FROM ledger.event", "INSERT INTO ledger.seal VALUES (9, 9, now())"] {
          #expect(try await test.state(ofScript: statement, as: pool) == "42501")
        }
      }
      var tail = test.ledger.tail(seals: false).makeAsyncIterator()
      #expect(try await tail.next()?.position == 1)
    }
  }

  @Test("everything in the schema is documented")
  func comments() async throws {
    try await TestLedger.with { test async throws in
      let rows = try await test.sql(
        """
        SELECT c.oid::regclass::text AS name FROM pg_class c
        WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
          AND obj_description(c.oid, 'pg_class') IS NULL
        UNION ALL
        SELECT c.oid::regclass || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
          AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL
        UNION ALL
        SELECT p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace = 'ledger'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
        UNION ALL
        SELECT 'open to everybody: ' || p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = 'ledger'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
        """)
      let names = try rows.map { try $0.string("name") }
      #expect(names == [])
    }
  }
}
