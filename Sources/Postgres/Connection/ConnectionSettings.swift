import CLibPQ
import Foundation

/// Everything one connection is opened with.
struct ConnectionSettings: Sendable {
  var conninfo: String
  var applicationName = "marketplace"
  var connectTimeout: Duration = .seconds(10)
  var statementTimeout: Duration?
  var lockTimeout: Duration?
  var idleInTransactionTimeout: Duration?
  var statements_max = 256
  var onNotice: (@Sendable (PostgresNotice) -> Void)?

  /// A peer that is gone is noticed after about `keepalives_idle + keepalives_interval * keepalives_count`.
  private static let keepalives = [
    "keepalives": "1", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3",
    "tcp_user_timeout": "60000",
  ]

  /// Connects, blocking.
  ///
  /// - Throws: ``PostgresError/Code/connectionFailed``, ``PostgresError/Code/connectionString``.
  func connect() throws -> ConnectionHandle {
    let given = try parse()
    // libpq expands the first dbname as a whole connection string; what follows it wins.
    var parameters: [(String, String)] = [("dbname", conninfo)]
    parameters.append(("client_encoding", "UTF8"))
    parameters.append(("fallback_application_name", applicationName))
    parameters.append(("options", options(given["options"])))
    let environment = ProcessInfo.processInfo.environment
    if given["connect_timeout"] == nil, environment["PGCONNECT_TIMEOUT"] == nil {
      parameters.append(("connect_timeout", "\(max(2, connectTimeout.milliseconds / 1000))"))
    }
    for (keyword, value) in Self.keepalives.sorted(by: { $0.key < $1.key }) where given[keyword] == nil {
      parameters.append((keyword, value))
    }
    let pointer = Self.withCStrings(parameters.map(\.0)) { keywords in
      Self.withCStrings(parameters.map(\.1)) { values in PQconnectdbParams(keywords, values, 1) }
    }
    guard let pointer else {
      throw PostgresError(.connectionFailed, "There is not enough memory for a connection.")
    }
    let handle = ConnectionHandle(pointer, NoticeReceiver(onNotice))
    guard PQstatus(pointer) == CONNECTION_OK else { throw Self.failure(pointer) }
    return handle
  }

  /// Options given in the connection string or in PGOPTIONS come last and so win over ours.
  private func options(_ given: String?) -> String {
    // Statements here take milliseconds; compiling one, which the planner does for its estimates, takes hundreds.
    var words = ["-c datestyle=ISO", "-c timezone=UTC", "-c extra_float_digits=1", "-c bytea_output=hex", "-c jit=off"]
    if let statementTimeout { words.append("-c statement_timeout=\(statementTimeout.milliseconds)") }
    if let lockTimeout { words.append("-c lock_timeout=\(lockTimeout.milliseconds)") }
    if let idleInTransactionTimeout {
      words.append("-c idle_in_transaction_session_timeout=\(idleInTransactionTimeout.milliseconds)")
    }
    if let given = given ?? ProcessInfo.processInfo.environment["PGOPTIONS"], !given.isEmpty {
      words.append(given)
    }
    return words.joined(separator: " ")
  }

  /// What the connection string sets itself.
  private func parse() throws -> [String: String] {
    var message: UnsafeMutablePointer<CChar>?
    guard let parsed = PQconninfoParse(conninfo, &message) else {
      defer { PQfreemem(message) }
      throw Self.malformed(message.map { String(cString: $0) } ?? "")
    }
    defer { PQconninfoFree(parsed) }
    var given: [String: String] = [:]
    var option = parsed
    while let keyword = option.pointee.keyword {
      if let value = option.pointee.val { given[String(cString: keyword)] = String(cString: value) }
      option += 1
    }
    return given
  }

  /// libpq's words may quote a piece of the string, which may hold a password: only harmless ones are shown.
  private static func malformed(_ message: String) -> PostgresError {
    let isHarmless = ["invalid connection option", "invalid URI query parameter"].contains {
      message.hasPrefix($0)
    }
    let reason = isHarmless ? ": \(PostgresError.firstLine(message))" : ""
    return PostgresError(
      .connectionString, "The connection string cannot be read\(reason).",
      hint: "Write postgresql://user@host:port/database or host=… port=… dbname=… user=…")
  }

  private static func failure(_ pointer: OpaquePointer) -> PostgresError {
    let text = String(cString: PQerrorMessage(pointer))
    let lines = text.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
    let reason = lines.joined(separator: "; ")
    let hint =
      if PQconnectionNeedsPassword(pointer) != 0 {
        "The server wants a password: put it into the connection string, PGPASSWORD or ~/.pgpass."
      } else if text.contains("No such file or directory") || text.contains("Connection refused") {
        "No server listens there: start it, or correct host and port."
      } else if text.contains("could not translate host name") {
        "The host's name cannot be resolved: correct it, or look at the DNS."
      } else {
        "Check host, port, database, user and password, and the server's log."
      }
    return PostgresError(
      .connectionFailed, "Cannot connect to \(ConnectionTarget(pointer)): \(reason)", hint: hint)
  }

  private static func withCStrings<Value>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Value
  ) -> Value {
    var buffer: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
      offsets.append(buffer.count)
      buffer.append(contentsOf: string.utf8CString)
    }
    return buffer.withUnsafeBufferPointer { bytes in
      var pointers: [UnsafePointer<CChar>?] = offsets.map { bytes.baseAddress?.advanced(by: $0) }
      pointers.append(nil)
      return pointers.withUnsafeBufferPointer { pointers in
        guard let base = pointers.baseAddress else {
          preconditionFailure("an array with an element has a base")
        }
        return body(base)
      }
    }
  }
}

/// Owns a libpq connection.
final class ConnectionHandle {
  let pointer: OpaquePointer
  let notices: NoticeReceiver

  init(_ pointer: OpaquePointer, _ notices: NoticeReceiver) {
    self.pointer = pointer
    self.notices = notices
    notices.attach(to: pointer)
  }

  deinit { PQfinish(pointer) }
}

extension Duration {
  /// Whole milliseconds, at least 1 for anything above zero: PostgreSQL takes 0 as "no limit".
  var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    let whole = seconds * 1000 + attoseconds / 1_000_000_000_000_000
    return self > .zero ? max(1, whole) : 0
  }
}
