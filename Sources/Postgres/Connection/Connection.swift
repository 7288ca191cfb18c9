import Synchronization

/// How a piece of work is wrapped.
enum TransactionMode: Sendable {
  case read
  case write
  case autocommit

  var begin: String? {
    switch self {
    case .read: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    case .write: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
    case .autocommit: nil
    }
  }
}

/// What became of a piece of work, and of the connection that did it.
struct Outcome<Value: Sendable>: Sendable {
  var result: Result<Value, any Error>
  /// Nothing the work could have done has happened: it may be done again on another connection.
  var mayRunAgain: Bool
  /// The connection can be used by the next one.
  var isHealthy: Bool
}

/// A connection and its thread. Work arrives as synchronous closures, so nothing can come in between.
actor Connection {
  private static let opened = Atomic<Int>(0)

  nonisolated let thread: ConnectionThread
  nonisolated let interrupt = Interrupt()
  private var session: Session?

  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private init() {
    let number = Self.opened.wrappingAdd(1, ordering: .relaxed).newValue
    thread = ConnectionThread(name: "postgres-\(number)")
  }

  deinit { thread.stop() }

  /// Connects.
  ///
  /// - Throws: ``PostgresError/Code/connectionFailed``.
  static func open(_ settings: ConnectionSettings) async throws -> Connection {
    let connection = Connection()
    do {
      try await connection.connect(settings)
      return connection
    } catch {
      await connection.close()
      throw error
    }
  }

  private func connect(_ settings: ConnectionSettings) throws {
    session = try Session(settings, interrupt: interrupt)
  }

  /// Disconnects and ends the thread.
  func close() {
    session = nil
    thread.stop()
  }

  /// Runs `body`, with a transaction around it when `mode` says so, and stops it when the calling task is
  /// cancelled.
  nonisolated func perform<Value: Sendable>(
    _ mode: TransactionMode, _ body: @Sendable @escaping (Session) throws -> Value
  ) async -> Outcome<Value> {
    let ticket = interrupt.begin()
    return await withTaskCancellationHandler {
      await run(mode, body)
    } onCancel: {
      interrupt.cancel(ticket)
    }
  }

  /// Gives back everything a session holds: locks, settings, channels, temporary tables.
  ///
  /// - Returns: whether the connection can be used again.
  func discardSessionState() -> Bool {
    guard let session else { return false }
    return session.discardState()
  }

  private func run<Value: Sendable>(
    _ mode: TransactionMode, _ body: @Sendable (Session) throws -> Value
  ) -> Outcome<Value> {
    guard let session, session.isAlive else {
      interrupt.finish()
      let error = PostgresError(.connectionLost, "The connection was closed while it was idle.")
      return Outcome(result: .failure(error), mayRunAgain: true, isHealthy: false)
    }
    session.statementsCompleted = 0
    var hasBegun = mode.begin == nil
    let result = Result<Value, any Error> {
      if let begin = mode.begin {
        try session.runSimple(begin)
        session.statementsCompleted = 0
        hasBegun = true
      }
      let value = try body(session)
      switch mode {
      case .write: try session.commit()
      case .read: session.endRead()
      case .autocommit: break
      }
      return value
    }
    let wasCancelled = interrupt.isCancelled
    interrupt.finish()
    let isHealthy = session.rollBackIfOpen()
    guard case .failure(let error) = result else {
      return Outcome(result: result, mayRunAgain: false, isHealthy: isHealthy)
    }
    let code = (error as? PostgresError)?.code
    if wasCancelled, code == .cancelled {
      return Outcome(result: .failure(CancellationError()), mayRunAgain: false, isHealthy: isHealthy)
    }
    let mayRunAgain =
      code == .connectionLost && (!hasBegun || (mode == .read && session.statementsCompleted == 0))
    return Outcome(result: result, mayRunAgain: mayRunAgain, isHealthy: isHealthy)
  }
}
