public import Postgres

/// What the ledger amounts to, now and at any earlier moment: the catalog, histories and summaries of schema
/// `marketplace`, as values.
///
/// Every answer comes from the projections that move with the events, in one round trip. Methods throw
/// `PostgresError`, ``CatalogError`` and `CancellationError`.
public struct Catalog: Sendable {
  let pool: PostgresPool

  /// Queries over a migrated database.
  public init(_ pool: PostgresPool) {
    self.pool = pool
  }

  /// Rows of a view of schema `marketplace`, as of some moment.
  ///
  /// - Parameter clause: what comes after `FROM`, with parameters from `$2` on.
  func rows(
    _ columns: String, of view: String, asOf: AsOf, _ clause: String = "",
    _ parameters: [(any PostgresEncodable)?] = []
  ) async throws -> [Row] {
    let source: String
    let moment: (any PostgresEncodable)?
    switch asOf {
    case .now: (source, moment) = ("marketplace.\(view)", nil)
    case .position(let position): (source, moment) = ("marketplace.\(view)_at($1::bigint)", position)
    case .time(let time): (source, moment) = ("marketplace.\(view)_at($1::timestamptz)", time)
    }
    // The first parameter is always there, so that the others keep their numbers.
    let always = moment == nil ? "WHERE $1::text IS NULL" : "WHERE true"
    let sql = "SELECT \(columns) FROM \(source) x \(always) \(clause)"
    // Autocommit: the position of a time may be that of a seal which ends only now.
    return try await sealed { session in try session.query(sql, [moment] + parameters) }
  }

  /// Asks about positions, with the error of one that is not sealed.
  func sealed<Result: Sendable>(_ body: @escaping @Sendable (Session) throws -> Result) async throws -> Result {
    do {
      return try await pool.withSession(body)
    } catch let error as PostgresError where error.sqlState == CatalogError.positionNotSealedState {
      throw CatalogError(.positionNotSealed, error.message, hint: error.hint)
    }
  }
}
