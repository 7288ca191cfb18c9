import Ledger
import Postgres
import Testing

@Suite struct ProjectionTests {
  /// Two projections that count events; `counted` fails on data with a key `fail`, in the class it names.
  private static let definition = """
    CREATE SCHEMA counting AUTHORIZATION ledger_owner;
    SET ROLE ledger_owner;
    CREATE TABLE counting.seen (projection text, workspace text, sequence bigint, PRIMARY KEY (projection, workspace, sequence));
    CREATE FUNCTION counting.count(_projection text, _workspace text, _first bigint, _last bigint) RETURNS void
    LANGUAGE sql AS $$
      INSERT INTO counting.seen SELECT _projection, _workspace, sequence FROM ledger.event
      WHERE workspace = _workspace AND sequence BETWEEN _first AND _last AND type = 'Happened'
    $$;
    CREATE FUNCTION counting.apply(_workspace text, _first bigint, _last bigint) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE _state text;
    BEGIN
      PERFORM counting.count('counted', _workspace, _first, _last);
      SELECT data ->> 'fail' INTO _state FROM ledger.event
      WHERE workspace = _workspace AND sequence BETWEEN _first AND _last AND data ->> 'fail' IS NOT NULL LIMIT 1;
      IF FOUND THEN RAISE EXCEPTION 'poison' USING errcode = _state; END IF;
    END $$;
    CREATE FUNCTION counting.apply_too(_workspace text, _first bigint, _last bigint) RETURNS void
    LANGUAGE sql AS $$ SELECT counting.count('too', _workspace, _first, _last) $$;
    CREATE FUNCTION counting.reset(_workspace text) RETURNS void
    LANGUAGE sql AS $$ DELETE FROM counting.seen WHERE projection = 'counted' AND workspace = _workspace $$;
    CREATE FUNCTION counting.reset_too(_workspace text) RETURNS void
    LANGUAGE sql AS $$ DELETE FROM counting.seen WHERE projection = 'too' AND workspace = _workspace $$;
    INSERT INTO ledger.projection (name, function, reset, types) VALUES
      ('counted', 'counting.apply(text,bigint,bigint)', 'counting.reset(text)', ARRAY['Happened']),
      ('too', 'counting.apply_too(text,bigint,bigint)', 'counting.reset_too(text)', ARRAY['Happened']);
    RESET ROLE;
    """

  private func seen(_ projection: String, _ test: TestLedger) async throws -> Int {
    try await test.number("SELECT count(*) FROM counting.seen WHERE projection = $1", [projection])
  }

  @Test("projections move with the events, once each, whatever way they are appended")
  func moves() async throws {
    try await TestLedger.with { test async throws in
      try await test.pool.withSession { try $0.executeScript(Self.definition) }
      let known = happened()
      _ = try await test.ledger.append([known], to: "dev01")
      _ = try await test.ledger.append([known], to: "dev01")
      _ = try await test.ledger.append([happened(), known, happened()], to: "dev01")
      #expect(try await seen("counted", test) == 3)
      #expect(try await seen("too", test) == 3)
    }
  }

  @Test(
    "a faulty projection is marked stale from the batch on; the log and the other projections go on",
    arguments: [1, 3])
  func faulty(_ count: Int) async throws {
    try await TestLedger.with(workspaces: ["dev01", "dev02"]) { test async throws in
      try await test.pool.withSession { try $0.executeScript(Self.definition) }
      _ = try await test.ledger.append([happened()], to: "dev01")
      let poison = [happened(data: #"{"fail":"22012"}"#)] + (1..<count).map { _ in happened() }
      #expect(try await test.ledger.append(poison, to: "dev01").sequences == Array(2...Int64(count + 1)))
      _ = try await test.ledger.append([happened()], to: "dev01")
      _ = try await test.ledger.append([happened(), happened()], to: "dev01")
      _ = try await test.ledger.append([happened()], to: "dev02")
      let total = count + 5
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == total)
      #expect(try await seen("too", test) == total)
      #expect(try await seen("counted", test) == 2)
      let stale = try await test.sql("SELECT * FROM ledger.projection_stale")
      #expect(stale.count == 1)
      #expect(try stale[0].string("projection") == "counted")
      #expect(try stale[0].string("workspace") == "dev01")
      #expect(try stale[0].int("from_sequence") == 2)
      #expect(try stale[0].string("state") == "22012")
      #expect(try stale[0].string("message") == "poison")
      #expect(
        try await test.sql("SELECT stale FROM ledger.head WHERE workspace = 'dev01'").first?.strings("stale")
          == ["counted"])

      await #expect(throws: PostgresError.self) {
        try await test.sql("SELECT ledger.rebuild_projection('counted', 'dev01')")
      }
      try await test.sql(
        """
        CREATE OR REPLACE FUNCTION counting.apply(_workspace text, _first bigint, _last bigint) RETURNS void
        LANGUAGE sql AS $$ SELECT counting.count('counted', _workspace, _first, _last) $$
        """)
      #expect(try await test.number("SELECT ledger.rebuild_projection('counted', 'dev01')") == total - 1)
      #expect(try await test.number("SELECT count(*) FROM ledger.projection_stale") == 0)
      _ = try await test.ledger.append([happened()], to: "dev01")
      #expect(try await seen("counted", test) == total + 1)
    }
  }

  @Test(
    "a transient error in a projection fails the append and marks nothing stale",
    arguments: ["40001", "55P03", "53100", "57014"])
  func transient(_ state: String) async throws {
    try await TestLedger.with { test async throws in
      try await test.pool.withSession { try $0.executeScript(Self.definition) }
      let ledger = Ledger(test.pool, retry: RetryPolicy(attemptsMax: 2, pause: .milliseconds(1)))
      for events in [
        [happened(data: #"{"fail":"\#(state)"}"#)], [happened(), happened(data: #"{"fail":"\#(state)"}"#)],
      ] {
        do {
          _ = try await ledger.append(events, to: "dev01")
          Issue.record("the append was accepted")
        } catch let error as PostgresError {
          #expect(error.sqlState == state)
        }
      }
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 0)
      #expect(try await test.number("SELECT count(*) FROM ledger.projection_stale") == 0)
      #expect(try await ledger.append([happened()], to: "dev01").sequences == [1])
    }
  }

  @Test("a projection registered later, or changed, is stale where there are events, until it is rebuilt")
  func registeredLate() async throws {
    try await TestLedger.with(workspaces: ["dev01", "dev02"]) { test async throws in
      _ = try await test.ledger.append([happened(), happened()], to: "dev01")
      try await test.pool.withSession { try $0.executeScript(Self.definition) }
      _ = try await test.ledger.append([happened()], to: "dev01")
      _ = try await test.ledger.append([happened()], to: "dev02")
      #expect(
        try await test.number("SELECT count(*) FROM ledger.projection_stale WHERE workspace = 'dev01'") == 2)
      #expect(try await seen("counted", test) == 1)
      #expect(try await test.number("SELECT ledger.rebuild_projection('counted', 'dev01')") == 3)
      #expect(try await seen("counted", test) == 4)
      try await test.sql("UPDATE ledger.projection SET version = 2 WHERE name = 'counted'")
      #expect(
        try await test.number("SELECT count(*) FROM ledger.projection_stale WHERE projection = 'counted'")
          == 2)
      try await test.sql("DELETE FROM ledger.projection")
      #expect(try await test.number("SELECT count(*) FROM ledger.projection_stale") == 0)
      #expect(try await test.number("SELECT sum(cardinality(stale)) FROM ledger.head") == 0)
      #expect(
        try await test.state(
          ofScript:
            "INSERT INTO ledger.projection VALUES ('x', 'no.such(text,bigint,bigint)', 'no.such(text)', '{}')"
        )
          == "LG400")
    }
  }
}
