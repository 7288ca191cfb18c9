import ArgumentParser
import Postgres

/// `marketplace database`
struct DatabaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "database", abstract: "Start, stop or find the private PostgreSQL.",
    discussion: "For example: psql \"$(marketplace database connection)\"",
    subcommands: [Start.self, Stop.self, Connection.self])

  /// What the three print for programs; absent fields are left out.
  private struct JSON: Encodable {
    var schema: String
    /// `started`, `running`, `stopped` or `absent`.
    var state: String
    var directory: String
    var connection: String?
  }

  private static func directory(_ options: GlobalOptions) throws -> String {
    let settings = try Settings(options)
    guard settings.database == nil else {
      throw Failure(
        .usage, "database_configured",
        "A database is configured, so there is no private one. Leave out 'database' to use one.")
    }
    return settings.privateDatabase
  }

  /// `marketplace database start`
  struct Start: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "start", abstract: "Start it, or find it running; it goes on until it is stopped.",
      discussion: "For example: marketplace database start --data /var/lib/marketplace")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
      let cluster = try await PrivateCluster.start(dataDirectory: try directory(options))
      let state = cluster.startedNow ? "started" : "running"
      switch options.output {
      case .json:
        try JSONOutput.print(
          JSON(
            schema: "marketplace.database.start/1", state: state, directory: cluster.directory,
            connection: cluster.conninfo))
      case .table: Console.data("  \(state): psql \"\(cluster.conninfo)\"")
      }
    }
  }

  /// `marketplace database stop`
  struct Stop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "stop", abstract: "Stop it.",
      discussion: "For example: marketplace database stop --data /var/lib/marketplace")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
      let directory = try directory(options)
      let cluster = try await PrivateCluster.existing(dataDirectory: directory)
      try await cluster?.stop()
      switch options.output {
      case .json:
        try JSONOutput.print(
          JSON(
            schema: "marketplace.database.stop/1", state: cluster == nil ? "absent" : "stopped",
            directory: directory))
      case .table:
        Console.data(
          cluster == nil
            ? "  there is no private PostgreSQL in \(directory)" : "  stopped the private PostgreSQL in \(directory)")
      }
    }
  }

  /// `marketplace database connection`
  struct Connection: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "connection", abstract: "Print its connection string, for psql and other programs.",
      discussion: "Starts it if need be. For example: psql \"$(marketplace database connection)\"")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
      let cluster = try await PrivateCluster.start(dataDirectory: try directory(options))
      switch options.output {
      case .json:
        try JSONOutput.print(
          JSON(
            schema: "marketplace.database.connection/1", state: cluster.startedNow ? "started" : "running",
            directory: cluster.directory, connection: cluster.conninfo))
      case .table: Console.data(cluster.conninfo)
      }
    }
  }
}
