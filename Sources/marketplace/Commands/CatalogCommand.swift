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
    subcommands: [List.self, Search.self, Show.self, History.self, Explain.self, Production.self],
    defaultSubcommand: List.self)

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
      return try Self.moment(asOf, option: "--as-of")
    }

    /// A position or a time, as it is written.
    static func moment(_ text: String, option: String) throws -> AsOf {
      guard let moment = AsOf(text: text), moment != .now else {
        throw Failure(
          .usage, "bad_moment",
          "\(option) '\(text)' is neither a position nor a time. Write 4711, 2026-03-01 or 2026-03-01T09:30:00Z.")
      }
      return moment
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
      case .json: try JSONOutput.print(CatalogOutput.One(entry: CatalogDocument(entry)))
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

  /// `marketplace catalog explain`
  struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "explain",
      abstract: "Why a version is in the catalog, or is not: every rule and event that decided it.",
      discussion: "For example: marketplace catalog explain dev01/readmission-risk 7")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var asOf: AsOfOption
    @Argument(help: "Its name in the marketplace, or workspace/name.") var model: String
    @Argument(help: "The version's number at the source.") var version: Int

    func run() async throws {
      let settings = try Settings(options)
      let explanation = try await Workplace.use(settings, options: options) { place in
        let catalog = Catalog(place.pool)
        let moment = try await asOf.moment(place, settings)
        let references = try await catalog.models(named: model, asOf: moment)
        guard !references.isEmpty else { throw CatalogOutput.unknown(model, asOf: moment) }
        // A re-created model goes on under its predecessor's name: the one that had the version last is meant.
        var found: [Explanation] = []
        for reference in references {
          if let one = try await catalog.explain(version: version, of: reference, asOf: moment) { found.append(one) }
        }
        guard
          let last = found.max(by: { ($0.steps.first?.sequence ?? 0) < ($1.steps.first?.sequence ?? 0) })
        else {
          throw Failure(
            .failed, "unknown_version",
            "\(model) has no version \(version) that was ever seen\(moment == .now ? "" : " as of then"). 'marketplace catalog "
              + "history \(model)' lists those that were.")
        }
        return last
      }
      try CatalogOutput.print(explanation, options)
    }
  }

  /// `marketplace catalog production`
  struct Production: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "production", abstract: "Which version each source meant at a time, by what is known today.",
      discussion: """
        The other question, what was known at a time, is 'catalog list --as-of'. Where nobody had looked the answer is \
        unknown, never no. For example:
          marketplace catalog production 2026-03-01
        """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The time (RFC 3339, or a day such as 2026-03-01).") var time: String

    func run() async throws {
      guard case .time(let time) = try AsOfOption.moment(time, option: "TIME") else {
        throw Failure(
          .usage, "bad_moment", "'\(time)' is a position. Write a time: 2026-03-01 or 2026-03-01T09:30:00Z.")
      }
      let answers = try await Workplace.use(try Settings(options), options: options) { place in
        try await Catalog(place.pool).production(at: time)
      }
      try CatalogOutput.print(answers, at: time, options)
    }
  }
}
