import Postgres

extension Ledger {
  /// Data of one call to ``attach(_:in:)``: what one append may have.
  static let attachBytesMax = 32 * 1_048_576

  /// Takes the data of replaced events in a range of a workspace's sequences out of the database. Envelope, salt and hash
  /// stay. The log says so itself, in stream `segments`. Needs a member of `ledger_owner`.
  ///
  /// - Parameter segment: the segment that was seen to hold them.
  /// - Returns: how many events lost their data; 0 when none was left to lose it.
  /// - Throws: ``LedgerError`` when not all of the range is sealed; `PostgresError`; `CancellationError`.
  public func detach(_ sequences: ClosedRange<Int64>, in workspace: String, segment: Int64) async throws -> Int64 {
    try await ask { session in
      try session.query(
        "SELECT ledger.detach($1, $2, $3, $4) AS count",
        [workspace, sequences.lowerBound, sequences.upperBound, segment]
      ).first?.int64("count") ?? 0
    }
  }

  /// Puts data back that was detached, and has the log say so. What is there, or was redacted, stays as it is. Needs a
  /// member of `ledger_owner`.
  ///
  /// - Parameter data: the JSON text of events, by their sequences.
  /// - Returns: how many events have their data again.
  /// - Throws: ``LedgerError`` for data that does not have its event's hash; `PostgresError`; `CancellationError`.
  public func attach(_ data: [(sequence: Int64, text: String)], in workspace: String) async throws -> Int64 {
    var (count, rest) = (Int64(0), data[...])
    while !rest.isEmpty {
      var bytes = 0
      let part = rest.prefix { event in
        defer { bytes += event.text.utf8.count }
        return bytes == 0 || bytes + event.text.utf8.count <= Self.attachBytesMax
      }
      rest = rest.dropFirst(part.count)
      let (sequences, texts) = (part.map(\.sequence), part.map(\.text))
      count += try await ask { session in
        try session.query("SELECT ledger.attach($1, $2, $3) AS count", [workspace, sequences, texts]).first?
          .int64("count") ?? 0
      }
    }
    return count
  }
}

extension Ledger {
  /// How many events lost their data to each segment of so many positions. Reads all envelopes.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func detached(bySegmentsOf size: Int64) async throws -> [Int64: Int64] {
    try await ask { session in
      let rows = try session.query(
        """
        SELECT (e.position - 1) / $1 AS segment, count(*) AS count
        FROM ledger.events e WHERE e.data IS NULL AND e.salt IS NOT NULL GROUP BY 1
        """, [size])
      return Dictionary(
        try rows.map { (try $0.int64("segment"), try $0.int64("count")) }, uniquingKeysWith: { first, _ in first })
    }
  }
}

extension RecordedEvent {
  /// Whether its data was taken out of the database, and a segment of external storage holds it.
  public var isDetached: Bool { data == nil && salt != nil }
}
