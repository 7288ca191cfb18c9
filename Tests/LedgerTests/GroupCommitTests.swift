import Foundation
import Ledger
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite("Small appends that come at the same time")
struct GroupCommitTests {
  private static func event(_ number: Int) -> NewEvent {
    NewEvent(stream: "s\(number)", id: UUID(), type: "Happened", data: #"{"number":\#(number)}"#)
  }

  @Test("so many may wait, and no more: whoever comes then is told at once, and those who wait are served")
  func full() async throws {
    let database = try await TestCluster.migratedDatabase()
    let pool = database.pool(connectionsMax: 4)
    defer { Task { await pool.close() } }
    let ledger = Ledger(pool)
    try await ledger.openWorkspace("dev01")
    _ = try await pool.withSession { session in
      try session.query("SELECT ledger.register_event_type('Happened', 1::smallint, 'for tests')")
    }
    let appends = GroupCommit(ledger, waitingMax: 1)
    // Somebody appends, and takes a long time over it.
    let isHeld = Mutex(false)
    let isReleased = Mutex(false)
    async let holding: Void = pool.withSession { session in
      try session.transaction { session in
        _ = try session.query("SELECT FROM ledger.head WHERE workspace = 'dev01' FOR UPDATE")
        isHeld.withLock { $0 = true }
        while !isReleased.withLock({ $0 }) { _ = try session.query("SELECT 1") }
      }
    }
    try await pool.withSession { session in while !isHeld.withLock({ $0 }) { _ = try session.query("SELECT 1") } }
    let waiting = Task { try await appends.append([Self.event(1)], to: "dev01") }
    try await pool.withSession { session in
      while try session.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
      ).isEmpty {}
    }
    await #expect(throws: GroupCommit.Full.self) { try await appends.append([Self.event(2)], to: "dev01") }
    isReleased.withLock { $0 = true }
    try await holding
    #expect(try await waiting.value.isNew == [true])
    #expect(try await appends.append([Self.event(3)], to: "dev01").sequences.count == 1)
  }
}
