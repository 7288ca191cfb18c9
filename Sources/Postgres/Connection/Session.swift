import CLibPQ

/// A connection in use: synchronous, and only valid inside the closure it is given to.
///
/// Statements with parameters or rows are prepared once per connection and kept by their text. Parameters are
/// written `$1`, `$2`, …; give the server a type where it cannot find one (`$1::jsonb`).
public final class Session {
  let handle: ConnectionHandle
  let interrupt: Interrupt
  var statements: StatementCache
  /// How many statements the server has answered in this use.
  var statementsCompleted = 0

  var pointer: OpaquePointer { handle.pointer }

  init(_ settings: ConnectionSettings, interrupt: Interrupt) throws {
    handle = try settings.connect()
    statements = StatementCache(statements_max: settings.statements_max)
    self.interrupt = interrupt
    interrupt.attach(to: handle.pointer)
  }

  /// The server process behind the connection, as in `pg_stat_activity.pid`.
  public var backendProcessID: Int32 { PQbackendPID(pointer) }

  /// The server's version, for example 150018 for 15.18.
  public var serverVersion: Int { Int(PQserverVersion(pointer)) }

  /// Runs one statement and returns its rows.
  ///
  /// - Throws: ``PostgresError``.
  public func query(_ sql: String, _ parameters: [(any PostgresEncodable)?] = []) throws -> [Row] {
    let encoded = try EncodedParameters(parameters, statement: sql)
    let (result, columns) = try runPrepared(sql, encoded)
    let rows = ResultSet(result, columns)
    return (0..<rows.count).map { Row(result: rows, index: $0) }
  }

  /// Runs one statement for its effect.
  ///
  /// - Returns: how many rows it inserted, updated, deleted, copied or selected.
  /// - Throws: ``PostgresError``.
  @discardableResult
  public func execute(_ sql: String, _ parameters: [(any PostgresEncodable)?] = []) throws -> Int {
    let encoded = try EncodedParameters(parameters, statement: sql)
    // Without parameters it is mostly DDL, which is not worth a place among the prepared statements.
    let result = parameters.isEmpty ? try runUnprepared(sql) : try runPrepared(sql, encoded).result
    defer { PQclear(result) }
    return Int(String(cString: PQcmdTuples(result))) ?? 0
  }

  /// Runs several statements separated by semicolons, without parameters. Outside a transaction they form one.
  ///
  /// - Throws: ``PostgresError``.
  public func executeScript(_ sql: String) throws {
    try runSimple(sql)
  }

  /// Sends a notification; listeners get it after COMMIT.
  ///
  /// - Parameter payload: at most 7,999 bytes, a limit of the server.
  public func notify(_ channel: String, payload: String = "") throws {
    _ = try query("SELECT pg_notify($1, $2)", [channel, payload])
  }
}

// MARK: - Running statements

extension Session {
  /// Runs statements by the simple protocol.
  func runSimple(_ sql: String) throws {
    PQclear(try run(sql, { PQexec(pointer, sql) }))
  }

  /// Runs one statement by the extended protocol without keeping it.
  private func runUnprepared(_ sql: String) throws -> OpaquePointer {
    try run(sql) { PQexecParams(pointer, sql, 0, nil, nil, nil, nil, 0) }
  }

  /// - Returns: the result, which the caller clears.
  func runPrepared(
    _ sql: String, _ parameters: EncodedParameters
  ) throws -> (result: OpaquePointer, columns: ColumnSet) {
    let prepared = try prepare(sql, parameters)
    let result = try send(prepared, sql, parameters)
    if PostgresError.isStaleStatement(result) {
      statements.remove(prepared)
      if PQtransactionStatus(pointer) == PQTRANS_IDLE {
        PQclear(result)
        PQclear(PQexec(pointer, "DEALLOCATE \(prepared.name)"))
        let again = try prepare(sql, parameters)
        return (try check(try send(again, sql, parameters), sql), again.columns)
      }
    }
    return (try check(result, sql), prepared.columns)
  }

  private func send(
    _ prepared: PreparedStatement, _ sql: String, _ parameters: EncodedParameters
  ) throws -> OpaquePointer? {
    try interrupt.statementBegins()
    defer { interrupt.statementEnded() }
    return parameters.withPointers { values, lengths, formats in
      PQexecPrepared(
        pointer, prepared.name, Int32(parameters.count), values, lengths, formats,
        prepared.columns.isBinary ? 1 : 0)
    }
  }

  private func prepare(_ sql: String, _ parameters: EncodedParameters) throws -> PreparedStatement {
    if let known = statements.find(sql, parameters) { return known }
    if let oldest = statements.evictIfFull(), PQtransactionStatus(pointer) != PQTRANS_INERROR {
      try runSimple("DEALLOCATE \(oldest.name)")
    }
    let name = statements.nextName()
    let types = parameters.types
    PQclear(try run(sql) { PQprepare(pointer, name, sql, Int32(types.count), types) })
    let description = try run(sql) { PQdescribePrepared(pointer, name) }
    defer { PQclear(description) }
    let prepared = PreparedStatement(name: name, types: types, columns: ColumnSet(describing: description))
    statements.insert(prepared, for: sql)
    return prepared
  }

  private func run(_ sql: String, _ command: () -> OpaquePointer?) throws -> OpaquePointer {
    if sql.utf8.contains(0) {
      throw PostgresError(.invalidParameter, "A statement must not hold a NUL character.")
    }
    try interrupt.statementBegins()
    let result = command()
    interrupt.statementEnded()
    return try check(result, sql)
  }

  /// Passes a good result on; clears any other one and throws.
  private func check(_ result: OpaquePointer?, _ sql: String) throws -> OpaquePointer {
    switch PQresultStatus(result) {
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
      guard let result else { break }
      statementsCompleted += 1
      return result
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
      PQclear(result)
      leaveCopy()
      throw PostgresError(.misuse, "COPY needs copyIn or copyOut.", statement: sql)
    default:
      break
    }
    defer { PQclear(result) }
    let error = failure(result, sql)
    if error.code != .connectionLost { statementsCompleted += 1 }
    throw error
  }

  func failure(_ result: OpaquePointer?, _ sql: String?) -> PostgresError {
    .server(result, pointer, statement: sql, cancelled: interrupt.isCancelled)
  }
}
