/// A bounded set of connections to one database.
///
/// A piece of work is one synchronous closure that runs on the thread of its connection, so that nothing can
/// come between its statements and nothing slow can be awaited inside a transaction. The first connection is opened when
/// it is needed, further ones when somebody has waited for a while, and all again when they broke. Cancelling the calling
/// task cancels the statement at the server and throws `CancellationError`.
///
/// A closure may run twice: when its connection turns out to be dead before anything has happened on it, the work
/// is done once more on another connection.
public final class PostgresPool: Sendable {
  typealias Waiter = CheckedContinuation<Connection, any Error>

  /// What the pool was made with.
  public let configuration: Configuration
  private let state: Locked<PoolState<Connection, Waiter>>
  private let closers = Locked<[CheckedContinuation<Void, Never>]>([])

  /// Makes a pool; it connects when first used.
  public init(_ configuration: Configuration) {
    self.configuration = configuration
    state = Locked(PoolState(connectionsMax: configuration.connectionsMax))
  }

  /// Runs `body` in a reading transaction that sees one state of the database (REPEATABLE READ READ ONLY).
  ///
  /// - Throws: what `body` throws; ``PostgresError``; `CancellationError`.
  public func read<Value: Sendable>(
    _ body: @Sendable @escaping (Session) throws -> Value
  ) async throws -> Value {
    try await perform(.read, body)
  }

  /// Runs `body` in a transaction (READ COMMITTED), committed when it returns and rolled back when it throws.
  ///
  /// - Throws: what `body` throws; ``PostgresError``, with ``PostgresError/Code/commitOutcomeUnknown`` when the
  ///   connection broke during COMMIT; `CancellationError`.
  @discardableResult
  public func write<Value: Sendable>(
    _ body: @Sendable @escaping (Session) throws -> Value
  ) async throws -> Value {
    try await perform(.write, body)
  }

  /// Runs `body` without a transaction: every statement commits by itself. A transaction that `body` leaves open
  /// is rolled back. Settings and locks of the session that `body` leaves behind stay with the connection: take a
  /// ``lease()`` for those.
  ///
  /// - Throws: what `body` throws; ``PostgresError``; `CancellationError`.
  @discardableResult
  public func withSession<Value: Sendable>(
    _ body: @Sendable @escaping (Session) throws -> Value
  ) async throws -> Value {
    try await perform(.autocommit, body)
  }

  /// Takes a connection out of the pool until it is released, for locks that belong to a session.
  ///
  /// - Throws: ``PostgresError``; `CancellationError`.
  public func lease() async throws -> SessionLease {
    try Task.checkCancellation()
    switch state.withLock({ $0.lease() }) {
    case .take(let connection): return SessionLease(connection, of: self)
    case .wait: return SessionLease(try await acquire(), of: self)
    case .open:
      do {
        return SessionLease(try await Connection.open(configuration.settings), of: self)
      } catch {
        if state.withLock({ $0.discarded() }) { startOpening() }
        resumeClosersIfEmpty()
        throw error
      }
    }
  }

  /// Notifications on `channels`, over a connection of their own that does not count for `connectionsMax`.
  public func notifications(on channels: [String]) -> NotificationStream {
    NotificationStream(settings: configuration.settings, channels: channels)
  }

  /// Closes the pool: who waits gets ``PostgresError/Code/poolClosed``, work that runs is waited for, and so are
  /// leases that have not been released.
  public func close() async {
    let (waiters, idle) = state.withLock { $0.close() }
    for waiter in waiters { waiter.resume(throwing: Self.closedError) }
    for connection in idle { await connection.close() }
    await withCheckedContinuation { continuation in
      closers.withLock { $0.append(continuation) }
      resumeClosersIfEmpty()
    }
  }

  /// Connections that are open or being opened.
  public var connectionsCount: Int { state.withLock { $0.count } }

  /// Tasks that wait for a connection.
  public var waitersCount: Int { state.withLock { $0.waitersCount } }

  private func perform<Value: Sendable>(
    _ mode: TransactionMode, _ body: @Sendable @escaping (Session) throws -> Value
  ) async throws -> Value {
    var connection = try await acquire()
    var outcome = await connection.perform(mode, body)
    if outcome.mayRunAgain {
      connection = try await replace(connection)
      outcome = await connection.perform(mode, body)
    }
    await release(connection, isHealthy: outcome.isHealthy)
    return try outcome.result.get()
  }
}

// MARK: - Connections

extension PostgresPool {
  private static var closedError: PostgresError { PostgresError(.poolClosed, "The pool has been closed.") }

  func acquire() async throws -> Connection {
    try Task.checkCancellation()
    if let connection = state.withLock({ $0.takeIdle() }) { return connection }
    let id = state.withLock { $0.reserveID() }
    let timer = Task { [self] in
      let patience = min(configuration.openingDelay, configuration.acquireTimeout)
      try await Task.sleep(for: patience)
      if state.withLock({ $0.waitedLong(id) }) { startOpening() }
      try await Task.sleep(for: configuration.acquireTimeout - patience)
      fail(id, acquireTimedOut())
    }
    defer { timer.cancel() }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        switch state.withLock({ $0.acquire(id, continuation) }) {
        case .take(let connection): continuation.resume(returning: connection)
        case .closed: continuation.resume(throwing: Self.closedError)
        case .wait(let opensConnection):
          if opensConnection { startOpening() }
          // A cancellation from before the waiter was known has found nobody.
          if Task.isCancelled { fail(id, CancellationError()) }
        }
      }
    } onCancel: {
      fail(id, CancellationError())
    }
  }

  func release(_ connection: Connection, isHealthy: Bool) async {
    guard isHealthy else {
      let opens = state.withLock { $0.discarded() }
      if opens { startOpening() }
      await connection.close()
      resumeClosersIfEmpty()
      return
    }
    await settle(state.withLock { $0.offer(connection) })
  }

  /// Opens a new connection in the place of one that was found dead. What killed it, such as a restart, has
  /// probably killed the idle ones too.
  private func replace(_ dead: Connection) async throws -> Connection {
    await dead.close()
    for connection in state.withLock({ $0.evictIdle() }) { await connection.close() }
    do {
      return try await Connection.open(configuration.settings)
    } catch {
      await release(dead, isHealthy: false)
      throw error
    }
  }

  private func startOpening() {
    Task.detached { [self] in
      do {
        let connection = try await Connection.open(configuration.settings)
        await settle(state.withLock { $0.opened(connection) })
      } catch {
        let (waiter, opens) = state.withLock { $0.openFailed() }
        if opens { startOpening() }
        waiter?.resume(throwing: error)
        resumeClosersIfEmpty()
      }
    }
  }

  private func settle(_ offer: PoolState<Connection, Waiter>.Offer) async {
    switch offer {
    case .park: break
    case .resume(let waiter, let connection): waiter.resume(returning: connection)
    case .close(let connection):
      await connection.close()
      resumeClosersIfEmpty()
    }
  }

  private func fail(_ id: Int, _ error: any Error) {
    state.withLock { $0.removeWaiter(id) }?.resume(throwing: error)
  }

  private func resumeClosersIfEmpty() {
    let isEmpty = state.withLock { $0.isClosed && $0.count == 0 }
    guard isEmpty else { return }
    let continuations = closers.withLock { closers in
      defer { closers.removeAll() }
      return closers
    }
    for continuation in continuations { continuation.resume() }
  }

  private func acquireTimedOut() -> PostgresError {
    let limit = configuration.connectionsMax
    let waiting = waitersCount
    return PostgresError(
      .acquireTimedOut,
      "No connection became free within \(configuration.acquireTimeout.milliseconds) ms (acquireTimeout): "
        + "the limit is \(limit) (connectionsMax), and \(waiting) callers are waiting.",
      hint: "Raise connectionsMax, or make transactions shorter.")
  }
}
