import Foundation
import Postgres

/// The facts in the DETAIL of the ledger's own errors; which are there depends on the SQLSTATE.
private struct Detail: Decodable {
  var workspace: String?
  var stream: String?
  var expected: Int64?
  var actual: Int64?
  var id: UUID?
  var sequence: Int64?
  var index: Int?
  var type: String?
  var version: Int?

  private enum CodingKeys: String, CodingKey {
    case workspace, stream, expected, actual, id, sequence, index, type
    case version = "type_version"
  }
}

extension LedgerError {
  /// Reads one of the ledger's SQLSTATEs; nil for an error that is not the ledger's.
  init?(_ error: PostgresError) {
    guard let state = error.sqlState, let code = Self.code(state, error.detail) else { return nil }
    self.init(code, error.message, hint: error.hint)
    lacksGrant = state == "LG403" && error.detail?.contains("\"type\"") == true
  }

  private static func code(_ state: String, _ detail: String?) -> Code? {
    let facts = detail.flatMap { try? JSONDecoder().decode(Detail.self, from: Data($0.utf8)) } ?? Detail()
    switch state {
    case "LG400":
      return .invalidEvent(index: facts.index, byteOffset: nil)
    case "LG403", "42501":
      return .notAllowed
    case "LG404":
      return .unknownWorkspace(facts.workspace ?? "")
    case "LG405":
      return .unknownCause(EventReference(workspace: facts.workspace ?? "", sequence: facts.sequence ?? 0))
    case "LG409":
      guard let id = facts.id else { return nil }
      return .sameIDOtherContent(id: id, sequence: facts.sequence)
    case "LG412":
      guard let stream = facts.stream, let expected = facts.expected, let actual = facts.actual else {
        return nil
      }
      return .wrongExpectedVersion(stream: stream, expected: expected, actual: actual)
    case "LG422":
      return .unknownType(type: facts.type ?? "", version: facts.version ?? 1)
    default:
      return nil
    }
  }

  /// Runs `body`; errors of the database that are the ledger's come out as such.
  static func translating<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
      return try await body()
    } catch let error as PostgresError {
      throw LedgerError(error) ?? error
    }
  }
}
