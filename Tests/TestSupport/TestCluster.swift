import Foundation
import Ledger
public import Postgres
import Synchronization

/// One PostgreSQL server for a whole test process, in a directory of its own under /tmp.
///
/// A shell that waits for our end stops the server and removes the directory, also when a test crashes.
public final class TestCluster: Sendable {
  private static let shared = Task { try await TestCluster() }
  private static let databases = Atomic<Int>(0)

  /// The server.
  public let server: PrivateCluster

  private init() async throws {
    let directory = Self.newDirectory()
    try Self.removeAtExit(directory)
    server = try await PrivateCluster.start(dataDirectory: directory)
    try await Self.quicken(server)
  }

  /// Nothing here has to outlive the machine, only processes that are killed. And a thousand databases that stay would have
  /// somebody look for what to vacuum or analyze in them ten times a second.
  private static func quicken(_ server: PrivateCluster) async throws {
    let pool = PostgresPool(.init(conninfo: server.conninfo, connectionsMax: 1))
    do {
      try await pool.withSession { session in
        for setting in ["fsync = off", "full_page_writes = off", "autovacuum = off", "max_wal_size = '4GB'"] {
          try session.execute("ALTER SYSTEM SET \(setting)")
        }
        try session.execute("SELECT pg_reload_conf()")
      }
    } catch {
      await pool.close()
      throw error
    }
    await pool.close()
  }

  /// The server of this process, started at the first call.
  public static func start() async throws -> TestCluster { try await shared.value }

  /// Makes an empty database, as fast as a copy of `template` allows.
  ///
  /// - Parameter template: the name of a database nobody is connected to; nil for an empty one.
  /// - Returns: its connection string.
  public static func createDatabase(template: String? = nil) async throws -> TestDatabase {
    let cluster = try await start()
    let number = databases.wrappingAdd(1, ordering: .relaxed).newValue
    let name = "test_\(number)"
    let pool = PostgresPool(.init(conninfo: cluster.server.conninfo, connectionsMax: 1))
    do {
      try await pool.withSession { session in
        try session.execute("CREATE DATABASE \(name) TEMPLATE \(template ?? "template0")")
      }
    } catch {
      await pool.close()
      throw error
    }
    await pool.close()
    return TestDatabase(name: name, conninfo: cluster.server.conninfo(database: name))
  }

  /// Migrated once: that takes longer than all that most tests do.
  private static let migrated = Task {
    let database = try await createDatabase()
    let pool = database.pool(connectionsMax: 1)
    do {
      _ = try await Migrator(pool).migrate()
      await pool.close()
      return database.name
    } catch {
      await pool.close()
      throw error
    }
  }

  /// A fresh database with the product's schema.
  public static func migratedDatabase() async throws -> TestDatabase {
    try await createDatabase(template: try await migrated.value)
  }

  /// A path for a directory that only this process uses; short, for the sake of a socket in it.
  public static func newDirectory() -> String {
    "/tmp/pg-\(getpid())-\(UInt32.random(in: 0 ... .max))"
  }

  /// Stops the server in `directory`, if one runs there, and removes the directory when this process ends.
  public static func removeAtExit(_ directory: String) throws {
    let shell = Process()
    let input = Pipe()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    // Its input ends when we do. SIGINT is PostgreSQL's fast shutdown, which removes postmaster.pid.
    shell.arguments = [
      "-c",
      """
      trap '' INT TERM HUP
      read -r _
      pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null)
      if [ -n "$pid" ]; then
        kill -INT "$pid" 2>/dev/null
        tries=0
        while [ -e "$0/data/postmaster.pid" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
      fi
      rm -rf "$0"
      """, directory,
    ]
    shell.standardInput = input
    shell.standardOutput = FileHandle.nullDevice
    shell.standardError = FileHandle.nullDevice
    try shell.run()
    kept.withLock { $0.append(input) }
  }

  private static let kept = Mutex<[Pipe]>([])
}

/// A pool of connections to a fresh database with the product's schema.
public func migratedDatabase() async throws -> PostgresPool {
  try await TestCluster.migratedDatabase().pool(connectionsMax: 2)
}

/// A database of the test server.
public struct TestDatabase: Sendable {
  /// Its name.
  public let name: String
  /// Its connection string.
  public let conninfo: String

  /// A pool of connections to it.
  public func pool(connectionsMax: Int = 8) -> PostgresPool {
    PostgresPool(.init(conninfo: conninfo, connectionsMax: connectionsMax))
  }
}
