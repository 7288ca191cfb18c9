import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct PoolTests {
  @Test("no more than connectionsMax connections are open, and everyone is served")
  func bound() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 3)
    let backends = try await withThrowingTaskGroup(of: Int32.self) { group in
      for _ in 0..<60 {
        group.addTask {
          try await pool.read {
            _ = try $0.query("SELECT pg_sleep(0.002)"); return $0.backendProcessID
          }
        }
      }
      return try await group.reduce(into: Set<Int32>()) { $0.insert($1) }
    }
    #expect(backends.count <= 3)
    #expect(pool.connectionsCount <= 3)
    await pool.close()
    #expect(pool.connectionsCount == 0)
  }

  @Test(
    "a connection in use is waited for, and another is opened for who has waited longer than openingDelay",
    arguments: [false, true])
  func openingDelay(_ isShort: Bool) async throws {
    var configuration = PostgresPool.Configuration(
      conninfo: try await TestCluster.createDatabase().conninfo, connectionsMax: 2)
    configuration.openingDelay = isShort ? .milliseconds(1) : .seconds(3_600)
    configuration.acquireTimeout = .seconds(600)
    let pool = PostgresPool(configuration)
    let lease = try await pool.lease()
    let waiting = Task { try await pool.read { $0.backendProcessID } }
    if isShort {
      // Served although the only connection that was open is not given back.
      _ = try await waiting.value
      #expect(pool.connectionsCount == 2)
      await lease.release()
    } else {
      try await eventually("it waits") { pool.waitersCount == 1 }
      #expect(pool.connectionsCount == 1)
      await lease.release()
      _ = try await waiting.value
      #expect(pool.connectionsCount == 1)
    }
    await pool.close()
  }

  @Test("waiting for a connection ends after acquireTimeout, with an error that names the limit")
  func timeout() async throws {
    var configuration = PostgresPool.Configuration(
      conninfo: try await TestCluster.createDatabase().conninfo, connectionsMax: 1)
    configuration.acquireTimeout = .milliseconds(30)
    let pool = PostgresPool(configuration)
    configuration.acquireTimeout = .seconds(30)
    let lease = try await warmLease(pool)
    let error = try await #require(throws: PostgresError.self) {
      try await pool.read { try $0.query("SELECT 1") }
    }
    #expect(error.code == .acquireTimedOut)
    #expect(error.message.contains("the limit is 1 (connectionsMax)"))
    await lease.release()
    #expect(try await pool.read { try $0.query("SELECT 1 AS one")[0].int("one") } == 1)
    await pool.close()
  }

  /// The first connection may take longer than the time-out under test.
  private func warmLease(_ pool: PostgresPool) async throws -> SessionLease {
    while true {
      do {
        return try await pool.lease()
      } catch let error as PostgresError where error.code == .acquireTimedOut {
        continue
      }
    }
  }

  @Test("a cancelled waiter leaves the queue at once")
  func cancelledWaiter() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 1)
    let lease = try await pool.lease()
    let waiter = Task { try await pool.read { _ = try $0.query("SELECT 1") } }
    try await eventually("it waits") { pool.waitersCount == 1 }
    waiter.cancel()
    await #expect(throws: CancellationError.self) { try await waiter.value }
    #expect(pool.waitersCount == 0)
    await lease.release()
    await pool.close()
  }

  @Test("a backend that is killed loses its statement only: the pool recovers")
  func killed() async throws {
    let database = try await TestCluster.createDatabase()
    let watcher = database.pool(connectionsMax: 1)
    let pool = database.pool(connectionsMax: 2)
    let task = Task { try await pool.write { _ = try $0.query("SELECT pg_sleep(601)") } }
    try await eventually("the statement runs") { try await watcher.isRunning("pg_sleep(601)") }
    #expect(try await watcher.terminateBackends(running: "pg_sleep(601)") == 1)
    let error = try await #require(throws: PostgresError.self) { try await task.value }
    #expect(error.code == .connectionLost)
    #expect(try await pool.write { try $0.query("SELECT 1 AS one")[0].int("one") } == 1)
    await pool.close()
    await watcher.close()
  }

  @Test("idle connections that were killed are replaced without anyone noticing")
  func killedIdle() async throws {
    let database = try await TestCluster.createDatabase()
    let watcher = database.pool(connectionsMax: 1)
    let pool = database.pool(connectionsMax: 3)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<3 { group.addTask { try await pool.read { _ = try $0.query("SELECT pg_sleep(0.05)") } } }
      try await group.waitForAll()
    }
    for round in 0..<3 {
      _ = try await watcher.terminateBackends(running: "")
      // pg_terminate_backend returns before the backend is gone, so a statement may still be caught by it.
      let results = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<3 {
          group.addTask { try await pool.read { try $0.query("SELECT $1 AS i", [round])[0].int("i") } }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(results == [round, round, round])
    }
    await pool.close()
    await watcher.close()
  }

  @Test("a server that is restarted under a pool is found again")
  func restart() async throws {
    let directory = TestCluster.newDirectory()
    try TestCluster.removeAtExit(directory)
    let server = try await PrivateCluster.start(dataDirectory: directory)
    let pool = PostgresPool(.init(conninfo: server.conninfo, connectionsMax: 2))
    try await pool.write { try $0.execute("CREATE TABLE kept (i bigint)") }
    try await server.stop()
    let error = try await #require(throws: PostgresError.self) {
      try await pool.read { try $0.query("SELECT 1") }
    }
    #expect(error.code == .connectionFailed)
    let again = try await PrivateCluster.start(dataDirectory: directory)
    #expect(again.startedNow)
    #expect(try await pool.write { try $0.execute("INSERT INTO kept VALUES (1)") } == 1)
    try await server.stop()
    _ = try await PrivateCluster.start(dataDirectory: directory)
    #expect(try await pool.withSession { try $0.query("SELECT FROM kept").count } == 1)
    await pool.close()
    try await server.stop()
  }

  @Test("a closed pool refuses work, and closing waits for work that runs")
  func closed() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 1)
    let task = Task {
      try await pool.write { try $0.query("SELECT 7 AS i, pg_sleep(0.05)::text AS s")[0].int("i") }
    }
    try await eventually("it has a connection") { pool.connectionsCount == 1 }
    try await eventually("nobody waits") { pool.waitersCount == 0 }
    await pool.close()
    #expect(pool.connectionsCount == 0)
    #expect(try await task.value == 7)
    let error = try await #require(throws: PostgresError.self) {
      try await pool.read { try $0.query("SELECT 1") }
    }
    #expect(error.code == .poolClosed)
    await pool.close()
  }

  @Test("a lease keeps its session; releasing or dropping it gives its locks up")
  func lease() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 2)
    func isFree() async throws -> Bool {
      try await pool.write { try $0.query("SELECT pg_try_advisory_xact_lock(5) AS free")[0].bool("free") }
    }
    let lease = try await pool.lease()
    try await lease.withSession { _ = try $0.query("SELECT pg_advisory_lock(5)") }
    #expect(try await !isFree())
    await lease.release()
    #expect(try await isFree())
    let error = try await #require(throws: PostgresError.self) { try await lease.withSession { _ in } }
    #expect(error.code == .leaseReleased)
    do {
      let dropped = try await pool.lease()
      try await dropped.withSession { _ = try $0.query("SELECT pg_advisory_lock(5)") }
    }
    try await eventually("the lock of the dropped lease is gone") { try await isFree() }
    let lost = try await pool.lease()
    let pid = try await lost.withSession { $0.backendProcessID }
    try await pool.withSession { _ = try $0.query("SELECT pg_terminate_backend($1)", [pid]) }
    try await eventually("the lease notices") {
      do {
        try await lost.withSession { _ = try $0.query("SELECT 1") }
        return false
      } catch let error as PostgresError {
        return error.code == .connectionLost
      }
    }
    await lost.release()
    await pool.close()
  }
}
