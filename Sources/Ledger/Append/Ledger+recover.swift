public import Foundation
public import Postgres

extension Ledger {
  /// A sealed event that a database has lost, as an export has it.
  public struct RecoveredEvent: Sendable, Hashable {
    /// The exact bytes of its leaf.
    public var leaf: [UInt8]
    /// Its salt and its data; `nil` where it was redacted.
    public var salt: [UInt8]?
    /// The JSON text.
    public var data: String?

    /// An event of an export.
    public init(leaf: [UInt8], salt: [UInt8]?, data: String?) {
      self.leaf = leaf
      self.salt = salt
      self.data = data
    }
  }

  /// Takes back sealed events, from the first position that is missing on. Every one comes out with the leaf that it came
  /// with, or none is taken. Projections of their workspaces are stale until rebuilt. Needs a member of `ledger_owner`.
  ///
  /// - Parameter sealedAt: when they got their positions; unless told, when the last of them was recorded.
  /// - Returns: the last position that is sealed now.
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func recover(_ events: [RecoveredEvent], sealedAt: Timestamp? = nil) async throws -> Int64 {
    let leaves = events.map { String(decoding: $0.leaf, as: UTF8.self) }
    let salts = events.map { $0.salt.map(Self.hex) }
    let data = events.map(\.data)
    return try await ask { session in
      try session.query(
        """
        SELECT ledger.recover($1, (SELECT array_agg(decode(s, 'hex') ORDER BY n) FROM unnest($2::text[]) WITH ORDINALITY u (s, n)),
          $3, $4) AS last
        """, [leaves, salts, data, sealedAt]
      ).first?.int64("last") ?? 0
    }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// Where the events with an id stand: it is unique in a workspace, and may be in several.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func places(of id: UUID) async throws -> [(workspace: String, sequence: Int64, position: Int64?)] {
    try await ask { session in
      try session.query(
        """
        SELECT e.workspace, e.sequence, e.position FROM ledger.workspace w
        CROSS JOIN LATERAL (SELECT * FROM ledger.events e WHERE e.workspace = w.workspace AND e.id = $1) e
        ORDER BY e.workspace
        """, [id]
      ).map { (try $0.string("workspace"), try $0.int64("sequence"), try $0.optionalInt64("position")) }
    }
  }

  /// Which of some ids stand in a workspace.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func known(_ ids: [UUID], in workspace: String) async throws -> Set<UUID> {
    try await ask { session in
      let rows = try session.query(
        "SELECT id FROM ledger.events WHERE workspace = $1 AND id = ANY($2::uuid[])", [workspace, ids])
      return Set(try rows.map { try $0.uuid("id") })
    }
  }

  /// The position of an event of a workspace; `nil` while it is not sealed, or when there is none.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`; `CancellationError`.
  public func position(of sequence: Int64, in workspace: String) async throws -> Int64? {
    try await ask { session in
      try session.query("SELECT ledger.position_of($1, $2) AS position", [workspace, sequence]).first?
        .optionalInt64("position")
    }
  }
}
