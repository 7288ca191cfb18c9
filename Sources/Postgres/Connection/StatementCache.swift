/// A statement the server has prepared.
final class PreparedStatement {
  let name: String
  /// Type identifiers of the parameters; 0 where the server chose.
  let types: [UInt32]
  let columns: ColumnSet
  var lastUse = 0

  init(name: String, types: [UInt32], columns: ColumnSet) {
    self.name = name
    self.types = types
    self.columns = columns
  }
}

/// The prepared statements of one connection, by text and parameter types; the longest unused one goes first.
struct StatementCache {
  private let statements_max: Int
  private var bySQL: [String: [PreparedStatement]] = [:]
  private var count = 0
  private var uses = 0
  private var names = 0

  init(statements_max: Int) { self.statements_max = max(1, statements_max) }

  /// Finds a statement whose types fit; NULL fits every type.
  mutating func find(_ sql: String, _ parameters: EncodedParameters) -> PreparedStatement? {
    let found = bySQL[sql]?.first { statement in
      statement.types.count == parameters.count
        && zip(statement.types, parameters.items).allSatisfy { $0 == $1.type || $1.isNull }
    }
    uses += 1
    found?.lastUse = uses
    return found
  }

  mutating func insert(_ statement: PreparedStatement, for sql: String) {
    uses += 1
    statement.lastUse = uses
    bySQL[sql, default: []].append(statement)
    count += 1
  }

  /// Takes the longest unused statement out when there is no room for one more.
  mutating func evictIfFull() -> PreparedStatement? {
    guard count >= statements_max else { return nil }
    guard let oldest = bySQL.values.joined().min(by: { $0.lastUse < $1.lastUse }) else { return nil }
    remove(oldest)
    return oldest
  }

  mutating func remove(_ statement: PreparedStatement) {
    for (sql, statements) in bySQL where statements.contains(where: { $0 === statement }) {
      let rest = statements.filter { $0 !== statement }
      bySQL[sql] = rest.isEmpty ? nil : rest
      count -= 1
    }
  }

  mutating func removeAll() {
    bySQL.removeAll()
    count = 0
  }

  /// A name no statement of this connection has had.
  mutating func nextName() -> String {
    names += 1
    return "statement_\(names)"
  }
}
