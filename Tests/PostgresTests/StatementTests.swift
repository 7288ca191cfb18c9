import Postgres
import TestSupport
import Testing

@Suite struct StatementTests {
  @Test("a statement whose result changed, or that was deallocated, is prepared anew outside a transaction")
  func prepareAgain() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 1)
    try await pool.withSession { session in
      try session.executeScript("CREATE TABLE p (a bigint); INSERT INTO p VALUES (1)")
      #expect(try session.query("SELECT * FROM p")[0].columns == ["a"])
      try session.executeScript("ALTER TABLE p ADD COLUMN b text DEFAULT 'x'")
      #expect(try session.query("SELECT * FROM p")[0].string("b") == "x")
      try session.executeScript("DEALLOCATE ALL")
      #expect(try session.query("SELECT * FROM p")[0].int("a") == 1)
    }
    // Inside a transaction the statement fails once, and the next transaction prepares it anew.
    try await pool.withSession { try $0.executeScript("ALTER TABLE p DROP COLUMN b") }
    let error = try await #require(throws: PostgresError.self) {
      try await pool.read { try $0.query("SELECT * FROM p") }
    }
    #expect(error.sqlState == "0A000")
    #expect(try await pool.read { try $0.query("SELECT * FROM p")[0].columns } == ["a"])
    await pool.close()
  }

  @Test("no more than statements_max statements stay prepared, and the oldest go first")
  func bounded() async throws {
    var configuration = PostgresPool.Configuration(
      conninfo: try await TestCluster.createDatabase().conninfo, connectionsMax: 1)
    configuration.statements_max = 4
    let pool = PostgresPool(configuration)
    let texts = try await pool.withSession { session in
      for number in 0..<20 {
        _ = try session.query("SELECT \(number) AS i")
        _ = try session.query("SELECT 'often' AS s")
      }
      return try session.query("SELECT statement FROM pg_prepared_statements ORDER BY statement").map {
        try $0.string("statement")
      }
    }
    #expect(texts.count == 4)
    #expect(texts.contains("SELECT 'often' AS s"))
    #expect(texts.contains("SELECT 19 AS i"))
    #expect(!texts.contains("SELECT 0 AS i"))
    await pool.close()
  }

  @Test("too many parameters are refused with the limit's name")
  func tooManyParameters() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    let error = try await #require(throws: PostgresError.self) {
      try await pool.read { try $0.query("SELECT 1", [Int](repeating: 1, count: 65_536).map { $0 }) }
    }
    #expect(error.message.contains("the limit is 65535"))
    await pool.close()
  }

  @Test("several statements at once stop at the first that fails, and undo the ones before it")
  func script() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    await #expect(throws: PostgresError.self) {
      try await pool.withSession {
        try $0.executeScript("CREATE TABLE one (); SELECT 1/0; CREATE TABLE two ()")
      }
    }
    #expect(
      try await pool.read { try $0.query("SELECT FROM pg_class WHERE relname IN ('one', 'two')").count } == 0)
    await pool.close()
  }
}
