import CLibPQ

/// Where a connection leads, in words that a person recognises. Holds no secret.
struct ConnectionTarget: CustomStringConvertible {
  var host: String
  var port: String
  var database: String
  var user: String

  init(_ connection: OpaquePointer) {
    host = Self.text(PQhost(connection))
    port = Self.text(PQport(connection))
    database = Self.text(PQdb(connection))
    user = Self.text(PQuser(connection))
  }

  private static func text(_ pointer: UnsafePointer<CChar>?) -> String {
    pointer.map { String(cString: $0) } ?? ""
  }

  var description: String {
    var words = database.isEmpty ? "the database" : "database \"\(database)\""
    if host.hasPrefix("/") {
      words += " at socket \(host)/.s.PGSQL.\(port)"
    } else if !host.isEmpty {
      words += " at \(host):\(port)"
    }
    return user.isEmpty ? words : words + " as user \"\(user)\""
  }
}
