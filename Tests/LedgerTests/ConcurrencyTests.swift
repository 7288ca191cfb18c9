import Foundation
import Ledger
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite(.serialized) struct ConcurrencyTests {
  private static let writers = 16
  /// `ops/faults writers` asks for more than a test has time for.
  private static let rounds = ProcessInfo.processInfo.environment["LEDGER_WRITER_ROUNDS"].flatMap { Int($0) } ?? 30
  private static let minutesMax = rounds > 30 ? 60 : 3

  private struct RolledBack: Error {}

  private enum Outcome {
    case acknowledged, rolledBack
    /// The connection was lost while it committed.
    case unknown
  }

  private struct Attempt {
    let workspace: String
    let ids: Set<UUID>
    let outcome: Outcome

    /// Acknowledged is all there, rolled back is nowhere, and what nobody knows is there as a whole or not at all.
    func isRight(among stored: Set<UUID>) -> Bool {
      let found = ids.intersection(stored).count
      return switch outcome {
      case .acknowledged: found == ids.count
      case .rolledBack: found == 0
      case .unknown: found == 0 || found == ids.count
      }
    }
  }

  /// What the writers know of themselves.
  private final class Writers: Sendable {
    let attempts = Mutex<[Attempt]>([])
    let areAtWork = Atomic<Bool>(true)
  }

  @Test(
    "sixteen writers with rollbacks, pauses before the commit and killed backends: no gap, no double, and a tail sees each event once",
    .timeLimit(.minutes(minutesMax)), arguments: [1, 8])
  func writers(_ workspacesCount: Int) async throws {
    let workspaces = (1...workspacesCount).map { "dev0\($0)" }
    try await TestLedger.with(workspaces: workspaces, connectionsMax: 20) { test async throws in
      let writers = Writers()
      let killer = test.database.pool(connectionsMax: 1)

      let tail = Task {
        var events: [RecordedEvent] = []
        for try await event in test.ledger.tail() {
          if event.type == "Moved" { return events }
          events.append(event)
        }
        return events
      }
      let killing = Task {
        var killed = 0
        while writers.areAtWork.load(ordering: .relaxed) {
          killed += try await killer.withSession {
            try $0.query(
              """
              SELECT pg_sleep(0.05), pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
              ORDER BY random() LIMIT 1
              """
            ).count
          }
        }
        return killed
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<Self.writers {
          group.addTask {
            for round in 0..<Self.rounds {
              let workspace = workspaces[Int.random(in: 0..<workspacesCount)]
              let events = (0..<Int.random(in: 1...4)).map { _ in happened("s\(Int.random(in: 0..<3))") }
              let outcome =
                (writer + round) % 2 == 0
                ? try await Self.append(events, to: workspace, test)
                : try await Self.appendSlowly(events, to: workspace, test)
              let attempt = Attempt(workspace: workspace, ids: Set(events.map(\.id)), outcome: outcome)
              writers.attempts.withLock { $0.append(attempt) }
            }
          }
        }
        try await group.waitForAll()
      }
      writers.areAtWork.store(false, ordering: .relaxed)
      let killed = try await killing.value
      // What was killed last may still lie in the pool.
      let test = TestLedger(database: test.database, pool: killer, ledger: Ledger(killer))
      // The end of the tail: nothing is sealed after it.
      try await test.ledger.seal()
      let stored = try await test.number("SELECT count(*) FROM ledger.event")
      _ = try await test.ledger.append(
        [NewEvent(stream: "end", id: UUID(), type: "Moved", data: "{}")], to: workspaces[0])
      let seen = try await tail.value
      #expect(seen.compactMap(\.position) == Array(1...Int64(stored)))
      let found = Dictionary(grouping: seen, by: \.workspace).mapValues { Set($0.map(\.id)) }
      let attempts = writers.attempts.withLock { $0 }
      let right = attempts.count { $0.isRight(among: found[$0.workspace] ?? []) }
      #expect(right == attempts.count)
      try await test.ledger.seal()
      try await test.expectOrder(events: stored + 1)
      if Self.minutesMax > 3 {
        print(
          "writers: workspaces \(workspacesCount) tried \(attempts.count) survived \(right) killed \(killed) events \(stored)"
        )
      }
      await killer.close()
    }
  }

  /// Appends as jobs do. Whose connection is killed over and over again is told so, and does not know.
  private static func append(
    _ events: [NewEvent], to workspace: String, _ test: TestLedger
  ) async throws -> Outcome {
    do {
      let result = try await test.ledger.append(events, to: workspace)
      #expect(result.sequences.count == events.count)
      return .acknowledged
    } catch let error as PostgresError where isLost(error) {
      return .unknown
    }
  }

  private static func isLost(_ error: PostgresError) -> Bool {
    error.code == .connectionLost || error.code == .commitOutcomeUnknown
  }

  /// Appends by plain SQL in a transaction of its own, pauses, and now and then rolls back.
  private static func appendSlowly(
    _ events: [NewEvent], to workspace: String, _ test: TestLedger
  ) async throws -> Outcome {
    do {
      try await test.pool.write { session in
        _ = try session.query(
          """
          SELECT * FROM ledger.append($1, $2, NULL, $3, $4, NULL, NULL, $5, NULL, NULL, NULL, NULL)
          """, [workspace, events.map(\.stream), events.map(\.id), events.map(\.type), events.map(\.data)])
        _ = try session.query("SELECT pg_sleep(random() * 0.004)")
        if Int.random(in: 0..<4) == 0 { throw RolledBack() }
      }
      return .acknowledged
    } catch is RolledBack {
      return .rolledBack
    } catch let error as PostgresError where isLost(error) {
      return .unknown
    }
  }
}
