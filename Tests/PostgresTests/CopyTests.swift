import Postgres
import TestSupport
import Testing

private struct Refused: Error {}

@Suite struct CopyTests {
  static let rows = 100_000

  @Test("100,000 rows go in and come out the same")
  func roundTrip() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    try await pool.write { session in
      try session.execute("CREATE TABLE c (i bigint PRIMARY KEY, s text)")
      let copied = try session.copyIn("COPY c FROM STDIN") { writer in
        for row in 0..<Self.rows {
          try writer.write(row: ["\(row)", row % 7 == 0 ? nil : "tab\t line\n\\N \(row)"])
        }
      }
      #expect(copied == Self.rows)
    }
    try await pool.read { session in
      let row = try session.query("SELECT count(*) c, count(s) s, min(s) AS m FROM c")[0]
      #expect(try row.int("c") == Self.rows)
      #expect(try row.int("s") == Self.rows - (Self.rows + 6) / 7)
      #expect(try row.string("m") == "tab\t line\n\\N 1")
      var bytes = 0
      var lines = 0
      let copied = try session.copyOut("COPY (SELECT i FROM c ORDER BY i) TO STDOUT") { line in
        bytes += line.count
        lines += 1
      }
      #expect(copied == Self.rows)
      #expect(lines == Self.rows)
      #expect(bytes == (0..<Self.rows).reduce(0) { $0 + "\($1)\n".utf8.count })
    }
    await pool.close()
  }

  @Test("raw bytes are copied as they are")
  func raw() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    try await pool.write { session in
      try session.execute("CREATE TABLE r (a text, b bigint)")
      try session.copyIn("COPY r FROM STDIN (FORMAT csv)") { try $0.write(bytes: "\"x,y\",1\nz,2\n".utf8) }
      #expect(try session.query("SELECT array_agg(a ORDER BY b) a FROM r")[0].strings("a") == ["x,y", "z"])
    }
    await pool.close()
  }

  @Test("a copy that fails on either side leaves nothing behind and the connection usable")
  func failures() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 1)
    try await pool.write { try $0.execute("CREATE TABLE f (i bigint CHECK (i < 10))") }
    await #expect(throws: Refused.self) {
      try await pool.write { session in
        try session.copyIn("COPY f FROM STDIN") { writer in
          try writer.write(row: ["1"])
          throw Refused()
        }
      }
    }
    let refused = try await #require(throws: PostgresError.self) {
      try await pool.write { session in
        try session.copyIn("COPY f FROM STDIN") { writer in
          for row in 0..<200_000 { try writer.write(row: ["\(row)"]) }
        }
      }
    }
    #expect(refused.code == .checkViolation)
    let nul = try await #require(throws: PostgresError.self) {
      try await pool.write { try $0.copyIn("COPY f FROM STDIN") { try $0.write(row: ["a\0"]) } }
    }
    #expect(nul.code == .invalidParameter)
    await #expect(throws: Refused.self) {
      try await pool.read { session in
        try session.copyOut("COPY (SELECT generate_series(1, 10000000)) TO STDOUT") { _ in throw Refused() }
      }
    }
    for sql in ["COPY f FROM STDIN", "COPY f TO STDOUT"] {
      let misuse = try await #require(throws: PostgresError.self) {
        try await pool.withSession { try $0.executeScript(sql) }
      }
      #expect(misuse.code == .misuse)
    }
    let direction = try await #require(throws: PostgresError.self) {
      try await pool.withSession { try $0.copyIn("COPY f TO STDOUT") { _ in } }
    }
    #expect(direction.code == .misuse)
    #expect(try await pool.read { try $0.query("SELECT FROM f").count } == 0)
    await pool.close()
  }

  @Test("cancelling the task stops a producer of rows without end")
  func cancelledProducer() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 2)
    try await pool.write { try $0.execute("CREATE TABLE endless (i bigint)") }
    let task = Task {
      try await pool.write { session in
        try session.copyIn("COPY endless FROM STDIN") { writer in
          while true { try writer.write(row: ["1"]) }
        }
      }
    }
    try await eventually("the copy runs") { try await pool.isRunning("COPY endless") }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await pool.read { try $0.query("SELECT FROM endless").count } == 0)
    await pool.close()
  }

  @Test("cancelling the task ends a copy")
  func cancelled() async throws {
    let database = try await TestCluster.createDatabase()
    let (pool, watcher) = (database.pool(), database.pool(connectionsMax: 1))
    let task = Task {
      try await pool.read { _ = try $0.copyOut("COPY (SELECT pg_sleep(602)) TO STDOUT") { _ in } }
    }
    try await eventually("the copy runs") { try await watcher.isRunning("pg_sleep(602)") }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    await pool.close()
    await watcher.close()
  }
}
