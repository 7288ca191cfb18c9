import CLibPQ

/// Field codes of the protocol's ErrorResponse (postgres_ext.h).
private enum ErrorField: UInt8 {
  case severity = 0x56  // V, not translated
  case sqlState = 0x43  // C
  case message = 0x4D  // M
  case detail = 0x44  // D
  case hint = 0x48  // H
  case context = 0x57  // W
  case schema = 0x73  // s
  case table = 0x74  // t
  case column = 0x63  // c
  case constraint = 0x6E  // n
  case sourceFunction = 0x52  // R

  func read(_ result: OpaquePointer) -> String? {
    guard let text = PQresultErrorField(result, Int32(rawValue)) else { return nil }
    return String(cString: text)
  }
}

extension PostgresError {
  /// Reads what a failed command left behind. `result` is nil when libpq could not even make one.
  static func server(
    _ result: OpaquePointer?, _ connection: OpaquePointer, statement: String?, cancelled: Bool
  ) -> PostgresError {
    guard let result, let sqlState = ErrorField.sqlState.read(result) else {
      if PQstatus(connection) == CONNECTION_BAD { return lost(connection, statement: statement) }
      let text = String(cString: PQerrorMessage(connection))
      return PostgresError(.server, firstLine(text), statement: statement)
    }
    var error = PostgresError(
      .server, ErrorField.message.read(result) ?? "The server reported an error without a message.",
      hint: ErrorField.hint.read(result), sqlState: sqlState, statement: statement)
    error.detail = ErrorField.detail.read(result)
    error.context = ErrorField.context.read(result)
    error.schema = ErrorField.schema.read(result)
    error.table = ErrorField.table.read(result)
    error.column = ErrorField.column.read(result)
    error.constraint = ErrorField.constraint.read(result)
    let severity = ErrorField.severity.read(result) ?? "ERROR"
    let isFatal = severity == "FATAL" || severity == "PANIC" || PQstatus(connection) == CONNECTION_BAD
    if isFatal {
      error.code = .connectionLost
    } else if sqlState == SQLState.queryCanceled, cancelled {
      error.code = .cancelled
    } else {
      error.code = code(forState: sqlState)
    }
    return error
  }

  /// The connection broke without a word from the server.
  static func lost(_ connection: OpaquePointer, statement: String?) -> PostgresError {
    let text = firstLine(String(cString: PQerrorMessage(connection)))
    let reason = text.isEmpty ? "" : ": \(text)"
    return PostgresError(
      .connectionLost, "The connection to \(ConnectionTarget(connection)) was lost\(reason)",
      hint: "If this repeats, look into the server's log.", statement: statement)
  }

  /// True when a prepared statement has to be prepared anew. `RevalidateCachedQuery` is where the server
  /// says "cached plan must not change result type"; its name, unlike the message, is never translated.
  static func isStaleStatement(_ result: OpaquePointer?) -> Bool {
    guard let result, let sqlState = ErrorField.sqlState.read(result) else { return false }
    return sqlState == SQLState.unknownStatement
      || (sqlState == SQLState.featureNotSupported
        && ErrorField.sourceFunction.read(result) == "RevalidateCachedQuery")
  }

  private static func code(forState sqlState: String) -> Code {
    switch sqlState {
    case SQLState.queryCanceled: .queryCanceled
    case "55P03": .lockTimeout
    case "23505": .uniqueViolation
    case "23503": .foreignKeyViolation
    case "23514": .checkViolation
    case "23502": .notNullViolation
    case "40001": .serializationFailure
    case "40P01": .deadlockDetected
    case "42501": .insufficientPrivilege
    default: .server
    }
  }

  static func firstLine(_ text: String) -> String {
    text.split(separator: "\n").first.map(String.init) ?? ""
  }
}

/// SQLSTATEs that decide something here (PostgreSQL documentation, appendix A).
enum SQLState {
  static let queryCanceled = "57014"
  static let unknownStatement = "26000"
  static let featureNotSupported = "0A000"
}
