import Foundation
import Subprocess
import SystemPackage

/// PostgreSQL's own programs, as installed on this machine.
struct ServerPrograms: Sendable {
  /// Where `initdb`, `pg_ctl` and `postgres` are.
  let directory: String

  /// How a program ended.
  struct End: Sendable {
    /// The exit code; a signal is 128 and its number, as in a shell.
    var code: Int
    /// What it said, on both outputs.
    var output: String
  }

  private static let outputBytesMax = 1 << 20
  private static let debianRoot = "/usr/lib/postgresql"

  /// Finds programs of the version that made `dataPath`, or the newest for a new directory.
  ///
  /// - Throws: ``PostgresError/Code/notInstalled``.
  static func find(dataPath: String) async throws -> ServerPrograms {
    let version = (try? String(contentsOfFile: dataPath + "/PG_VERSION", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
    var candidates = Self.debianDirectories()
    if let configured = try await configuredDirectory() { candidates.insert(configured, at: 0) }
    let installed = candidates.filter { directory in
      ["initdb", "pg_ctl", "postgres"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: "\(directory)/\($0)")
      }
    }
    guard let first = installed.first else {
      throw PostgresError(
        .notInstalled, "PostgreSQL's programs initdb, pg_ctl and postgres are not on this machine.",
        hint: "apt-get install postgresql")
    }
    guard let version else { return ServerPrograms(directory: first) }
    for directory in installed where try await majorVersion(in: directory) == version {
      return ServerPrograms(directory: directory)
    }
    throw PostgresError(
      .notInstalled, "\(dataPath) was made by PostgreSQL \(version), which is not on this machine.",
      hint: "apt-get install postgresql-\(version)")
  }

  /// Runs a program to its end, as `account`, with none of our own PG… variables.
  ///
  /// - Throws: ``PostgresError/Code/clusterFailed`` when it cannot be run; `CancellationError`.
  func run(
    _ program: String, _ arguments: [String], as account: ServerAccount, in workingDirectory: String
  ) async throws -> End {
    var environment: [Environment.Key: String] = [:]
    for (name, value) in ProcessInfo.processInfo.environment
    where !name.hasPrefix("PG") && !name.hasPrefix("LC_") {
      environment[Environment.Key(stringLiteral: name)] = value
    }
    environment["LC_ALL"] = "C"
    var executable = Executable.path(FilePath("\(directory)/\(program)"))
    var arguments = arguments
    if account.isOther {
      // Not PlatformOptions.userID: it calls setuid in a child made by a bare clone(), where glibc waits for the
      // threads of the parent, and hangs when one of them was just starting or ending.
      arguments.insert(
        contentsOf: [
          "--reuid", "\(account.userID)", "--regid", "\(account.groupID)", "--init-groups",
          "\(directory)/\(program)",
        ], at: 0)
      executable = .name("setpriv")
      environment["HOME"] = workingDirectory
    }
    do {
      let end = try await Subprocess.run(
        executable, arguments: Arguments(arguments), environment: .custom(environment),
        workingDirectory: FilePath(workingDirectory), output: .string(limit: Self.outputBytesMax),
        error: .combinedWithOutput)
      return End(code: Self.code(end.terminationStatus), output: end.standardOutput)
    } catch let error as SubprocessError {
      try Task.checkCancellation()
      throw PostgresError(
        .clusterFailed, "Cannot run \(directory)/\(program): \(error).",
        hint: account.isOther ? "Root needs setpriv for it: apt-get install util-linux" : nil)
    }
  }

  private static func code(_ status: TerminationStatus) -> Int {
    switch status {
    case .exited(let code): Int(code)
    case .signaled(let signal): 128 + Int(signal)
    }
  }

  /// `pg_config --bindir`. The program may come with libpq alone, without a server.
  private static func configuredDirectory() async throws -> String? {
    try await firstLine(of: .name("pg_config"), ["--bindir"])
  }

  /// "postgres (PostgreSQL) 15.18 (Debian …)" gives "15", as in PG_VERSION.
  private static func majorVersion(in directory: String) async throws -> String? {
    let line = try await firstLine(of: .path(FilePath("\(directory)/postgres")), ["--version"])
    let number = line?.split(separator: " ").first { $0.first?.isNumber ?? false }
    return number?.prefix { $0.isNumber }.description
  }

  private static func firstLine(of program: Executable, _ arguments: [String]) async throws -> String? {
    do {
      let end = try await Subprocess.run(
        program, arguments: Arguments(arguments), output: .string(limit: outputBytesMax), error: .discarded)
      guard code(end.terminationStatus) == 0 else { return nil }
      return end.standardOutput.split(separator: "\n").first.map(String.init)
    } catch is SubprocessError {
      try Task.checkCancellation()
      return nil
    }
  }

  /// Debian keeps versions side by side; the newest comes first.
  private static func debianDirectories() -> [String] {
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: debianRoot)) ?? []
    return versions.compactMap(Int.init).sorted(by: >).map { "\(debianRoot)/\($0)/bin" }
  }
}
