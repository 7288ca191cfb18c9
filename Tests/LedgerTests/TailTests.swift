import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@Suite struct TailTests {
  @Test(
    "a tail gives what was there and what comes, and resumes where it is told to", .timeLimit(.minutes(1)))
  func resumes() async throws {
    try await TestLedger.with { test async throws in
      _ = try await test.ledger.append([happened(), happened()], to: "dev01")
      var tail = test.ledger.tail().makeAsyncIterator()
      #expect(try await tail.next()?.position == 1)
      #expect(try await tail.next()?.position == 2)
      async let appended = test.ledger.append([happened(), happened()], to: "dev01")
      #expect(try await tail.next()?.position == 3)
      #expect(try await tail.next()?.position == 4)
      _ = try await appended
      var again = test.ledger.tail(after: 3).makeAsyncIterator()
      #expect(try await again.next()?.position == 4)
    }
  }

  @Test("a tail whose connections are all killed goes on without a gap", .timeLimit(.minutes(1)))
  func survivesLostConnections() async throws {
    try await TestLedger.with { test async throws in
      let killer = test.database.pool(connectionsMax: 1)
      var tail = test.ledger.tail().makeAsyncIterator()
      for position in 1...5 {
        _ = try await test.ledger.append([happened()], to: "dev01")
        #expect(try await tail.next()?.position == Int64(position))
        _ = try await killer.withSession {
          try $0.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
          )
        }
      }
      await killer.close()
    }
  }

  @Test("cancelling the task ends the tail", .timeLimit(.minutes(1)))
  func cancelled() async throws {
    try await TestLedger.with { test async throws in
      let task = Task {
        for try await _ in test.ledger.tail() {}
      }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
    }
  }
}
