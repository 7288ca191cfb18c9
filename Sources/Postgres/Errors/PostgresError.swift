public import Foundation

/// What went wrong in PostgreSQL or on the way to it.
///
/// `description` is written for the person who reads a log. It leaves out ``detail`` and ``context``, which may
/// quote stored values; arguments of a statement are never part of an error.
public struct PostgresError: Error, Sendable, Hashable {
  /// The kind of failure: what a program decides by.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// A stable name, for logs and metrics.
    public let name: String

    /// Makes a code; modules above may have codes of their own.
    public init(_ name: String) { self.name = name }

    /// For people.
    public var description: String { name }
  }

  /// The kind of failure.
  public var code: Code
  /// The five-character SQLSTATE, when a server answered.
  public var sqlState: String?
  /// One sentence: the server's message, or our own.
  public var message: String
  /// The server's DETAIL. May quote stored values.
  public var detail: String?
  /// What to do next.
  public var hint: String?
  /// Where in a function the server failed. May quote stored values.
  public var context: String?
  /// The constraint that was violated.
  public var constraint: String?
  /// The table concerned.
  public var table: String?
  /// The schema of ``table``.
  public var schema: String?
  /// The column concerned.
  public var column: String?
  /// The statement's text without its arguments, cut at ``statementCharactersMax`` characters.
  public var statement: String?

  /// How much of a statement's text an error keeps.
  public static let statementCharactersMax = 400

  /// Makes an error.
  public init(
    _ code: Code, _ message: String, hint: String? = nil, sqlState: String? = nil, statement: String? = nil
  ) {
    self.code = code
    self.message = message
    self.hint = hint
    self.sqlState = sqlState
    self.statement = statement.map(Self.shorten)
  }

  static func shorten(_ statement: String) -> String {
    let words = statement.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    guard words.count > statementCharactersMax else { return words }
    return String(words.prefix(statementCharactersMax)) + "…"
  }
}

extension PostgresError.Code {
  /// No connection could be made.
  public static let connectionFailed = Self("connectionFailed")
  /// The connection string itself cannot be read; nothing was asked.
  public static let connectionString = Self("connectionString")
  /// The connection broke while it was used; an open transaction has been rolled back by the server.
  public static let connectionLost = Self("connectionLost")
  /// The connection broke during COMMIT: the transaction may or may not be in the database.
  public static let commitOutcomeUnknown = Self("commitOutcomeUnknown")
  /// COMMIT found a transaction that had failed before, or that the closure had ended itself.
  public static let transactionAborted = Self("transactionAborted")
  /// No connection of the pool became free in time.
  public static let acquireTimedOut = Self("acquireTimedOut")
  /// The pool has been closed.
  public static let poolClosed = Self("poolClosed")
  /// The lease has been released.
  public static let leaseReleased = Self("leaseReleased")
  /// The calling task was cancelled.
  public static let cancelled = Self("cancelled")
  /// The server cancelled the statement: `statement_timeout` or an administrator (57014).
  public static let queryCanceled = Self("queryCanceled")
  /// A lock was not granted within `lock_timeout` or with NOWAIT (55P03).
  public static let lockTimeout = Self("lockTimeout")
  /// A parameter cannot be sent to PostgreSQL.
  public static let invalidParameter = Self("invalidParameter")
  /// A column does not hold what the caller asked for.
  public static let decoding = Self("decoding")
  /// A method was used on a statement of another kind, for example `query` on a COPY.
  public static let misuse = Self("misuse")
  /// 23505.
  public static let uniqueViolation = Self("uniqueViolation")
  /// 23503.
  public static let foreignKeyViolation = Self("foreignKeyViolation")
  /// 23514.
  public static let checkViolation = Self("checkViolation")
  /// 23502.
  public static let notNullViolation = Self("notNullViolation")
  /// 40001: run the transaction again.
  public static let serializationFailure = Self("serializationFailure")
  /// 40P01: run the transaction again.
  public static let deadlockDetected = Self("deadlockDetected")
  /// 42501.
  public static let insufficientPrivilege = Self("insufficientPrivilege")
  /// Any other error of the server; see ``PostgresError/sqlState``.
  public static let server = Self("server")
  /// PostgreSQL's programs are not installed, or not in the version a data directory needs.
  public static let notInstalled = Self("notInstalled")
  /// A data directory cannot be used.
  public static let dataDirectory = Self("dataDirectory")
  /// A private server could not be set up, started or stopped.
  public static let clusterFailed = Self("clusterFailed")
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible, LocalizedError {
  /// For people.
  public var description: String {
    var facts: [String] = []
    if let sqlState { facts.append("SQLSTATE \(sqlState)") }
    if let constraint { facts.append("constraint \(constraint)") }
    if let table { facts.append("table \(schema.map { "\($0)." } ?? "")\(table)") }
    if let column { facts.append("column \(column)") }
    var text = message
    if !facts.isEmpty { text += " (\(facts.joined(separator: ", ")))" }
    if let hint { text += "\nHint: \(hint)" }
    if let statement { text += "\nStatement: \(statement)" }
    return text
  }

  /// With detail and context: may quote stored values.
  public var debugDescription: String {
    var text = "\(code): \(description)"
    if let detail { text += "\nDetail: \(detail)" }
    if let context { text += "\nContext: \(context)" }
    return text
  }

  /// The same as `description`.
  public var errorDescription: String? { description }
}
