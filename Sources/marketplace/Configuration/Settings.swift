import ArgumentParser
import Foundation
import Marketplace
import Registry
import Storage
import Transfer

/// Where everything is: options that every command takes.
struct PlaceOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The configuration. Otherwise $MARKETPLACE_CONFIG, ./marketplace.yaml, ~/.config/marketplace/marketplace.yaml or /etc/marketplace/marketplace.yaml.",
      valueName: "file"))
  var config: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "PostgreSQL, as any libpq connection string; over the environment and the file.", valueName: "conninfo"))
  var database: String?

  @Option(
    name: .long,
    help: ArgumentHelp("The data directory; over the environment and the file.", valueName: "directory"))
  var data: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The external storage, file:///absolute/path or s3://bucket/prefix; over the environment and the file.",
      valueName: "url"))
  var storage: String?

  @Flag(name: .shortAndLong, help: "Print no progress and no remarks, only data and errors.")
  var quiet = false
}

/// The options that every command takes, where tables and JSON are all it prints.
struct GlobalOptions: ParsableArguments {
  @OptionGroup var place: PlaceOptions

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("How to print: table for people, json for programs.", valueName: "format"))
  var output: OutputFormat = .table

  var quiet: Bool { place.quiet }
}

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case table
  case json
}

/// The configuration as it holds: the file, overridden by the environment, overridden by flags.
struct Settings {
  let file: Configuration
  /// Where the file is, if there is one.
  let path: String?
  let database: String?
  let data: String
  let storageURL: String
  let environment: [String: String]
  /// What each server gets at a time, over all workspaces on it.
  let capacities: ServerCapacities
  /// Memory for files that arrive in ranges, over all registries.
  let windows = RangeWindows()
  /// Memory for parts on their way to stores, over all of them.
  let uploads = UploadBudget()
  /// What moves files to and from signed addresses, over all registries: each server gets so much from all of them.
  let signed: Result<SignedURLTransfer, any Error>

  /// Puts the sources together.
  ///
  /// - Throws: ``Failure`` for a file that is named and cannot be read, or that is malformed.
  init(_ options: GlobalOptions, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    try self.init(options.place, environment: environment)
  }

  /// The same, for a command with formats of its own.
  init(_ options: PlaceOptions, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    self.environment = environment
    path = try Self.find(options, environment)
    file = try path.map(Configuration.read) ?? Configuration()
    signed = Result {
      try SignedURLTransfer(
        effects: .real, userAgent: "model-marketplace/\(ProgramVersion.text)", caFile: environment["AWS_CA_BUNDLE"])
    }
    capacities = ServerCapacities(requestsMax: file.concurrency?.requests ?? HTTPPolicy().concurrentRequestsMax)
    database = options.database ?? environment["MARKETPLACE_DATABASE"] ?? file.database
    data = Self.absolute(
      options.data ?? environment["MARKETPLACE_DATA"] ?? file.data ?? Self.dataDefault(environment))
    storageURL = options.storage ?? environment["MARKETPLACE_STORAGE"] ?? file.storage?.url ?? "file://\(data)/storage"
  }

  private static func find(_ options: PlaceOptions, _ environment: [String: String]) throws -> String? {
    if let named = options.config ?? environment["MARKETPLACE_CONFIG"] {
      guard FileManager.default.fileExists(atPath: named) else {
        throw Failure(
          .usage, "configuration_missing", "\(named) does not exist. 'marketplace init' writes one to begin with.")
      }
      return named
    }
    let home = environment["XDG_CONFIG_HOME"] ?? environment["HOME"].map { $0 + "/.config" }
    let places = [
      "marketplace.yaml", home.map { $0 + "/marketplace/marketplace.yaml" }, "/etc/marketplace/marketplace.yaml",
    ]
    return places.compactMap(\.self).first { FileManager.default.fileExists(atPath: $0) }
  }

  /// As root a system directory, since the account that PostgreSQL then runs under cannot enter root's home.
  private static func dataDefault(_ environment: [String: String]) -> String {
    if geteuid() == 0 { return "/var/lib/marketplace" }
    if let xdg = environment["XDG_DATA_HOME"] { return xdg + "/marketplace" }
    return (environment["HOME"] ?? "/tmp") + "/.local/share/marketplace"
  }

  private static func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  }

  /// Where the private PostgreSQL lives, when no database is configured.
  var privateDatabase: String { data + "/postgres" }

  /// The configured workspaces, or those that are named.
  ///
  /// - Throws: ``Failure`` for one that is named and not configured, twice configured, or malformed.
  func workspaces(named names: [String]) throws -> [Configuration.Workspace] {
    let all = file.workspaces ?? []
    var seen: Set<String> = []
    for workspace in all {
      let id: WorkspaceID
      do {
        id = try WorkspaceID(workspace.id)
      } catch let error as DomainError {
        throw Failure(.usage, "configuration_bad_id", "workspaces: \(error.message)")
      }
      guard id != .marketplace else {
        throw Failure(
          .usage, "configuration_reserved_id",
          "workspaces: the id 'marketplace' is reserved for the marketplace itself.")
      }
      guard seen.insert(workspace.id).inserted else {
        throw Failure(.usage, "configuration_duplicate_id", "workspaces: the id '\(workspace.id)' stands there twice.")
      }
    }
    for name in names where !seen.contains(name) {
      throw Failure(
        .usage, "unknown_workspace",
        "'\(name)' is not among the configured workspaces: \(all.map(\.id).joined(separator: ", ")).")
    }
    return names.isEmpty ? all : all.filter { names.contains($0.id) }
  }
}
