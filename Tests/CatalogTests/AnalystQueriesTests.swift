import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

/// The questions of `ops/queries`, asked by an analyst of a fixed history, and what they have to answer.
@Suite("Questions of an analyst")
struct AnalystQueriesTests {
  private static let folder = URL(fileURLWithPath: #filePath).appending(path: "../../../ops/queries").standardized

  /// The files of the questions, in order.
  private static func questions() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }.sorted()
  }

  /// A question with the values of its own example put in, as psql does.
  private static func asked(_ text: String) -> String {
    var sql = text
    for match in text.matches(of: /-v (\w+)='?([^'\s]+)'?/) {
      sql = sql.replacing(":'\(match.1)'", with: "'\(match.2)'")
    }
    return sql.trimmingCharacters(in: CharacterSet(charactersIn: " \n;"))
  }

  @Test("each says at its head what it answers and how it is called, and has its answer beside it")
  func listed() throws {
    let files = try Self.questions()
    #expect(files.count >= 20)
    for file in files {
      let text = try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8)
      #expect(text.hasPrefix("-- ") && text.contains("ops/queries/\(file)"), "\(file)")
      #expect(text.prefix { $0 != "\n" }.last == "?", "\(file) begins with a question")
      let answer = Self.folder.appending(path: "expected/\(file.dropLast(4)).csv")
      #expect(FileManager.default.fileExists(atPath: answer.path), "\(file)")
    }
  }

  @Test("are answered as written down, to an analyst who may read the contract and nothing else")
  func answers() async throws {
    let database = try await hospitalHistory()
    let pool = PostgresPool(.init(conninfo: database.conninfo + " user=\(database.analyst)", connectionsMax: 1))
    for file in try Self.questions() {
      let sql = Self.asked(try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8))
      let wanted = try String(
        contentsOf: Self.folder.appending(path: "expected/\(file.dropLast(4)).csv"), encoding: .utf8)
      let told = try await pool.withSession { session in
        try session.execute("SET timezone = 'UTC'")
        var lines: [UInt8] = []
        _ = try session.copyOut("COPY (\(sql)\n) TO STDOUT (FORMAT csv, HEADER)") { lines += $0 }
        return String(decoding: lines, as: UTF8.self)
      }
      #expect(told == wanted, "\(file)")
    }
    await pool.close()
  }
}

/// A database with the fixed history of a small hospital, and an analyst who may log in to it.
func hospitalHistory() async throws -> (conninfo: String, analyst: String) {
  let database = try await TestCluster.migratedDatabase()
  let analyst = "analyst_\(UUID().uuidString.prefix(8).lowercased())"
  let pool = database.pool(connectionsMax: 1)
  try await pool.withSession { session in
    try session.executeScript(String(decoding: PackageResources.hospital_history_sql, as: UTF8.self))
    try session.executeScript("CREATE ROLE \(analyst) LOGIN; SELECT ledger.admit_reader('\(analyst)');")
  }
  await pool.close()
  return (database.conninfo, analyst)
}
