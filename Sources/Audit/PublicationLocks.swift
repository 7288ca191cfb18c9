public import Postgres

/// One publication at a time, over all processes.
public protocol PublicationLocks: Sendable {
  /// Runs `body` while nobody else does.
  func alone<Result: Sendable>(_ body: @Sendable (PublicationLock) async throws -> Result) async throws -> Result
}

/// The lock of whoever publishes. It can be lost without a word, with the connection that holds it.
public struct PublicationLock: Sendable {
  /// Asks whether it is still held.
  ///
  /// - Throws: `PostgresError` where it is not, or cannot be told; `CancellationError`.
  public let confirm: @Sendable () async throws -> Void
}

/// PostgreSQL's session advisory lock of the database that the ledger is in.
public struct PostgresPublicationLocks: PublicationLocks {
  /// The key of the lock, which nothing else takes.
  private static let key: Int64 = 7_809_632_204_640_645_122
  private let pool: PostgresPool

  /// Locks by sessions out of a pool.
  public init(_ pool: PostgresPool) { self.pool = pool }

  /// Waits for whoever is at it.
  ///
  /// - Throws: `PostgresError`; `CancellationError`; what `body` throws.
  public func alone<Result: Sendable>(
    _ body: @Sendable (PublicationLock) async throws -> Result
  ) async throws -> Result {
    let lease = try await pool.lease()
    do {
      try await lease.withSession { session in _ = try session.query("SELECT pg_advisory_lock($1)", [Self.key]) }
      // It is the session's: as long as the connection answers, it is held.
      let result = try await body(
        PublicationLock { try await lease.withSession { session in _ = try session.query("SELECT 1") } })
      await lease.release()
      return result
    } catch {
      await lease.release()
      throw error
    }
  }
}
