public import Postgres

/// Where sessions that hold locks come from.
public protocol LockSessions: Sendable {
  /// A session of its own for one run.
  func open() async throws -> any LockSession
}

/// A session that holds locks by number, against every other session anywhere. It ends with the process that opened
/// it, and its locks with it; it may also end while that process goes on.
public protocol LockSession: Sendable {
  /// Takes the lock, or returns false at once when another session has it.
  func tryLock(_ key: Int64) async throws -> Bool
  /// Gives the lock back.
  func unlock(_ key: Int64) async throws
  /// Whether the session still stands, and so every lock it took and did not give back.
  func stands() async throws -> Bool
  /// Ends the session.
  func close() async
}

/// PostgreSQL's session advisory locks.
public struct PostgresLockSessions: LockSessions {
  let pool: PostgresPool

  /// Sessions out of a pool.
  public init(_ pool: PostgresPool) { self.pool = pool }

  /// Leases a connection.
  public func open() async throws -> any LockSession { PostgresLockSession(lease: try await pool.lease()) }
}

private struct PostgresLockSession: LockSession {
  let lease: SessionLease

  func tryLock(_ key: Int64) async throws -> Bool {
    try await lease.withSession { session in
      try session.query("select pg_try_advisory_lock($1) as locked", [key])[0].bool("locked")
    }
  }

  /// Also where the caller was cancelled: the session is not its own alone.
  func unlock(_ key: Int64) async throws {
    try await Task.detached { [lease] in
      try await lease.withSession { session in _ = try session.query("select pg_advisory_unlock($1)", [key]) }
    }.value
  }

  /// A lease never connects again, so that whoever answers is the session that took the locks.
  func stands() async throws -> Bool {
    do {
      return try await lease.withSession { session in try session.query("select true as yes")[0].bool("yes") }
    } catch let error as PostgresError where error.code == .connectionLost || error.code == .leaseReleased {
      return false
    }
  }

  func close() async { await lease.release() }
}
