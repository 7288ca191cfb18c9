import Foundation
import Ledger
import Postgres
import TestSupport

/// A migrated database of its own for one test.
struct TestLedger: Sendable {
  let database: TestDatabase
  let pool: PostgresPool
  let ledger: Ledger

  /// Migrated once; the databases of the tests are copies of it.
  private static let template = Task {
    let database = try await TestCluster.migratedDatabase()
    let pool = database.pool(connectionsMax: 1)
    try await pool.withSession { session in
      _ = try session.query("SELECT ledger.register_event_type('Happened', 1::smallint, 'for tests')")
      _ = try session.query("SELECT ledger.register_event_type('Happened', 2::smallint, 'for tests')")
      _ = try session.query("SELECT ledger.register_event_type('Moved', 1::smallint, 'for tests')")
    }
    await pool.close()
    return database.name
  }

  static func make(workspaces: [String] = ["dev01"], connectionsMax: Int = 3) async throws -> TestLedger {
    let database = try await TestCluster.createDatabase(template: try await template.value)
    let pool = database.pool(connectionsMax: connectionsMax)
    let test = TestLedger(database: database, pool: pool, ledger: Ledger(pool))
    for workspace in workspaces { try await test.ledger.openWorkspace(workspace) }
    return test
  }

  /// Runs `body` with a fresh ledger and closes its connections.
  static func with(
    workspaces: [String] = ["dev01"], connectionsMax: Int = 3, _ body: (TestLedger) async throws -> Void
  ) async throws {
    let test = try await make(workspaces: workspaces, connectionsMax: connectionsMax)
    do {
      try await body(test)
      await test.pool.close()
    } catch {
      await test.pool.close()
      throw error
    }
  }

  @discardableResult
  func sql(_ text: String, _ parameters: [(any PostgresEncodable)?] = []) async throws -> [Row] {
    try await pool.withSession { try $0.query(text, parameters) }
  }

  /// The single integer a query gives.
  func number(_ text: String, _ parameters: [(any PostgresEncodable)?] = []) async throws -> Int {
    try await sql("SELECT (\(text))::bigint AS number", parameters).first?.int("number") ?? -1
  }

  /// The SQLSTATE that a statement is refused with; nil if it is accepted.
  func state(
    of statement: String, _ parameters: [(any PostgresEncodable)?] = [], as pool: PostgresPool? = nil
  ) async throws -> String? {
    do {
      _ = try await (pool ?? self.pool).withSession { try $0.query(statement, parameters) }
      return nil
    } catch let error as PostgresError {
      return error.sqlState ?? "\(error.code)"
    }
  }

  /// The SQLSTATE that one of several statements is refused with; nil if they are accepted.
  func state(ofScript script: String, as pool: PostgresPool? = nil) async throws -> String? {
    do {
      try await (pool ?? self.pool).withSession { try $0.executeScript(script) }
      return nil
    } catch let error as PostgresError {
      return error.sqlState ?? "\(error.code)"
    }
  }

  /// The code that an append is refused with; nil if it is accepted.
  func refusal(
    appending events: [NewEvent], to workspace: String = "dev01", as principal: String? = nil,
    by ledger: Ledger? = nil
  ) async throws -> LedgerError.Code? {
    do {
      _ = try await (ledger ?? self.ledger).append(events, to: workspace, as: principal)
      return nil
    } catch let error as LedgerError {
      return error.code
    }
  }

  /// The SQLSTATE that `append_one` refuses data with, called without the client's own check.
  func stateOfData(_ data: String) async throws -> String? {
    try await state(
      of: """
        SELECT * FROM ledger.append_one('dev01', 's', NULL, gen_random_uuid(), 'Happened', NULL, NULL, $1,
                                        NULL, NULL, NULL, NULL)
        """, [data])
  }
}

/// An event of no meaning.
func happened(
  _ stream: String = "s", expecting: Int64? = nil, id: UUID = UUID(), data: String = #"{"a":1}"#,
  cause: EventReference? = nil
) -> NewEvent {
  NewEvent(stream: stream, expectedVersion: expecting, id: id, type: "Happened", data: data, cause: cause)
}

/// The code of the `LedgerError` that `body` throws; nil if it throws none.
func refusal(_ body: () async throws -> Void) async throws -> LedgerError.Code? {
  do {
    try await body()
    return nil
  } catch let error as LedgerError {
    return error.code
  }
}
