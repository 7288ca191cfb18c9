public import Postgres

/// A second marketplace, made from history alone: the events up to a position of the ledger, folded into a schema of its
/// own, where any SQL can be asked of the past.
///
/// It rests on no table of the live projections, so the as-of functions can be held against it. Needs the rights of
/// `ledger_auditor`, and to create schemas in the database. Methods throw ``CatalogError``, `PostgresError` and
/// `CancellationError`.
public struct Replay: Sendable {
  /// So many workspaces are folded side by side unless the caller says otherwise.
  public static let workspacesConcurrentDefault = 4

  /// What was folded.
  public struct Outcome: Sendable, Hashable {
    /// The last position that was taken in.
    public let position: Int64
    /// When that was sealed; `nil` for the beginning.
    public let sealedAt: Timestamp?
    /// Workspaces that had events then.
    public let workspaces: Int
    /// Events that were folded, which are as many as the position says.
    public let events: Int64
  }

  /// One view, here and by the as-of functions.
  public struct Comparison: Sendable, Hashable {
    /// Its name in schema `marketplace`.
    public let view: String
    /// The rows it has here.
    public let rows: Int64
    /// The rows that only one of both has.
    public let differences: Int64
  }

  /// SQLSTATEs of what is refused: a bad value, and a schema that exists.
  private static let refusals: Set<String> = [CatalogError.positionNotSealedState, "42P06"]

  private let pool: PostgresPool

  /// Replays of a migrated database's history.
  public init(_ pool: PostgresPool) { self.pool = pool }

  /// The last position that was sealed at or before a time.
  public func position(at time: Timestamp) async throws -> Int64 {
    try await pool.withSession { session in
      try session.query("SELECT ledger.position_at($1) AS position", [time]).first?.int64("position") ?? 0
    }
  }

  /// The last position that is sealed.
  public func lastPosition() async throws -> Int64 {
    try await pool.withSession { session in
      try session.query("SELECT coalesce(max(last_position), 0) AS position FROM ledger.seal").first?.int64("position")
        ?? 0
    }
  }

  /// Folds the events up to a position into a schema that does not exist yet. What was begun and cannot be ended is
  /// taken away again.
  ///
  /// - Parameters:
  ///   - workspacesConcurrent: how many workspaces are folded side by side, each in a session of its own.
  ///   - told: is called after each workspace, with its name and its events.
  /// - Throws: ``CatalogError`` with `.refused` for a position that is not sealed, and for a name that is taken or
  ///   cannot be one.
  public func fold(
    through position: Int64, into schema: String, workspacesConcurrent: Int = workspacesConcurrentDefault,
    told: @escaping @Sendable (String, Int64) -> Void = { _, _ in }
  ) async throws -> Outcome {
    let cuts = try await begin(schema, at: position)
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (number, cut) in cuts.enumerated() {
          if number >= max(1, workspacesConcurrent) { try await group.next() }
          group.addTask {
            _ = try await pool.withSession { session in
              try session.query("SELECT \(Self.quoted(schema)).fold_apply($1, 1, $2)", [cut.workspace, cut.sequence])
            }
            told(cut.workspace, cut.sequence)
          }
        }
        try await group.waitForAll()
      }
      let sealedAt = try await pool.withSession { session in
        _ = try session.query("SELECT marketplace_projection.replay_end($1)", [schema])
        return try session.query("SELECT sealed_at FROM marketplace_projection.replay_of($1)", [schema]).first?
          .optionalTimestamp("sealed_at")
      }
      return Outcome(
        position: position, sealedAt: sealedAt, workspaces: cuts.count, events: cuts.reduce(0) { $0 + $1.sequence })
    } catch {
      // Also when this task was cancelled: a half of the past must not pass for the whole.
      try? await Task { try await drop(schema) }.value
      throw error
    }
  }

  private func begin(_ schema: String, at position: Int64) async throws -> [(workspace: String, sequence: Int64)] {
    do {
      return try await pool.withSession { session in
        try session.query(
          "SELECT workspace, sequence FROM marketplace_projection.replay_begin($1, $2)", [schema, position]
        ).map { (try $0.string("workspace"), try $0.int64("sequence")) }
      }
    } catch let error as PostgresError where Self.refusals.contains(error.sqlState ?? "") {
      throw CatalogError(.refused, error.message, hint: error.hint)
    }
  }

  /// Compares every view of a replayed schema with what the as-of functions answer for its position, row by row and
  /// byte by byte.
  public func compare(_ schema: String) async throws -> [Comparison] {
    try await pool.withSession { session in
      try session.query(
        "SELECT view_name, rows, differences FROM marketplace_projection.replay_differences($1)", [schema]
      ).map {
        Comparison(
          view: try $0.string("view_name"), rows: try $0.int64("rows"), differences: try $0.int64("differences"))
      }
    }
  }

  /// Gives up a schema that ``fold(through:into:workspacesConcurrent:told:)`` made.
  public func drop(_ schema: String) async throws {
    try await pool.withSession { session in
      // The notice of each table that goes with it says nothing new.
      try session.executeScript(
        "SET client_min_messages = warning; DROP SCHEMA \(Self.quoted(schema)) CASCADE; RESET client_min_messages")
    }
  }

  private static func quoted(_ name: String) -> String {
    "\"" + name.replacing("\"", with: "\"\"") + "\""
  }
}
