import ArgumentParser
import Catalog
import Ledger
import Marketplace
import Postgres

/// `marketplace projections`
struct ProjectionsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "projections", abstract: "Rebuild the projections from the log, or compare them with it.",
    subcommands: [Rebuild.self, Check.self])

  /// `marketplace projections rebuild`
  struct Rebuild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rebuild", abstract: "Make them anew from the log, workspace by workspace.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Workspaces; all when none is named.") var workspaces: [String] = []

    func run() async throws {
      try await Workplace.use(try Settings(options), options: options) { place in
        for id in try await place.workspaceIDs(named: workspaces) {
          let last = try await Projections(place.pool).rebuild(id.text)
          Console.data("  \(id)  rebuilt from \(Sentence.count(Int(last), "event"))")
        }
      }
    }
  }

  /// `marketplace projections check`
  struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check", abstract: "Compute them anew beside the live ones and compare row by row.",
      discussion: "Changes nothing. Exit code 8 when they differ.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Workspaces; all when none is named.") var workspaces: [String] = []

    func run() async throws {
      let found = try await Workplace.use(try Settings(options), options: options) { place in
        var found = 0
        for id in try await place.workspaceIDs(named: workspaces) {
          let differences = try await place.projectionDifferences(of: id)
          for difference in differences { Console.data("  \(id)  \(Sentence.printable(difference.message))") }
          if differences.isEmpty { Console.data("  \(id)  equal to the log") }
          found += differences.count
        }
        return found
      }
      if found > 0 { throw JobEnded(status: .integrity) }
    }
  }
}
