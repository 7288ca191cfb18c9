import Foundation
import Ledger
import Marketplace
import Synchronization
import TestSupport
import Testing

@testable import Transfer

@Suite("A state that many read on", .enabled(if: MLflowServers.three != nil))
struct LatestStateTests {
  /// A ledger that tells from where it was read, and can keep what it read back until it is let go.
  private final class WatchedLog: EventLog {
    private let log: any EventLog
    private let seen = Mutex<[Int64]>([])
    private let gate = Mutex<(hasRead: AsyncStream<Void>.Continuation, held: AsyncStream<Void>)?>(nil)

    init(_ log: any EventLog) {
      self.log = log
    }

    /// Sequences after which was read, in order.
    var reads: [Int64] { seen.withLock { $0 } }

    /// Keeps back what the next call reads.
    ///
    /// - Returns: what lets it go, and a stream that ends when it has read.
    func holdNext() -> (release: @Sendable () -> Void, hasRead: AsyncStream<Void>) {
      let (hasRead, reading) = AsyncStream<Void>.makeStream()
      let (held, holding) = AsyncStream<Void>.makeStream()
      gate.withLock { $0 = (reading, held) }
      return ({ holding.finish() }, hasRead)
    }

    func openWorkspace(_ workspace: String) async throws { try await log.openWorkspace(workspace) }

    func read(
      workspace: String, after cursor: SequenceCursor, types: [String]?, limit: Int
    ) async throws -> EventPage<SequenceCursor> {
      let page = try await log.read(workspace: workspace, after: cursor, types: types, limit: limit)
      let gate = gate.withLock { $0.take() }
      seen.withLock { $0.append(cursor.sequence) }
      if let gate {
        gate.hasRead.finish()
        for await _ in gate.held {}
      }
      return page
    }

    func append(
      _ events: [NewEvent], to workspace: String, run: UUID?, as principal: String?
    ) async throws -> AppendResult {
      try await log.append(events, to: workspace, run: run, as: principal)
    }
  }

  @Test("each is given all that was recorded before, and nothing is read twice, whoever is first to be done")
  func readsOn() async throws {
    let world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    _ = try await world.sync(.observe)
    let log = WatchedLog(world.ledger)
    let history = History(ledger: log, run: UUID())
    let began = try await history.load(try WorkspaceID("dev01"))
    let latest = LatestState(began, history: history)
    func record() async throws -> Int64 {
      _ = try await world.sync(.observe)
      return try await world.state().sequence
    }
    let (release, hasRead) = log.holdNext()
    let slow = Task { try await latest.load() }
    for await _ in hasRead {}
    let second = try await record()
    #expect(try await latest.load().sequence == second)
    release()
    #expect(try await slow.value.sequence == began.sequence)
    let third = try await record()
    #expect(try await latest.load().sequence == third)
    // The slow one knew less, and the next does not go back behind the fast one for it.
    #expect(log.reads.suffix(3) == [began.sequence, began.sequence, second])
  }
}
