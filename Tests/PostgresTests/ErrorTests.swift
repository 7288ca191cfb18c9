import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite struct ErrorTests {
  @Test("a violation tells constraint, table, SQLSTATE and detail, and its description quotes no value")
  func violations() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    try await pool.write { session in
      try session.executeScript(
        """
        CREATE TABLE parent (id bigint CONSTRAINT parent_key PRIMARY KEY);
        CREATE TABLE child (id bigint CONSTRAINT child_parent REFERENCES parent, n bigint NOT NULL
          CONSTRAINT positive CHECK (n > 0));
        """)
    }
    func fail(_ sql: String, _ parameter: Int) async throws -> PostgresError {
      try await #require(throws: PostgresError.self) {
        try await pool.write { try $0.execute(sql, [parameter]) }
      }
    }
    let unique = try await fail("INSERT INTO parent VALUES ($1), ($1)", 424_242)
    #expect(unique.code == .uniqueViolation)
    #expect(unique.sqlState == "23505")
    #expect(unique.constraint == "parent_key")
    #expect(unique.table == "parent")
    #expect(unique.schema == "public")
    #expect(unique.detail == "Key (id)=(424242) already exists.")
    #expect(unique.statement == "INSERT INTO parent VALUES ($1), ($1)")
    #expect(!unique.description.contains("424242"))
    #expect("\(unique)".contains("SQLSTATE 23505, constraint parent_key, table public.parent"))
    let foreign = try await fail("INSERT INTO child VALUES ($1, 1)", 1)
    #expect(foreign.code == .foreignKeyViolation)
    let check = try await fail("INSERT INTO child VALUES (NULL, $1)", -1)
    #expect(check.code == .checkViolation)
    #expect(check.constraint == "positive")
    let missing = try await fail("INSERT INTO child SELECT NULL, NULL WHERE 1 = $1", 1)
    #expect(missing.code == .notNullViolation)
    #expect(missing.column == "n")
    await pool.close()
  }

  @Test("an error a function raises keeps its own SQLSTATE, detail and hint")
  func raised() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    let error = try await #require(throws: PostgresError.self) {
      try await pool.withSession { session in
        try session.executeScript(
          """
          DO $$ BEGIN RAISE 'wrong version' USING ERRCODE = 'LG412', DETAIL = '{"actual": 4}', HINT = 'read again';
          END $$
          """)
      }
    }
    #expect(error.code == .server)
    #expect(error.sqlState == "LG412")
    #expect(error.message == "wrong version")
    #expect(error.detail == "{\"actual\": 4}")
    #expect(error.hint == "read again")
    #expect(error.context?.contains("PL/pgSQL") == true)
    await pool.close()
  }

  @Test("the text of a long statement is cut in an error")
  func longStatement() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    let sql = "SELECT  nothing,\n  '" + String(repeating: "x", count: 10_000) + "'"
    let error = try await #require(throws: PostgresError.self) { try await pool.read { try $0.query(sql) } }
    #expect(error.sqlState == "42703")
    #expect(error.statement?.count == PostgresError.statementCharactersMax + 1)
    #expect(error.statement?.hasPrefix("SELECT nothing, '") == true)
    await pool.close()
  }

  @Test(
    "a connection that cannot be made says where it led and what to do, and no password",
    arguments: [
      "host=/tmp/no-such-place port=5432 dbname=d user=u password=hunter2",
      "postgresql://u:hunter2@127.0.0.1:1/d",
    ])
  func unreachable(conninfo: String) async throws {
    let pool = PostgresPool(.init(conninfo: conninfo))
    let error = try await #require(throws: PostgresError.self) {
      try await pool.read { try $0.query("SELECT 1") }
    }
    #expect(error.code == .connectionFailed)
    #expect(error.message.contains("database \"d\" at"))
    #expect(error.message.contains("user \"u\""))
    #expect(error.hint == "No server listens there: start it, or correct host and port.")
    #expect(!error.debugDescription.contains("hunter2"))
    #expect(pool.connectionsCount == 0)
    await pool.close()
  }

  @Test(
    "a connection string that cannot be read is not quoted",
    arguments: ["hunter2", "postgresql://%zz", "pasword=hunter2"])
  func malformed(conninfo: String) async throws {
    let pool = PostgresPool(.init(conninfo: conninfo))
    let error = try await #require(throws: PostgresError.self) {
      try await pool.read { try $0.query("SELECT 1") }
    }
    #expect(error.code == .connectionString)
    #expect(!error.debugDescription.contains("hunter2"))
    await pool.close()
  }

  @Test("a missing database is named")
  func missingDatabase() async throws {
    let server = try await TestCluster.start().server
    let pool = PostgresPool(.init(conninfo: server.conninfo(database: "it's \\ missing")))
    let error = try await #require(throws: PostgresError.self) {
      try await pool.read { try $0.query("SELECT 1") }
    }
    #expect(error.message.contains("database \"it's \\ missing\" does not exist"))
    await pool.close()
  }

  @Test("statement_timeout and lock_timeout reach the server, and a setting of the connection string wins")
  func timeouts() async throws {
    let database = try await TestCluster.createDatabase()
    var configuration = PostgresPool.Configuration(conninfo: database.conninfo)
    configuration.statementTimeout = .milliseconds(50)
    configuration.lockTimeout = .milliseconds(20)
    configuration.idleInTransactionTimeout = .seconds(7)
    configuration.applicationName = "a test"
    let pool = PostgresPool(configuration)
    let error = try await #require(throws: PostgresError.self) {
      try await pool.read { try $0.query("SELECT pg_sleep(60)") }
    }
    #expect(error.code == .queryCanceled)
    try await pool.read { (session) throws in
      func show(_ name: String) throws -> String {
        try session.query("SELECT current_setting($1) v", [name])[0].string("v")
      }
      #expect(try show("lock_timeout") == "20ms")
      #expect(try show("idle_in_transaction_session_timeout") == "7s")
      #expect(try show("application_name") == "a test")
      #expect(try show("timezone") == "UTC")
    }
    await pool.close()
    configuration.conninfo += " options='-c statement_timeout=9s -c lock_timeout=8s' application_name=mine"
    let other = PostgresPool(configuration)
    try await other.read { (session) throws in
      #expect(try session.query("SHOW statement_timeout")[0].string("statement_timeout") == "9s")
      #expect(try session.query("SHOW application_name")[0].string("application_name") == "mine")
    }
    await other.close()
  }

  @Test("a lock that is not granted in time is a lockTimeout")
  func lockTimeout() async throws {
    let database = try await TestCluster.createDatabase()
    var configuration = PostgresPool.Configuration(conninfo: database.conninfo)
    configuration.lockTimeout = .milliseconds(20)
    let pool = PostgresPool(configuration)
    let lease = try await pool.lease()
    try await lease.withSession { _ = try $0.query("SELECT pg_advisory_lock(1)") }
    let error = try await #require(throws: PostgresError.self) {
      try await pool.write { _ = try $0.query("SELECT pg_advisory_xact_lock(1)") }
    }
    #expect(error.code == .lockTimeout)
    await lease.release()
    await pool.close()
  }

  @Test("a connection string may be a URI")
  func uri() async throws {
    let server = try await TestCluster.start().server
    let host = server.directory.replacing("/", with: "%2F")
    let pool = PostgresPool(.init(conninfo: "postgresql://marketplace@\(host)/marketplace?connect_timeout=3"))
    #expect(
      try await pool.read { try $0.query("SELECT current_database() d")[0].string("d") } == "marketplace")
    await pool.close()
  }

  @Test("notices go to the callback")
  func notices() async throws {
    let box = NoticeBox()
    var configuration = PostgresPool.Configuration(conninfo: try await TestCluster.createDatabase().conninfo)
    configuration.onNotice = { notice in box.add(notice) }
    let pool = PostgresPool(configuration)
    try await pool.write {
      try $0.executeScript("DROP TABLE IF EXISTS nothing; DO $$BEGIN RAISE WARNING 'careful'; END$$")
    }
    #expect(box.all.map(\.severity) == ["NOTICE", "WARNING"])
    #expect(box.all.last?.message == "careful")
    await pool.close()
  }
}

private final class NoticeBox: Sendable {
  private let notices = Mutex<[PostgresNotice]>([])
  func add(_ notice: PostgresNotice) { notices.withLock { $0.append(notice) } }
  var all: [PostgresNotice] { notices.withLock { $0 } }
}
