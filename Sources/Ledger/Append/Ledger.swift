public import Postgres

/// The append-only log of a database.
///
/// Every workspace has a log of its own, with sequences 1, 2, 3 … in commit order; sealing puts them into one
/// global order of positions. It knows nothing of what the events mean.
public struct Ledger: Sendable {
  let pool: PostgresPool
  let retry: RetryPolicy

  /// Makes a ledger over a database that has been migrated.
  public init(_ pool: PostgresPool, retry: RetryPolicy = RetryPolicy()) {
    self.pool = pool
    self.retry = retry
  }

  /// Opens a workspace for events. Does nothing if it is open.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func openWorkspace(_ workspace: String) async throws {
    try await ask { session in _ = try session.query("SELECT ledger.open_workspace($1)", [workspace]) }
  }

  /// Gives every event that has none its position.
  ///
  /// - Returns: the positions that were given, nil if there was nothing to seal, and the last position of all.
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  @discardableResult
  public func seal() async throws -> (sealed: ClosedRange<Int64>?, last: Int64) {
    try await ask { session in
      guard let row = try session.query("SELECT first_position, last_position FROM ledger.seal()").first
      else {
        return (nil, 0)
      }
      let last = try row.int64("last_position")
      return (try row.optionalInt64("first_position").map { $0...last }, last)
    }
  }

  /// The last position that was given, 0 if there is none. Gives none itself.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func lastPosition() async throws -> Int64 {
    try await ask { session in
      let rows = try session.query("SELECT coalesce(max(last_position), 0) AS last FROM ledger.seal")
      return try rows.first?.int64("last") ?? 0
    }
  }

  /// The last position sealed at or before a time, 0 if there was none. For a time that has passed the answer
  /// never changes.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func position(at time: Timestamp) async throws -> Int64 {
    try await ask { session in
      try session.query("SELECT ledger.position_at($1) AS position", [time]).first?.int64("position") ?? 0
    }
  }

  /// How far each workspace had come at a position. Workspaces without events up to there are left out.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func cut(at position: Int64) async throws -> [String: Int64] {
    try await ask { session in
      let rows = try session.query("SELECT workspace, sequence FROM ledger.cut_at($1)", [position])
      return Dictionary(
        try rows.map { (try $0.string("workspace"), try $0.int64("sequence")) }, uniquingKeysWith: max)
    }
  }

  /// How far each workspace has come, sealed or not.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func heads() async throws -> [String: Int64] {
    try await ask { session in
      let rows = try session.query("SELECT workspace, last_sequence FROM ledger.head")
      return Dictionary(
        try rows.map { (try $0.string("workspace"), try $0.int64("last_sequence")) }, uniquingKeysWith: max)
    }
  }

  /// How many events were redacted so far: while that stays, what was known at a position stays the same.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func redactions() async throws -> Int64 {
    try await ask { session in
      try session.query(
        "SELECT coalesce(sum(version), 0)::bigint AS count FROM ledger.stream WHERE stream = 'redactions'"
      ).first?.int64("count") ?? 0
    }
  }

  /// An event by its place in its workspace; `nil` when there is none.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func event(_ sequence: Int64, of workspace: String) async throws -> RecordedEvent? {
    guard sequence > 0 else { return nil }
    return try await read(workspace: workspace, after: SequenceCursor(sequence - 1), limit: 1).events
      .first { $0.sequence == sequence }
  }

  /// Runs `body` on a session, again after transient failures: it must be safe to repeat.
  func ask<Value: Sendable>(_ body: @Sendable @escaping (Session) throws -> Value) async throws -> Value {
    try await LedgerError.translating {
      try await retry.perform { try await pool.withSession(body) }
    }
  }
}
