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
  ///   - bytesMax: how many bytes of data the page may have; its first event may have more.
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func read(
    workspace: String, after cursor: SequenceCursor = 0, types: [String]? = nil,
    limit: Int = pageEventsDefault, bytesMax: Int? = nil
  ) async throws -> EventPage<SequenceCursor> {
    let wanted = """
      SELECT \(RecordedEvent.columns) FROM ledger.events
      WHERE workspace = $1 AND $2::text IS NULL AND sequence > $3 AND ($5::text[] IS NULL OR type = ANY ($5::text[]))
      ORDER BY sequence LIMIT $4
      """
    let page = try await page(
      wanted, [workspace, String?.none, cursor.sequence], types, by: "sequence", limit, bytesMax)
    return EventPage(
      events: page.events, next: page.events.last.map { SequenceCursor($0.sequence) } ?? cursor, isLast: page.isLast)
  }

  /// Reads a stream forward, sealed or not.
  ///
  /// - Parameters:
  ///   - types: the types wanted; nil for all.
  ///   - limit: events at most, capped at ``pageEventsMax``.
  ///   - bytesMax: how many bytes of data the page may have; its first event may have more.
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func read(
    stream: String, in workspace: String, after cursor: VersionCursor = 0, types: [String]? = nil,
    limit: Int = pageEventsDefault, bytesMax: Int? = nil
  ) async throws -> EventPage<VersionCursor> {
    let wanted = """
      SELECT \(RecordedEvent.columns) FROM ledger.events
      WHERE workspace = $1 AND stream = $2 AND version > $3 AND ($5::text[] IS NULL OR type = ANY ($5::text[]))
      ORDER BY version LIMIT $4
      """
    let page = try await page(wanted, [workspace, stream, cursor.version], types, by: "version", limit, bytesMax)
    return EventPage(
      events: page.events, next: page.events.last.map { VersionCursor($0.version) } ?? cursor, isLast: page.isLast)
  }

  /// Events of a workspace, forward by a key; `$4` of the query is how many, and `$5` the types.
  private func page(
    _ wanted: String, _ parameters: [(any PostgresEncodable)?], _ types: [String]?, by key: String, _ limit: Int,
    _ bytesMax: Int?
  ) async throws -> (events: [RecordedEvent], isLast: Bool) {
    let limit = Self.capped(limit)
    // One more is looked for, so that it is known which page is the last.
    var (sql, values) = (wanted, parameters + [limit + 1, types])
    if let bytesMax {
      sql = Self.bounded(wanted, by: key, "$6") + " ORDER BY \(key)"
      values.append(bytesMax)
    }
    let (text, given) = (sql, values)
    return try await ask { session in
      let rows = try session.query(text, given)
      let there = bytesMax == nil ? rows.count : try rows.first?.int("there") ?? 0
      let events = try rows.prefix(limit).map { try RecordedEvent($0) }
      return (events, there <= events.count)
    }
  }

  /// The rows of a query whose data has together no more bytes than a parameter says; the first of them always.
  private static func bounded(_ wanted: String, by key: String, _ bytesMax: String) -> String {
    // What was detached comes from elsewhere, and is taken for as large as most of it is.
    """
    SELECT * FROM (SELECT *, sum(size) OVER (ORDER BY \(key)) - size AS before, count(*) OVER ()::integer AS there
                   FROM (SELECT *, CASE WHEN salt IS NULL THEN 0
                                        ELSE coalesce(octet_length(data::text), 65536) END AS size
                         FROM (\(wanted)) AS wanted) AS sized) AS summed
    WHERE before < \(bytesMax)
    """
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
        wanted = Self.bounded(wanted, by: "position", "$4")
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

  private static func capped(_ limit: Int) -> Int { max(1, min(limit, pageEventsMax)) }
}
