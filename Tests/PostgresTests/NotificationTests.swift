import Postgres
import TestSupport
import Testing

@Suite struct NotificationTests {
  @Test("a notification arrives after COMMIT, on any of the channels, with its payload")
  func arrives() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    var stream = pool.notifications(on: ["ledger", "odd \"name\" ü"]).makeAsyncIterator()
    #expect(await stream.next() == .listening)
    let pid = try await pool.write { session in
      try session.notify("ledger", payload: "42 ü")
      try session.notify("odd \"name\" ü")
      try session.notify("other")
      return session.backendProcessID
    }
    #expect(
      await stream.next() == .notification(.init(channel: "ledger", payload: "42 ü", backendProcessID: pid)))
    #expect(
      await stream.next()
        == .notification(.init(channel: "odd \"name\" ü", payload: "", backendProcessID: pid)))
    await pool.close()
  }

  @Test("a listener whose connection is killed listens again and says that it missed something")
  func reconnects() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    var stream = pool.notifications(on: ["c"]).makeAsyncIterator()
    #expect(await stream.next() == .listening)
    #expect(try await pool.terminateBackends(running: "LISTEN") == 1)
    guard case .disconnected(let error) = await stream.next() else {
      Issue.record("the loss was not reported")
      return
    }
    #expect(error.code == .connectionLost)
    #expect(await stream.next() == .reconnected)
    try await pool.withSession { try $0.notify("c", payload: "after") }
    guard case .notification(let notification) = await stream.next() else {
      Issue.record("the notification did not arrive")
      return
    }
    #expect(notification.payload == "after")
    await pool.close()
  }

  @Test("the stream ends with its task, and its connection with the stream")
  func ends() async throws {
    let pool = try await TestCluster.createDatabase().pool()
    let task = Task {
      for await _ in pool.notifications(on: ["c"]) {}
      return "ended"
    }
    func listeners() async throws -> Int {
      try await pool.withSession { session in
        try session.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        ).count
      }
    }
    try await eventually("it listens") { try await listeners() == 1 }
    task.cancel()
    #expect(await task.value == "ended")
    try await eventually("its connection is closed") { try await listeners() == 0 }
    await pool.close()
  }

  @Test("a stream that cannot connect says so and can be cancelled")
  func unreachable() async throws {
    let pool = PostgresPool(.init(conninfo: "host=/tmp/no-such-place"))
    var stream = pool.notifications(on: ["c"]).makeAsyncIterator()
    for _ in 0..<2 {
      guard case .disconnected(let error) = await stream.next() else {
        Issue.record("no failure was reported")
        return
      }
      #expect(error.code == .connectionFailed)
    }
  }
}
