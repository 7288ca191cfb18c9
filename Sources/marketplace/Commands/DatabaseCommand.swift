import ArgumentParser
import Postgres

/// `marketplace database`
struct DatabaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "database", abstract: "Start, stop or find the private PostgreSQL.",
    subcommands: [Start.self, Stop.self, Connection.self])

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
      commandName: "start", abstract: "Start it, or find it running; it goes on until it is stopped.")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
      let cluster = try await PrivateCluster.start(dataDirectory: try directory(options))
      Console.data("  \(cluster.startedNow ? "started" : "running"): psql \"\(cluster.conninfo)\"")
    }
  }

  /// `marketplace database stop`
  struct Stop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "stop", abstract: "Stop it.")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
      let directory = try directory(options)
      guard let cluster = try await PrivateCluster.existing(dataDirectory: directory) else {
        Console.data("  there is no private PostgreSQL in \(directory)")
        return
      }
      try await cluster.stop()
      Console.data("  stopped the private PostgreSQL in \(directory)")
    }
  }

  /// `marketplace database connection`
  struct Connection: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "connection", abstract: "Print its connection string, for psql and other programs.")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
      let cluster = try await PrivateCluster.start(dataDirectory: try directory(options))
      Console.data(cluster.conninfo)
    }
  }
}
