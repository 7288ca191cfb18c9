public import Postgres

/// The tables behind the catalog, or those of a projection that somebody registered: whether they are what the events
/// amount to, and making them so.
///
/// Needs the rights of `ledger_service` for checks and of `ledger_owner` for rebuilding. Methods throw
/// `PostgresError` and `CancellationError`.
public struct Projections: Sendable {
  /// Name under which the ledger knows those behind the catalog.
  public static let name = "marketplace"

  private let pool: PostgresPool
  private let name: String

  /// The projections of a migrated database.
  ///
  /// - Parameter name: the name that a projection was registered under; those behind the catalog unless told otherwise.
  public init(_ pool: PostgresPool, named name: String = Self.name) {
    self.pool = pool
    self.name = name
  }

  /// A row that is not what the events amount to.
  public struct Difference: Sendable, Hashable {
    /// The workspace.
    public var workspace: String
    /// The table; nil when the projections are stale.
    public var table: String?
    /// `missing`: events call for it. `unfounded`: no event accounts for it. `stale`: they stopped there.
    public var difference: String
    /// The row, or what stopped them.
    public var row: String
    /// The event that the row says it rests on, by its sequence in the workspace.
    public var sequence: Int64?
    /// The position of that; `nil` while it is not sealed.
    public var position: Int64?
  }

  /// The workspaces that have a log.
  public func workspaces() async throws -> [String] {
    try await pool.withSession { session in
      try session.query("SELECT workspace FROM ledger.workspace ORDER BY workspace").map {
        try $0.string("workspace")
      }
    }
  }

  /// Takes all events of a workspace into a scratch copy and compares it row by row, in both directions.
  ///
  /// Appends of the workspace wait meanwhile: some 20 ms for a thousand events.
  ///
  /// - Returns: what differs; nothing when all is right.
  public func check(_ workspace: String) async throws -> [Difference] {
    try await pool.withSession { session in
      let rows =
        if name == Self.name {
          try session.query(
            """
            SELECT c.*, ledger.position_of($1, c.sequence) AS position FROM (
              SELECT projection_table, difference, row_text,
                marketplace_projection.sequence_of(projection_table, row_text) AS sequence
              FROM marketplace_projection.check($1)) c
            ORDER BY projection_table, row_text, difference
            """, [workspace])
        } else {
          try session.query(
            """
            SELECT projection_table, difference, row_text, NULL::bigint AS sequence, NULL::bigint AS position
            FROM ledger.check_projection($1, $2) ORDER BY projection_table, row_text, difference
            """, [name, workspace])
        }
      return try rows.map {
        Difference(
          workspace: workspace, table: try $0.optionalString("projection_table"),
          difference: try $0.string("difference"), row: try $0.string("row_text"),
          sequence: try $0.optionalInt64("sequence"), position: try $0.optionalInt64("position"))
      }
    }
  }

  /// Takes all events of a workspace into a scratch copy and writes what differs. Appends of the workspace wait meanwhile.
  ///
  /// - Returns: the last sequence taken in.
  public func rebuild(_ workspace: String) async throws -> Int64 {
    try await pool.withSession { session in
      let rows = try session.query(
        "SELECT ledger.rebuild_projection($1, $2) AS last", [name, workspace])
      return try rows.first?.optionalInt64("last") ?? 0
    }
  }

  /// Where the projections stopped following, and at which event.
  public func stale() async throws -> [(workspace: String, from: Int64)] {
    try await pool.withSession { session in
      try session.query(
        "SELECT workspace, from_sequence FROM marketplace_projection.stale ORDER BY workspace"
      ).map {
        (try $0.string("workspace"), try $0.int64("from_sequence"))
      }
    }
  }
}
