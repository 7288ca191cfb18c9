import Postgres
import TestSupport
import Testing

private struct Refused: Error {}

@Suite struct TransactionTests {
  @Test("a write is committed when its closure returns and rolled back when it throws")
  func rollback() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    try await pool.write { try $0.execute("CREATE TABLE t (i bigint PRIMARY KEY)") }
    #expect(try await pool.write { try $0.execute("INSERT INTO t SELECT generate_series(1, 3)") } == 3)
    await #expect(throws: Refused.self) {
      try await pool.write { session in
        try session.execute("INSERT INTO t VALUES (4)")
        throw Refused()
      }
    }
    #expect(try await pool.read { try $0.query("SELECT count(*) c FROM t")[0].int("c") } == 3)
    await pool.close()
  }

  @Test("a read sees one state of the database and may not write")
  func readOnly() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    let error = await #expect(throws: PostgresError.self) {
      try await pool.read { try $0.execute("CREATE TABLE t ()") }
    }
    #expect(error?.sqlState == "25006")
    let level = try await pool.read {
      try $0.query("SHOW transaction_isolation")[0].string("transaction_isolation")
    }
    #expect(level == "repeatable read")
    await pool.close()
  }

  @Test("a transaction that withSession leaves open is rolled back before the next user comes")
  func leftOpen() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 1)
    try await pool.withSession { session in
      try session.executeScript("BEGIN; CREATE TABLE left_open ()")
    }
    let tables = try await pool.withSession {
      try $0.query("SELECT FROM pg_class WHERE relname = 'left_open'").count
    }
    #expect(tables == 0)
    await pool.close()
  }

  @Test("an error that the closure swallows is not taken for a commit")
  func swallowed() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    let error = await #expect(throws: PostgresError.self) {
      try await pool.write { session in
        try session.execute("CREATE TABLE swallowed ()")
        _ = try? session.query("SELECT 1/0")
      }
    }
    #expect(error?.code == .transactionAborted)
    let ended = await #expect(throws: PostgresError.self) {
      try await pool.write { try $0.execute("COMMIT") }
    }
    #expect(ended?.code == .transactionAborted)
    await pool.close()
  }

  @Test("a savepoint undoes its own work only")
  func savepoint() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    let kept = try await pool.write { session in
      try session.execute("CREATE TABLE s (i bigint PRIMARY KEY)")
      try session.savepoint { try $0.execute("INSERT INTO s VALUES (1)") }
      #expect(throws: PostgresError.self) {
        try session.savepoint { inner in
          try inner.execute("INSERT INTO s VALUES (2)")
          try inner.execute("INSERT INTO s VALUES (1)")
        }
      }
      return try session.query("SELECT array_agg(i) a FROM s")[0].ints("a")
    }
    #expect(kept == [1])
    await pool.close()
  }

  @Test("a session can run several transactions, each on its own")
  func nested() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    try await pool.withSession { session in
      try session.transaction { try $0.execute("CREATE TABLE n (i bigint)") }
      #expect(throws: Refused.self) {
        try session.transaction { inner in
          try inner.execute("INSERT INTO n VALUES (1)")
          throw Refused()
        }
      }
      #expect(try session.query("SELECT FROM n").isEmpty)
      #expect(throws: PostgresError.self) { try session.transaction { try $0.transaction { _ in } } }
    }
    await pool.close()
  }

  @Test("a connection lost during COMMIT is an outcome of its own: unknown")
  func commitUnknown() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    try await pool.write { session in
      try session.executeScript(
        """
        CREATE TABLE c (i bigint);
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER die AFTER INSERT ON c DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION die();
        """)
    }
    let error = await #expect(throws: PostgresError.self) {
      try await pool.write { try $0.execute("INSERT INTO c VALUES (1)") }
    }
    #expect(error?.code == .commitOutcomeUnknown)
    #expect(try await pool.read { try $0.query("SELECT FROM c").count } == 0)
    await pool.close()
  }

  @Test("a deferred constraint that fails at COMMIT is a plain violation")
  func deferred() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    try await pool.write { try $0.execute("CREATE TABLE d (i bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)") }
    let error = await #expect(throws: PostgresError.self) {
      try await pool.write { try $0.execute("INSERT INTO d VALUES (1), (1)") }
    }
    #expect(error?.code == .uniqueViolation)
    await pool.close()
  }
}
