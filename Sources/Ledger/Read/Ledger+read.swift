import Foundation
import Postgres

extension Ledger {
  /// Events of a page, unless the caller says otherwise.
  public static let pageEventsDefault = 1_000
  /// Events a page may have.
  public static let pageEventsMax = 10_000
  /// Bytes of data a page has for readers of the whole log, unless its first event has more: whatever was appended, what is in
  /// memory at once stays small.
  public static let pageBytesMax = 16_777_216

  /// Reads a workspace forward, sealed or not.
  ///
  /// - Parameters:
  ///   - types: the types wanted; nil for all.
  ///   - limit: events at most, capped at ``pageEventsMax``.
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func read(
    workspace: String, after cursor: SequenceCursor = 0, types: [String]? = nil,
    limit: Int = pageEventsDefault
  ) async throws -> EventPage<SequenceCursor> {
    let limit = Self.capped(limit)
    let events = try await events(
      """
      SELECT \(RecordedEvent.columns) FROM ledger.events
      WHERE workspace = $1 AND sequence > $2 AND ($3::text[] IS NULL OR type = ANY ($3::text[]))
      ORDER BY sequence LIMIT $4
      """, [workspace, cursor.sequence, types, limit])
    return EventPage(
      events: events, next: events.last.map { SequenceCursor($0.sequence) } ?? cursor,
      isLast: events.count < limit)
  }

  /// Reads a stream forward, sealed or not.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func read(
    stream: String, in workspace: String, after cursor: VersionCursor = 0, limit: Int = pageEventsDefault
  ) async throws -> EventPage<VersionCursor> {
    let limit = Self.capped(limit)
    let events = try await events(
      """
      SELECT \(RecordedEvent.columns) FROM ledger.events
      WHERE workspace = $1 AND stream = $2 AND version > $3 ORDER BY version LIMIT $4
      """, [workspace, stream, cursor.version, limit])
    return EventPage(
      events: events, next: events.last.map { VersionCursor($0.version) } ?? cursor,
      isLast: events.count < limit)
  }

  /// Reads everything that is sealed, in the global order. What is not sealed has no place in it yet: ``seal()``
  /// first to get all there is.
  ///
  /// - Parameters:
  ///   - types: the types wanted; nil for all. `limit` then bounds the events looked at.
  ///   - last: the last position wanted; nil for all.
  ///   - bytesMax: how many bytes of data the page may have; its first event may have more. Such a page may end early.
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func read(
    after cursor: PositionCursor = 0, through last: Int64? = nil, types: [String]? = nil,
    limit: Int = pageEventsDefault, bytesMax: Int? = nil
  ) async throws -> EventPage<PositionCursor> {
    let wanted = last.map { max(0, min(Int64(Self.capped(limit)), $0 - cursor.position)) }
    let limit = wanted ?? Int64(Self.capped(limit))
    guard limit > 0 else { return EventPage(events: [], next: cursor, isLast: true) }
    // The seals say how far there is something, whatever the types let through.
    let (events, end) = try await ask { session in
      let end = try session.query("SELECT coalesce(max(last_position), 0) AS last FROM ledger.seal").first?
        .int64("last")
      var wanted = """
        SELECT \(RecordedEvent.columns) FROM ledger.sealed_events($1, $2)
        WHERE $3::text[] IS NULL OR type = ANY ($3::text[])
        """
      var parameters: [(any PostgresEncodable)?] = [cursor.position, limit, types]
      if let bytesMax {
        // What was detached comes from elsewhere, and is taken for as large as most of it is.
        wanted = """
          SELECT * FROM (SELECT *, sum(size) OVER (ORDER BY position) - size AS before
                         FROM (SELECT *, CASE WHEN salt IS NULL THEN 0
                                              ELSE coalesce(octet_length(data::text), 65536) END AS size
                               FROM (\(wanted)) AS wanted) AS sized) AS summed
          WHERE before < $4
          """
        parameters.append(bytesMax)
      }
      return (try session.query("\(wanted) ORDER BY position", parameters).map { try RecordedEvent($0) }, end ?? 0)
    }
    let looked = min(end, cursor.position + limit)
    // A page that ends early ends with its last event; where it has none, everything was looked at.
    let reached = max(
      bytesMax == nil ? looked : events.last?.position ?? looked, events.last?.position ?? 0, cursor.position)
    return EventPage(
      events: events, next: PositionCursor(reached), isLast: reached >= min(end, last ?? .max))
  }

  private func events(_ sql: String, _ parameters: [(any PostgresEncodable)?]) async throws -> [RecordedEvent] {
    try await ask { session in try session.query(sql, parameters).map { try RecordedEvent($0) } }
  }

  private static func capped(_ limit: Int) -> Int { max(1, min(limit, pageEventsMax)) }
}
