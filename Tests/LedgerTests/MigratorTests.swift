import Foundation
import Ledger
import Migrations
import Postgres
import TestSupport
import Testing

@Suite struct MigratorTests {
  private func withPool<Value>(_ body: (PostgresPool) async throws -> Value) async throws -> Value {
    let pool = try await TestCluster.createDatabase().pool()
    do {
      let value = try await body(pool)
      await pool.close()
      return value
    } catch {
      await pool.close()
      throw error
    }
  }

  @Test("every file of migrations/sql is a step, in the order of their names")
  func files() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../migrations/sql")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(Migrations.all.map { "\($0.name).sql" } == files)
    for step in Migrations.all {
      #expect(try String(contentsOf: folder.appending(path: "\(step.name).sql"), encoding: .utf8) == step.sql)
    }
  }

  @Test("migrating twice applies everything once")
  func twice() async throws {
    try await withPool { pool async throws in
      let migrator = Migrator(pool)
      let names = Migrations.all.map(\.name)
      #expect(try await migrator.pending() == names)
      #expect(try await migrator.migrate() == names)
      #expect(try await migrator.pending() == [])
      #expect(try await migrator.migrate() == [])
    }
  }

  @Test("migrators at the same time, in one database and in two, apply everything once in each")
  func atOnce() async throws {
    let databases = [try await TestCluster.createDatabase(), try await TestCluster.createDatabase()]
    let applied = try await withThrowingTaskGroup(of: (Int, [String]).self) { group in
      for index in 0..<6 {
        group.addTask {
          let pool = databases[index % 2].pool(connectionsMax: 1)
          let applied = try await Migrator(pool).migrate()
          await pool.close()
          return (index % 2, applied)
        }
      }
      var applied: [[String]] = [[], []]
      for try await (database, names) in group { applied[database] += names }
      return applied
    }
    #expect(applied == Array(repeating: Migrations.all.map(\.name), count: 2))
  }

  @Test("an edited migration is refused by its name")
  func edited() async throws {
    try await withPool { pool async throws in
      let first = Migration(name: "m1-a", sql: "CREATE TABLE a (n bigint)")
      _ = try await Migrator(pool, migrations: [first]).migrate()
      let edited = Migration(name: "m1-a", sql: "CREATE TABLE a (n bigint, m bigint)")
      let code = try await refusal { _ = try await Migrator(pool, migrations: [edited]).migrate() }
      #expect(code == .migrationEdited(name: "m1-a"))
      let codeOfPending = try await refusal { _ = try await Migrator(pool, migrations: [edited]).pending() }
      #expect(codeOfPending == .migrationEdited(name: "m1-a"))
    }
  }

  @Test("a database newer than the program is refused")
  func newer() async throws {
    try await withPool { pool async throws in
      let steps = [Migration(name: "m1-a", sql: "SELECT 1"), Migration(name: "m2-b", sql: "SELECT 1")]
      _ = try await Migrator(pool, migrations: steps).migrate()
      let code = try await refusal { _ = try await Migrator(pool, migrations: [steps[0]]).migrate() }
      #expect(code == .databaseNewer(names: ["m2-b"]))
    }
  }

  @Test("a migration that fails leaves nothing behind, keeps those before it and is named")
  func failing() async throws {
    try await withPool { pool async throws in
      let steps = [
        Migration(name: "m1-a", sql: "CREATE TABLE a (n bigint)"),
        Migration(name: "m2-b", sql: "CREATE TABLE b (n bigint); SELECT 1/0"),
      ]
      let code = try await refusal { _ = try await Migrator(pool, migrations: steps).migrate() }
      #expect(code == .migrationFailed(name: "m2-b"))
      let rows = try await pool.withSession {
        try $0.query("SELECT to_regclass('a') IS NOT NULL AS a, to_regclass('b') IS NULL AS b")
      }
      #expect(try rows[0].bool("a"))
      #expect(try rows[0].bool("b"))
      #expect(try await Migrator(pool, migrations: steps).pending() == ["m2-b"])
    }
  }

  @Test("who may not make the schema is told what is missing")
  func notAllowed() async throws {
    let test = try await TestLedger.make()
    try await test.sql("CREATE ROLE m_nobody LOGIN")
    await test.pool.close()
    let database = try await TestCluster.createDatabase()
    let pool = PostgresPool(.init(conninfo: database.conninfo + " user=m_nobody", connectionsMax: 1))
    await #expect(throws: (any Error).self) { _ = try await Migrator(pool).migrate() }
    let script = Migrations.all[0].sql
    do {
      try await pool.withSession { try $0.executeScript(script) }
      Issue.record("the roles were made by nobody")
    } catch let error as PostgresError {
      #expect(error.message.contains("ledger_owner"))
      #expect(error.hint?.contains("grant ledger_owner to m_nobody") == true)
    }
    await pool.close()
  }
}
