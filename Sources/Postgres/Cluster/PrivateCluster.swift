import CLibPQ
import Foundation

/// A PostgreSQL server of our own, under one directory, reached over a unix socket in that directory.
///
/// The directory belongs to the account the server runs under and is closed to all others (0700); connections over
/// the socket are trusted, there is no TCP port. The server is a daemon: it survives this process and is found
/// again by the next ``start(dataDirectory:)``.
///
/// Layout of the directory: `data` is PostgreSQL's own, `postgresql.log` the server's log, `.s.PGSQL.5432` its
/// socket, `start.lock` what keeps two processes from setting it up at once.
public struct PrivateCluster: Sendable {
  /// The role that owns everything, and the database that is made for it.
  public static let name = "marketplace"
  /// Names the socket; nothing listens on a TCP port.
  public static let port = 5432
  /// The longest path of a unix socket (`sockaddr_un`, less its closing zero).
  public static let socketPathBytesMax = 107
  /// How long a start or a stop may take, recovery after a crash included.
  public static let startSecondsMax = 120

  /// The directory, absolute and without symbolic links.
  public let directory: String
  /// True when this call started the server, false when it ran already.
  public let startedNow: Bool
  let programs: ServerPrograms
  let account: ServerAccount

  /// The connection string of the database `marketplace`.
  public var conninfo: String { conninfo(database: Self.name) }

  /// The server's log.
  public var logPath: String { directory + "/postgresql.log" }

  var dataPath: String { directory + "/data" }

  /// The connection string of another database of this server.
  public func conninfo(database: String) -> String {
    "host=\(Self.quote(directory)) port=\(Self.port) user=\(Self.name) dbname=\(Self.quote(database))"
  }

  /// Starts the server of a directory, setting it up when it is new; finds it when it runs already. Safe when
  /// several processes do so at once.
  ///
  /// Needs `initdb` and `pg_ctl` on this machine. As root the server runs as the account `postgres`.
  ///
  /// - Throws: ``PostgresError`` with ``PostgresError/Code/notInstalled``,
  ///   ``PostgresError/Code/dataDirectory`` or ``PostgresError/Code/clusterFailed``; `CancellationError`.
  public static func start(dataDirectory: String) async throws -> PrivateCluster {
    let account = try ServerAccount.current()
    let directory = try ClusterDirectory.prepare(dataDirectory, for: account)
    let lock = try await FileLock.acquire(directory.path + "/start.lock")
    defer { lock.release() }
    let programs = try await ServerPrograms.find(dataPath: directory.path + "/data")
    var cluster = PrivateCluster(
      directory: directory.path, startedNow: false, programs: programs, account: account)
    if try await !cluster.isRunning() {
      try await cluster.initialize()
      try await cluster.startServer()
      cluster = PrivateCluster(
        directory: directory.path, startedNow: true, programs: programs, account: account)
    }
    try await cluster.createDatabase()
    return cluster
  }

  /// Stops the server: open transactions are rolled back, connections closed. Does nothing when it does not run.
  ///
  /// - Throws: ``PostgresError/Code/clusterFailed``; `CancellationError`.
  public func stop() async throws {
    let lock = try await FileLock.acquire(directory + "/start.lock")
    defer { lock.release() }
    let status = try await programs.run("pg_ctl", ["status", "-D", dataPath], as: account, in: directory)
    guard status.code == 0 else { return }
    try await run(
      "pg_ctl", ["stop", "-D", dataPath, "-m", "fast", "-w", "-t", "\(Self.startSecondsMax)", "-s"],
      doing: "stop the server")
  }

  private static func quote(_ value: String) -> String {
    let escaped = value.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
    return "'\(escaped)'"
  }
}

// MARK: - Steps

extension PrivateCluster {
  /// pg_ctl looks for the process named in postmaster.pid. After a crash or in a new container that number may be
  /// anyone's, so the socket has to answer too.
  private func isRunning() async throws -> Bool {
    guard FileManager.default.fileExists(atPath: dataPath + "/PG_VERSION") else { return false }
    let status = try await programs.run("pg_ctl", ["status", "-D", dataPath], as: account, in: directory)
    guard status.code == 0 else { return false }
    let deadline = ContinuousClock.now + .seconds(Self.startSecondsMax)
    while true {
      switch await ping() {
      case PQPING_OK: return true
      case PQPING_REJECT where ContinuousClock.now < deadline:
        // It is starting, or recovering from a crash.
        try await Task.sleep(for: Self.pingPause)
      default: return false
      }
    }
  }

  private static let pingPause: Duration = .milliseconds(100)

  private func ping() async -> PGPing {
    let conninfo = conninfo(database: "postgres")
    return await withCheckedContinuation { continuation in
      Thread { continuation.resume(returning: PQping(conninfo)) }.start()
    }
  }

  private func initialize() async throws {
    guard !FileManager.default.fileExists(atPath: dataPath + "/PG_VERSION") else { return }
    // Made aside and renamed, so that an interrupted initdb leaves nothing that looks like a cluster.
    let fresh = directory + "/data.new"
    try? FileManager.default.removeItem(atPath: fresh)
    try await run(
      "initdb",
      [
        "--pgdata", fresh, "--username", Self.name, "--data-checksums", "--encoding=UTF8", "--locale=C",
        "--auth-local=trust", "--auth-host=reject", "--no-instructions",
      ], doing: "set up the data directory")
    try settings.write(toFile: fresh + "/marketplace.conf", atomically: false, encoding: .utf8)
    try account.own(fresh + "/marketplace.conf", mode: 0o600)
    let configuration = fresh + "/postgresql.conf"
    let given = try String(contentsOfFile: configuration, encoding: .utf8)
    try (given + "\ninclude 'marketplace.conf'\n").write(
      toFile: configuration, atomically: false, encoding: .utf8)
    guard rename(fresh, dataPath) == 0 else {
      let reason = String(cString: strerror(errno))
      throw PostgresError(.dataDirectory, "Cannot rename \(fresh) to \(dataPath): \(reason).")
    }
  }

  /// Durability is left as PostgreSQL has it. The path of the socket comes at each start: a directory may move.
  private var settings: String {
    """
    # Written once when this cluster was set up; change postgresql.conf after its last line, which includes this.
    listen_addresses = ''
    port = \(Self.port)
    unix_socket_permissions = 0700
    max_connections = 100
    timezone = 'UTC'
    log_timezone = 'UTC'
    log_line_prefix = '%m [%p] %q%u@%d '

    """
  }

  private func startServer() async throws {
    let start = [
      "start", "-D", dataPath, "-l", logPath, "-w", "-t", "\(Self.startSecondsMax)", "-s",
      "-o", "-c 'unix_socket_directories=\(directory)'",
    ]
    try await run("pg_ctl", start, doing: "start the server")
  }

  private func createDatabase() async throws {
    let settings = ConnectionSettings(conninfo: conninfo(database: "postgres"))
    let connection = try await Connection.open(settings)
    let outcome = await connection.perform(.autocommit) { session in
      let known = try session.query("SELECT FROM pg_database WHERE datname = $1", [Self.name])
      if known.isEmpty { try session.execute("CREATE DATABASE \(Self.name)") }
    }
    await connection.close()
    try outcome.result.get()
  }

  private func run(_ program: String, _ arguments: [String], doing what: String) async throws {
    let end = try await programs.run(program, arguments, as: account, in: directory)
    guard end.code != 0 else { return }
    let words = end.output.split(separator: "\n").suffix(Self.logLinesMax).joined(separator: "\n")
    var error = PostgresError(.clusterFailed, "\(program) could not \(what) in \(directory): \(words)")
    let log = (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""
    let tail = log.split(separator: "\n").suffix(Self.logLinesMax).joined(separator: "\n")
    error.hint = tail.isEmpty ? nil : "The end of \(logPath):\n\(tail)"
    throw error
  }

  /// How many lines of a log an error quotes.
  private static let logLinesMax = 10
}
