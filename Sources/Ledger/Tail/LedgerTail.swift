import Foundation
import Postgres

extension Ledger {
  /// Follows the global order from a position on, for ever: every sealed event exactly once, in order.
  ///
  /// It seals what it finds unsealed, listens for the seals of others, and looks by itself at least once a second,
  /// so that nothing depends on a notification. Lost connections are made again; the iteration ends with an
  /// error only when trying again cannot help, and when its task is cancelled.
  ///
  /// - Parameters:
  ///   - cursor: where to begin; to resume, the position of the last event that was handled.
  ///   - seals: false for a reader that may not seal and follows what others seal.
  public func tail(after cursor: PositionCursor = 0, seals: Bool = true) -> LedgerTail {
    LedgerTail(ledger: self, start: cursor, seals: seals)
  }
}

/// Every sealed event from a position on, in order, exactly once.
public struct LedgerTail: AsyncSequence, Sendable {
  /// One event at a time.
  public typealias Element = RecordedEvent
  /// ``LedgerError``, `PostgresError` or `CancellationError`.
  public typealias Failure = any Error

  /// The longest wait between two looks, in milliseconds: a notification may be lost, a look cannot.
  public static let waitMillisecondsMax = 1_000

  let ledger: Ledger
  let start: PositionCursor
  let seals: Bool

  /// Starts to follow.
  public func makeAsyncIterator() -> Iterator {
    Iterator(ledger: ledger, cursor: start, seals: seals)
  }

  /// One follower.
  public struct Iterator: AsyncIteratorProtocol {
    private let ledger: Ledger
    private let seals: Bool
    private var cursor: PositionCursor
    private var page: ArraySlice<RecordedEvent> = []
    private let bell: Bell
    private var rings: AsyncStream<Void>.Iterator

    init(ledger: Ledger, cursor: PositionCursor, seals: Bool) {
      self.ledger = ledger
      self.cursor = cursor
      self.seals = seals
      // Listening begins before the first look: what is sealed after that look rings.
      bell = Bell(ledger.pool.notifications(on: ["ledger"]))
      rings = bell.rings.makeAsyncIterator()
    }

    /// The next event; waits for it.
    ///
    /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
    public mutating func next() async throws -> RecordedEvent? {
      while true {
        if let event = page.popFirst() { return event }
        try Task.checkCancellation()
        if try await look() { continue }
        // Cancelled while waiting: the check above says so.
        _ = await rings.next()
      }
    }

    /// Seals and reads; returns whether there may be more to read at once.
    private mutating func look() async throws -> Bool {
      do {
        if seals { try await ledger.seal() }
        // However much was sealed at once, only so much of it is in memory.
        let read = try await ledger.read(after: cursor, bytesMax: Ledger.pageBytesMax)
        page = read.events[...]
        let isFurther = read.next != cursor
        cursor = read.next
        return isFurther
      } catch let error as PostgresError where error.isTransient {
        return false
      }
    }
  }
}

/// Rings when something may have been sealed, and at least once a second. Rings that nobody waits for are one.
private final class Bell: Sendable {
  let rings: AsyncStream<Void>
  private let tasks: [Task<Void, Never>]

  init(_ notifications: NotificationStream) {
    let (rings, ringer) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    self.rings = rings
    tasks = [
      Task {
        // Whatever it is, also a connection lost or found again: look.
        for await _ in notifications { ringer.yield() }
      },
      Task {
        while !Task.isCancelled {
          try? await Task.sleep(for: .milliseconds(LedgerTail.waitMillisecondsMax))
          ringer.yield()
        }
      },
    ]
  }

  deinit {
    for task in tasks { task.cancel() }
  }
}
