/// A connection that stays with its owner until ``release()``: for advisory locks and settings of a session.
///
/// Uses do not overlap: one that comes while another runs waits for it. A lease that is dropped without
/// ``release()`` closes its connection, and so gives up its locks.
public final class SessionLease: Sendable {
  private let pool: PostgresPool
  private let connection: Connection
  private let isReleased = Locked(false)
  private let turn = Turn()

  init(_ connection: Connection, of pool: PostgresPool) {
    self.connection = connection
    self.pool = pool
  }

  deinit {
    guard !isReleased.withLock({ $0 }) else { return }
    let (pool, connection) = (pool, connection)
    Task.detached { await pool.release(connection, isHealthy: false) }
  }

  /// Runs `body` on the leased connection, every statement committing by itself. A transaction it leaves open is
  /// rolled back, locks of the session stay.
  ///
  /// - Throws: what `body` throws; ``PostgresError``, with ``PostgresError/Code/connectionLost`` when the
  ///   connection, and every lock with it, is gone; ``PostgresError/Code/leaseReleased``; `CancellationError`.
  @discardableResult
  public func withSession<Value: Sendable>(
    _ body: @Sendable @escaping (Session) throws -> Value
  ) async throws -> Value {
    await turn.take()
    defer { turn.give() }
    if isReleased.withLock({ $0 }) {
      throw PostgresError(.leaseReleased, "The leased connection has been given back.")
    }
    return try await connection.perform(.autocommit, body).result.get()
  }

  /// Gives the connection back; its locks and settings are dropped. A second call does nothing.
  public func release() async {
    await turn.take()
    defer { turn.give() }
    let isFirst = isReleased.withLock { isReleased in
      defer { isReleased = true }
      return !isReleased
    }
    guard isFirst else { return }
    await pool.release(connection, isHealthy: await connection.discardSessionState())
  }
}

/// Lets one task at a time through, in the order they came.
private final class Turn: Sendable {
  private struct State {
    var isTaken = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Locked(State())

  func take() async {
    await withCheckedContinuation { continuation in
      let isMine = state.withLock { state in
        if state.isTaken {
          state.waiting.append(continuation)
          return false
        }
        state.isTaken = true
        return true
      }
      if isMine { continuation.resume() }
    }
  }

  func give() {
    let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
      state.isTaken = false
      return nil
    }
    next?.resume()
  }
}
