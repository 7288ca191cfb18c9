import CLibPQ
import Foundation

extension Session {
  /// Runs `body` in a transaction of its own, inside a `withSession` closure.
  ///
  /// - Throws: what `body` throws, after ROLLBACK; ``PostgresError``.
  @discardableResult
  public func transaction<Value>(_ body: (Session) throws -> Value) throws -> Value {
    guard PQtransactionStatus(pointer) == PQTRANS_IDLE else {
      throw PostgresError(.misuse, "A transaction is open already: use savepoint inside it.")
    }
    try runSimple("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    do {
      let value = try body(self)
      try commit()
      return value
    } catch {
      _ = rollBackIfOpen()
      throw error
    }
  }

  /// Runs `body` so that its failure undoes its own work only, not the whole transaction.
  ///
  /// - Throws: what `body` throws, after ROLLBACK TO SAVEPOINT; ``PostgresError``.
  @discardableResult
  public func savepoint<Value>(_ body: (Session) throws -> Value) throws -> Value {
    try runSimple("SAVEPOINT inner_work")
    do {
      let value = try body(self)
      try runSimple("RELEASE SAVEPOINT inner_work")
      return value
    } catch {
      interrupt.settle()
      PQclear(PQexec(pointer, "ROLLBACK TO SAVEPOINT inner_work; RELEASE SAVEPOINT inner_work"))
      throw error
    }
  }

  /// Commits.
  ///
  /// - Throws: ``PostgresError/Code/commitOutcomeUnknown`` when no answer came,
  ///   ``PostgresError/Code/transactionAborted`` when there was nothing to commit.
  func commit() throws {
    guard PQtransactionStatus(pointer) != PQTRANS_IDLE else {
      throw PostgresError(.transactionAborted, "The closure ended its transaction itself.")
    }
    try interrupt.statementBegins()
    let result = PQexec(pointer, "COMMIT")
    interrupt.statementEnded()
    defer { PQclear(result) }
    guard PQresultStatus(result) == PGRES_COMMAND_OK else {
      var error = failure(result, "COMMIT")
      if error.code == .connectionLost {
        error.code = .commitOutcomeUnknown
        error.message = "The connection was lost during COMMIT, the outcome is unknown. \(error.message)"
        error.hint = "Read back what the transaction wrote before doing it again."
      }
      throw error
    }
    // The server answers COMMIT of a failed transaction with ROLLBACK, and calls that a success.
    guard String(cString: PQcmdStatus(result)) == "COMMIT" else {
      throw PostgresError(
        .transactionAborted, "A statement of this transaction had failed, so it was rolled back.",
        hint: "Let the error of the failed statement pass, or run that statement in a savepoint.")
    }
  }

  /// Ends a reading transaction. What was read is good whatever happens now, so no error comes of it.
  func endRead() {
    PQclear(PQexec(pointer, "COMMIT"))
  }

  /// Rolls back what is still open, whether or not the task was cancelled.
  ///
  /// - Returns: whether the connection can be used again.
  func rollBackIfOpen() -> Bool {
    interrupt.settle()
    if PQtransactionStatus(pointer) == PQTRANS_ACTIVE { leaveCopy() }
    if [PQTRANS_INTRANS, PQTRANS_INERROR].contains(PQtransactionStatus(pointer)) {
      PQclear(PQexec(pointer, "ROLLBACK"))
    }
    return PQstatus(pointer) == CONNECTION_OK && PQtransactionStatus(pointer) == PQTRANS_IDLE
  }

  /// Gives back everything the session holds, prepared statements too.
  func discardState() -> Bool {
    guard rollBackIfOpen() else { return false }
    statements.removeAll()
    let result = PQexec(pointer, "DISCARD ALL")
    defer { PQclear(result) }
    return PQresultStatus(result) == PGRES_COMMAND_OK
  }

  /// Whether the server has not hung up. An idle connection has nothing to read, unless it was closed or the
  /// server sent a notice, so this costs one system call.
  var isAlive: Bool {
    guard PQstatus(pointer) == CONNECTION_OK else { return false }
    var descriptor = pollfd(fd: PQsocket(pointer), events: Int16(POLLIN), revents: 0)
    while poll(&descriptor, 1, 0) > 0 {
      // Last words come before the end of the stream, maybe long before: parsed, they are a notice.
      guard PQconsumeInput(pointer) == 1 else { return false }
      _ = PQisBusy(pointer)
      if PQstatus(pointer) != CONNECTION_OK || handle.notices.hasSeenFatal { return false }
    }
    return true
  }
}
