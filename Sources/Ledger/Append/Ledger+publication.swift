public import Postgres

extension Ledger {
  /// How far this database knows that a log was published; `nil` when it never was from here.
  ///
  /// - Parameter origin: the name of the log.
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func publishedSize(of origin: String) async throws -> Int64? {
    try await ask { session in
      try session.query("SELECT size FROM ledger.publication WHERE origin = $1", [origin]).first?.int64("size")
    }
  }

  /// Remembers how far a log was published, so that its store cannot be mistaken for another. Needs a member of
  /// `ledger_sealer`.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func notePublication(of origin: String, size: Int64) async throws {
    try await ask { session in _ = try session.query("SELECT ledger.note_publication($1, $2)", [origin, size]) }
  }

  /// A seal: up to which position it went, and when that was.
  public struct Seal: Sendable, Hashable {
    /// The last position that it gave.
    public let last: Int64
    /// When.
    public let sealedAt: Timestamp
  }

  /// When a position was given that was the last of its seal; `nil` for any other.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func sealTime(of position: Int64) async throws -> Timestamp? {
    try await ask { session in
      try session.query("SELECT sealed_at FROM ledger.seal WHERE last_position = $1", [position]).first?
        .timestamp("sealed_at")
    }
  }

  /// Seals after a position, in their order, at most ``pageEventsMax`` of them.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func seals(after position: Int64) async throws -> [Seal] {
    try await ask { session in
      try session.query(
        "SELECT last_position, sealed_at FROM ledger.seal WHERE last_position > $1 ORDER BY last_position LIMIT $2",
        [position, Self.pageEventsMax]
      ).map { Seal(last: try $0.int64("last_position"), sealedAt: try $0.timestamp("sealed_at")) }
    }
  }
}
