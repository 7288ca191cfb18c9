import Foundation
import Ledger
import Marketplace
import Postgres
import TestSupport
import Testing

@testable import Transfer

@Suite("A lock whose connection dies")
struct LostLockTests {
  @Test("nothing is recorded under it, and the next lock is taken in a new session")
  func lost() async throws {
    let pool = try await TestCluster.migratedDatabase().pool(connectionsMax: 4)
    let context = Self.context(pool)
    let workspace = try WorkspaceID("dev01")
    try await context.ledger.openWorkspace(workspace.text)
    let locks = ModelLocks(context: context)
    let event = ProposedEvent(
      stream: "workspace", expectedVersion: nil, id: UUID(), event: .workspaceDisconnected(WorkspaceDisconnected()))
    await #expect(throws: Trouble.lockLost("model/a")) {
      _ = try await locks.ifFree("model/a") { lock in
        try await Self.endLockSessions(pool)
        let held = context.holding(lock)
        return try await History(ledger: held.ledger, run: held.run).append([event], to: workspace)
      }
    }
    let after = try await context.ledger.read(workspace: workspace.text, after: 0, limit: 10)
    #expect(after.events.isEmpty)
    // The same run goes on; what it does under a lock that holds is recorded.
    let sequences = try await locks.ifFree("model/a") { lock in
      try await History(ledger: context.holding(lock).ledger, run: context.run).append([event], to: workspace)
    }
    #expect(sequences == [1])
    await locks.close()
    await pool.close()
  }

  @Test("a lock that is held elsewhere is not taken, and is free once it is given back")
  func held() async throws {
    let pool = try await TestCluster.createDatabase().pool(connectionsMax: 4)
    let (one, two) = (ModelLocks(context: Self.context(pool)), ModelLocks(context: Self.context(pool)))
    let inner = try await one.ifFree("model/a") { _ in try await two.ifFree("model/a") { _ in true } ?? false }
    #expect(inner == false)
    let after = try await two.ifFree("model/a") { _ in true }
    #expect(after == true)
    await one.close()
    await two.close()
    await pool.close()
  }

  private static func context(_ pool: PostgresPool) -> JobContext {
    JobContext(
      ledger: Ledger(pool), memory: PostgresMemory(pool), locks: PostgresLockSessions(pool), storage: NoStorage(),
      run: UUID(), now: { 0 }, randomID: { UUID() }, options: JobOptions(), progress: { _ in },
      isStopping: { false }, pause: { _ in })
  }

  private static func endLockSessions(_ pool: PostgresPool) async throws {
    try await pool.withSession { session in
      _ = try session.query(
        """
        select pg_terminate_backend(pid, 10000) from pg_locks
        where locktype = 'advisory' and pid <> pg_backend_pid()
          and database = (select oid from pg_database where datname = current_database())
        """)
    }
  }
}
