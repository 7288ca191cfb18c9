public import Foundation
import Postgres

extension Ledger {
  /// Appends events to a workspace: one call, one transaction, all of them or none.
  ///
  /// It is tried again after transient failures, also when the outcome of a commit is unknown: the ids make the
  /// second time find what the first one did.
  ///
  /// - Parameters:
  ///   - events: 1 to ``EventRules/batchEventsMax`` events; one takes a faster path.
  ///   - run: the execution of the job that appends.
  ///   - principal: whom the service acts for; nil for the user of the connection.
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`, after which the events may be there.
  public func append(
    _ events: [NewEvent], to workspace: String, run: UUID? = nil, as principal: String? = nil
  ) async throws -> AppendResult {
    try EventRules.check(events)
    if events.count == 1, let event = events.first {
      return try await append(event, workspace, run, principal)
    }
    let batch = Batch(events)
    return try await ask { session in try Self.append(batch, workspace, run, principal, session) }
  }

  /// Appends within whatever transaction the session is in.
  static func append(
    _ batch: Batch, _ workspace: String, _ run: UUID?, _ principal: String?, _ session: Session
  ) throws -> AppendResult {
    let rows = try session.query(
      """
      SELECT sequences, appended, replayed, recorded_at
      FROM ledger.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
      """,
      [
        workspace, batch.streams, batch.expected, batch.ids, batch.types, batch.typeVersions,
        batch.occurredAt, batch.data, batch.causeWorkspaces, batch.causeSequences, run, principal,
      ])
    guard let row = rows.first else { throw noAnswer }
    return AppendResult(
      sequences: try row.ints("sequences").map { Int64($0) }, appended: try row.int("appended"),
      replayed: try row.int("replayed"), recordedAt: try row.timestamp("recorded_at"))
  }

  /// Appends events in calls of at most `size`, one after the other. Each call is a transaction of its own: after
  /// an error those before it stay, and appending all of them again is safe.
  ///
  /// - Throws: as ``append(_:to:run:as:)``.
  public func append(
    _ events: [NewEvent], to workspace: String, run: UUID? = nil, as principal: String? = nil,
    inBatchesOf size: Int
  ) async throws -> AppendResult {
    var result: AppendResult?
    for start in stride(from: 0, to: events.count, by: max(1, size)) {
      let part = Array(events[start..<min(start + max(1, size), events.count)])
      let next = try await append(part, to: workspace, run: run, as: principal)
      guard let before = result else {
        result = next
        continue
      }
      result = AppendResult(
        sequences: before.sequences + next.sequences, appended: before.appended + next.appended,
        replayed: before.replayed + next.replayed, recordedAt: max(before.recordedAt, next.recordedAt))
    }
    // No events at all: refused as a batch without events is.
    if let result { return result }
    return try await append([], to: workspace)
  }

  private func append(
    _ event: NewEvent, _ workspace: String, _ run: UUID?, _ principal: String?
  ) async throws -> AppendResult {
    try await ask { session in
      let rows = try session.query(
        """
        SELECT sequence, replayed, recorded_at
        FROM ledger.append_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        [
          workspace, event.stream, event.expectedVersion, event.id, event.type, event.typeVersion,
          event.occurredAt, event.data, event.cause?.workspace, event.cause?.sequence, run, principal,
        ])
      guard let row = rows.first else { throw Self.noAnswer }
      let isReplayed = try row.bool("replayed")
      return AppendResult(
        sequences: [try row.int64("sequence")], appended: isReplayed ? 0 : 1, replayed: isReplayed ? 1 : 0,
        recordedAt: try row.timestamp("recorded_at"))
    }
  }

  private static var noAnswer: PostgresError {
    PostgresError(.decoding, "The append gave no row.", hint: "Run the migrations: the schema does not fit.")
  }
}

/// Events as the arrays that `ledger.append` takes; what no event has is null as a whole.
struct Batch: Sendable {
  var streams: [String]
  var expected: [Int64?]?
  var ids: [UUID]
  var types: [String]
  var typeVersions: [Int16]?
  var occurredAt: [Timestamp?]?
  var data: [String]
  var causeWorkspaces: [String?]?
  var causeSequences: [Int64?]?

  init(_ events: [NewEvent]) {
    streams = events.map(\.stream)
    expected = events.contains { $0.expectedVersion != nil } ? events.map(\.expectedVersion) : nil
    ids = events.map(\.id)
    types = events.map(\.type)
    typeVersions = events.contains { $0.typeVersion != 1 } ? events.map(\.typeVersion) : nil
    occurredAt = events.contains { $0.occurredAt != nil } ? events.map(\.occurredAt) : nil
    data = events.map(\.data)
    if events.contains(where: { $0.cause != nil }) {
      causeWorkspaces = events.map(\.cause?.workspace)
      causeSequences = events.map(\.cause?.sequence)
    }
  }
}
