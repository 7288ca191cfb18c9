import ArgumentParser
import Catalog
import Ledger
import Marketplace
import Postgres

/// `marketplace projections`
struct ProjectionsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "projections", abstract: "Rebuild the projections from the log, or compare them with it.",
    discussion: "For example: marketplace projections check", subcommands: [Rebuild.self, Check.self])

  /// `marketplace projections rebuild`
  struct Rebuild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rebuild", abstract: "Make them what the log amounts to, workspace by workspace.",
      discussion: "Appends to a workspace wait meanwhile. For example: marketplace projections rebuild dev01")
    @OptionGroup var options: GlobalOptions
    @Option(help: "One that you registered, instead of those behind the catalog.") var projection = Projections.name
    @Argument(help: "Workspaces; all when none is named.") var workspaces: [String] = []

    private struct JSON: Encodable {
      var schema = "marketplace.projections.rebuild/1"
      var projection: String
      var workspaces: [Entry]

      struct Entry: Encodable {
        var id: String
        var events: Int64
      }
    }

    func run() async throws {
      let rebuilt = try await Workplace.use(try Settings(options), options: options) { place in
        var rebuilt: [JSON.Entry] = []
        for id in try await place.workspaceIDs(named: workspaces) {
          let last = try await Projections(place.pool, named: projection).rebuild(id.text)
          rebuilt.append(.init(id: id.text, events: last))
          guard options.output == .table else { continue }
          Console.data("  \(id)  rebuilt from \(Sentence.count(Int(last), "event"))")
        }
        return rebuilt
      }
      if options.output == .json { try JSONOutput.print(JSON(projection: projection, workspaces: rebuilt)) }
      ProjectionsCommand.remarkIfNone(rebuilt.count, options)
    }
  }

  /// `marketplace projections check`
  struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check", abstract: "Compute them anew beside the live ones and compare row by row.",
      discussion: "Changes nothing. Exit code 8 when they differ. For example: marketplace projections check dev01")
    @OptionGroup var options: GlobalOptions
    @Option(help: "One that you registered, instead of those behind the catalog.") var projection = Projections.name
    @Argument(help: "Workspaces; all when none is named.") var workspaces: [String] = []

    private struct JSON: Encodable {
      var schema = "marketplace.projections.check/1"
      var projection: String
      var workspaces: [Entry]

      struct Entry: Encodable {
        var id: String
        var differences: [String]
      }
    }

    func run() async throws {
      let found = try await Workplace.use(try Settings(options), options: options) { place in
        var found: [JSON.Entry] = []
        for id in try await place.workspaceIDs(named: workspaces) {
          let differences = try await place.projectionDifferences(of: id, projection: projection)
          found.append(.init(id: id.text, differences: differences.map(\.message)))
          guard options.output == .table else { continue }
          for difference in differences { Console.data("  \(id)  \(Sentence.printable(difference.message))") }
          if differences.isEmpty { Console.data("  \(id)  equal to the log") }
        }
        return found
      }
      if options.output == .json { try JSONOutput.print(JSON(projection: projection, workspaces: found)) }
      ProjectionsCommand.remarkIfNone(found.count, options)
      if found.contains(where: { !$0.differences.isEmpty }) { throw JobEnded(status: .integrity) }
    }
  }

  private static func remarkIfNone(_ workspaces: Int, _ options: GlobalOptions) {
    if workspaces == 0, !options.quiet { Console.remark("  no workspace has a log yet") }
  }
}
