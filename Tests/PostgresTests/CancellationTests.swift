import Dispatch
import Postgres
import TestSupport
import Testing

@Suite struct CancellationTests {
  enum Kind: CaseIterable { case read, write, session }

  @Test(
    "cancelling the task ends its statement at the server and leaves the connection usable",
    arguments: Kind.allCases)
  func running(kind: Kind) async throws {
    let database = try await TestCluster.createDatabase()
    let watcher = database.pool(connectionsMax: 1)
    let pool = database.pool(connectionsMax: 1)
    let before = try await pool.withSession { $0.backendProcessID }
    let task = Task {
      switch kind {
      case .read: try await pool.read { _ = try $0.query("SELECT pg_sleep(600)") }
      case .write: try await pool.write { _ = try $0.query("SELECT pg_sleep(600)") }
      case .session: try await pool.withSession { _ = try $0.query("SELECT pg_sleep(600)") }
      }
    }
    try await eventually("the statement runs") { try await watcher.isRunning("pg_sleep(600)") }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await !watcher.isRunning("pg_sleep(600)"))
    #expect(try await pool.withSession { $0.backendProcessID } == before)
    await pool.close()
    await watcher.close()
  }

  @Test("a cancelled task starts no further statement, and nothing of its transaction stays")
  func between() async throws {
    let database = try await TestCluster.createDatabase()
    let pool = database.pool()
    let (entered, goOn) = (Gate(), Gate())
    let task = Task {
      try await pool.write { session in
        try session.execute("CREATE TABLE between ()")
        entered.open()
        goOn.wait()
        try session.execute("CREATE TABLE never ()")
      }
    }
    await onThread { entered.wait() }
    task.cancel()
    goOn.open()
    await #expect(throws: CancellationError.self) { try await task.value }
    let tables = try await pool.read {
      try $0.query("SELECT FROM pg_class WHERE relname IN ('between', 'never')").count
    }
    #expect(tables == 0)
    await pool.close()
  }

  @Test("a task that is cancelled before it starts does nothing")
  func before() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    let task = Task {
      try await eventually("it is cancelled") { Task.isCancelled }
      try await pool.write { try $0.execute("CREATE TABLE early ()") }
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    await pool.close()
  }

  @Test("a late cancellation never hits the statement of the next user")
  func storm() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 1)
    for round in 0..<150 {
      let victim = Task { try await pool.withSession { _ = try $0.query("SELECT pg_sleep(0.0005)") } }
      let next = Task { try await pool.read { try $0.query("SELECT $1 AS i", [round])[0].int("i") } }
      if round % 3 == 0 { await Task.yield() }
      if round % 5 == 0 { _ = try? await pool.withSession { try $0.query("SELECT 1") } }
      victim.cancel()
      #expect(try await next.value == round)
      _ = await victim.result
    }
    await pool.close()
  }

  /// Waits off the cooperative pool.
  private func onThread(_ body: @Sendable @escaping () -> Void) async {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        body()
        continuation.resume()
      }
    }
  }
}
