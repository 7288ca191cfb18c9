import ArgumentParser
import Catalog
import Foundation
import Ledger
import Postgres

/// `marketplace catalog`
struct CatalogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "catalog", abstract: "What is available, and what was.",
    discussion: "For example: marketplace catalog list --as-of 2026-03-01",
    subcommands: [List.self, Search.self, Show.self, History.self], defaultSubcommand: List.self)

  /// The moment that a question is about.
  struct AsOfOption: ParsableArguments {
    @Option(
      help: "As known then: a position of the ledger, or a time (RFC 3339, or a day such as 2026-03-01).")
    var asOf: String?

    /// The moment; what was appended up to now is sealed first, so that it has a place in the order. Who may not
    /// seal is answered from what others sealed.
    func moment(_ place: Workplace, _ settings: Settings) async throws -> AsOf {
      guard let asOf else { return .now }
      try await place.sealToRead(settings)
      if let position = Int64(asOf) { return .position(position) }
      let day = asOf.wholeMatch(of: /\d{4}-\d{2}-\d{2}/) != nil
      guard let time = Timestamp(rfc3339: day ? asOf + "T00:00:00Z" : asOf) else {
        throw Failure(
          .usage, "bad_moment",
          "--as-of '\(asOf)' is neither a position nor a time. Write 4711, 2026-03-01 or 2026-03-01T09:30:00Z.")
      }
      return .time(time)
    }
  }

  /// `marketplace catalog list`
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Every model of the catalog.",
      discussion: """
        For example:
          marketplace catalog list --workspace dev01
          marketplace catalog list --as-of 2026-03-01T09:30:00Z --output json
        """)
    @OptionGroup var options: GlobalOptions
    @OptionGroup var asOf: AsOfOption
    @Option(help: "Only this workspace's models.") var workspace: String?

    func run() async throws {
      let settings = try Settings(options)
      let entries = try await Workplace.use(settings, options: options) { place in
        let catalog = Catalog(place.pool)
        let entries = try await catalog.list(asOf: try await asOf.moment(place, settings), workspace: workspace)
        if entries.isEmpty, let workspace { try await Self.expectKnown(workspace, in: catalog) }
        return entries
      }
      try CatalogOutput.print(entries, schema: "marketplace.catalog.list/1", options)
    }

    /// A name with a typing error must not pass for a workspace without models.
    private static func expectKnown(_ workspace: String, in catalog: Catalog) async throws {
      let known = try await catalog.workspaces().map(\.workspace)
      guard !known.contains(workspace) else { return }
      throw Failure(
        .usage, "unknown_workspace",
        "'\(workspace)' is no known workspace. Known: \(known.isEmpty ? "none yet" : known.joined(separator: ", ")).")
    }
  }

  /// `marketplace catalog search`
  struct Search: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "search", abstract: "Models whose names, descriptions, tags or owner hold every word.",
      discussion: "For example: marketplace catalog search readmission xgboost")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var asOf: AsOfOption
    @Argument(help: "The words.") var words: [String]

    func run() async throws {
      let settings = try Settings(options)
      let entries = try await Workplace.use(settings, options: options) { place in
        try await Catalog(place.pool).search(words.joined(separator: " "), asOf: try await asOf.moment(place, settings))
      }
      try CatalogOutput.print(entries, schema: "marketplace.catalog.search/1", options)
    }
  }

  /// `marketplace catalog show`
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "One model: what it is, where it comes from, how to load it.",
      discussion: "For example: marketplace catalog show dev01.readmission-risk")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var asOf: AsOfOption
    @Argument(help: "Its name in the marketplace, or workspace/name.") var model: String

    func run() async throws {
      let settings = try Settings(options)
      let entry = try await Workplace.use(settings, options: options) { place in
        try await CatalogOutput.entry(model, in: Catalog(place.pool), asOf: try await asOf.moment(place, settings))
      }
      switch options.output {
      case .json: try JSONOutput.print(CatalogOutput.One(entry: .init(entry)))
      case .table: CatalogOutput.printDetails(entry, registry: settings.file.marketplace?.registry)
      }
    }
  }

  /// `marketplace catalog history`
  struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "history", abstract: "Everything that happened to a model, in order.",
      discussion: "For example: marketplace catalog history dev01/readmission-risk")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var asOf: AsOfOption
    @Argument(help: "Its name in the marketplace, or workspace/name.") var model: String

    func run() async throws {
      let settings = try Settings(options)
      let lines = try await Workplace.use(settings, options: options) { place in
        let catalog = Catalog(place.pool)
        let moment = try await asOf.moment(place, settings)
        // A re-created model goes on under its predecessor's name, so a name may have several histories.
        var lines: [HistoryLine] = []
        for reference in try await catalog.models(named: model, asOf: moment) {
          lines += try await catalog.history(of: reference.model, in: reference.workspace, asOf: moment)
        }
        guard !lines.isEmpty else { throw CatalogOutput.unknown(model, asOf: moment) }
        return lines.sorted { ($0.workspace, $0.sequence) < ($1.workspace, $1.sequence) }
      }
      try CatalogOutput.print(lines, options)
    }
  }
}
