public import Foundation
public import Postgres

/// What one execution of a job appended to a workspace.
public struct RunSummary: Sendable, Hashable {
  /// The execution.
  public let run: UUID
  /// Who appended it.
  public let principal: String
  /// Its first event that was looked at.
  public private(set) var first: Int64
  /// Its last event.
  public private(set) var last: Int64
  /// When the first was recorded.
  public private(set) var began: Timestamp
  /// When the last was recorded.
  public private(set) var ended: Timestamp
  /// How many events it has of each type.
  public private(set) var events: [String: Int]

  fileprivate init(_ row: Row) throws {
    run = try row.uuid("run")
    principal = try row.string("principal")
    first = try row.int64("first")
    last = try row.int64("last")
    began = try row.timestamp("began")
    ended = try row.timestamp("ended")
    events = [try row.string("type"): try row.int("events")]
  }

  fileprivate mutating func add(_ other: RunSummary) {
    first = min(first, other.first)
    last = max(last, other.last)
    began = min(began, other.began)
    ended = max(ended, other.ended)
    events.merge(other.events) { $0 + $1 }
  }
}

/// Some runs, and where older ones are.
public struct RunPage: Sendable, Hashable {
  /// The runs, the last first.
  public let runs: [RunSummary]
  /// The sequence before which older runs are; nil when there are none.
  public let before: Int64?
}

extension Ledger {
  /// Events that are looked at for one page of runs.
  public static let runEventsMax = 10_000

  /// The runs that appended to a workspace, the last first. One that goes on before a page ends is told again with the next, for
  /// the events that it has there.
  ///
  /// - Parameters:
  ///   - before: only what came before this sequence; nil for the newest.
  ///   - limit: runs at most.
  ///   - lookedMax: events that are looked at.
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func runs(
    of workspace: String, before: Int64? = nil, limit: Int, lookedMax: Int = runEventsMax
  ) async throws -> RunPage {
    let (found, lowest) = try await ask { session in
      let rows = try session.query(
        """
        WITH looked AS MATERIALIZED (
          SELECT sequence, run, principal, type, recorded_at FROM ledger.event
          WHERE workspace = $1 AND ($2::bigint IS NULL OR sequence < $2::bigint) ORDER BY sequence DESC LIMIT $3
        ), runs AS (
          SELECT run, principal, type, count(*)::integer AS events, min(sequence) AS first, max(sequence) AS last,
            min(recorded_at) AS began, max(recorded_at) AS ended
          FROM looked WHERE run IS NOT NULL GROUP BY run, principal, type
        )
        SELECT r.*, l.lowest FROM (SELECT coalesce(min(sequence), 1) AS lowest FROM looked) l LEFT JOIN runs r ON true
        """, [workspace, before, lookedMax])
      var found: [UUID: RunSummary] = [:]
      for row in rows {
        guard try row.optionalUUID("run") != nil else { continue }
        let part = try RunSummary(row)
        if found[part.run] == nil { found[part.run] = part } else { found[part.run]?.add(part) }
      }
      return (found, try rows.first?.int64("lowest") ?? 1)
    }
    let all = found.values.sorted { $0.last > $1.last }
    let (runs, others) = (Array(all.prefix(limit)), all.dropFirst(limit))
    // Whatever was left out, or was not looked at, is below.
    return RunPage(runs: runs, before: others.first.map { $0.last + 1 } ?? (lowest > 1 ? lowest : nil))
  }
}
