import ArgumentParser
import Catalog
import Foundation
import Ledger
import Postgres

/// `marketplace replay`
struct ReplayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Make the past again from history, or say what changed between two moments.",
    discussion: """
      Folds the events up to a moment into a schema of its own and compares it, row by row, with what the as-of functions \
      answer: exit code 8 when they differ. With --into the schema stays, for any SQL. For example:
        marketplace replay --as-of 2026-03-01
        marketplace replay --as-of 4711 --into march
        marketplace replay --diff 2026-03-01 2026-04-01
      """)
  @OptionGroup var options: GlobalOptions
  @OptionGroup var asOf: CatalogCommand.AsOfOption
  @Option(help: ArgumentHelp("Keep what was folded in this schema, which must not exist.", valueName: "schema"))
  var into: String?
  @Flag(help: "Do not compare it with the as-of functions; with --into.")
  var withoutComparison = false
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "What changed in the catalog between two moments, and the events that did it.", valueName: "moment moment"))
  var diff: [String] = []

  private struct JSON: Encodable {
    var schema = "marketplace.replay/1"
    var exit_code: Int32
    var position: Int64
    var sealed_at: String?
    var workspaces: Int
    var events: Int64
    var into: String?
    var views: [View]

    struct View: Encodable {
      var name: String
      var rows, differences: Int64
    }
  }

  func validate() throws {
    guard diff.isEmpty || diff.count == 2 else {
      throw ValidationError("--diff takes two moments, for example: --diff 2026-03-01 2026-04-01")
    }
    guard into != nil || !withoutComparison else {
      throw ValidationError("--without-comparison needs --into: there would be nothing to show for it.")
    }
    guard diff.isEmpty || (asOf.asOf == nil && into == nil) else {
      throw ValidationError("--diff takes its moments itself: --as-of and --into do not go with it.")
    }
  }

  func run() async throws {
    let settings = try Settings(options)
    guard diff.isEmpty else { return try await tellChanges(settings) }
    let schema = into ?? "replay_\(UUID().uuidString.lowercased().replacing("-", with: "").prefix(16))"
    let (outcome, views) = try await Workplace.use(settings, options: options) { place in
      let replay = Replay(place.pool)
      let position = try await position(asOf.moment(place, settings), replay, place, settings)
      let isTold = options.output == .table && !options.quiet
      let outcome = try await replay.fold(through: position, into: schema) { workspace, events in
        if isTold { Console.remark("  \(workspace)  \(Sentence.count(Int(events), "event"))") }
      }
      do {
        let views = withoutComparison ? [] : try await replay.compare(schema)
        if into == nil { try await replay.drop(schema) }
        return (outcome, views)
      } catch {
        if into == nil { try? await Task { try await replay.drop(schema) }.value }
        throw error
      }
    }
    let status: ExitStatus = views.allSatisfy { $0.differences == 0 } ? .done : .integrity
    switch options.output {
    case .json:
      try JSONOutput.print(
        JSON(
          exit_code: status.rawValue, position: outcome.position, sealed_at: outcome.sealedAt?.rfc3339,
          workspaces: outcome.workspaces, events: outcome.events, into: into,
          views: views.map { JSON.View(name: $0.view, rows: $0.rows, differences: $0.differences) }))
    case .table: tell(outcome, views)
    }
    if status != .done { throw JobEnded(status: status) }
  }

  private func tell(_ outcome: Replay.Outcome, _ views: [Replay.Comparison]) {
    let sealed = outcome.sealedAt.map { ", sealed \(Sentence.time($0))" } ?? ""
    Console.data(
      "  position \(outcome.position)\(sealed): \(Sentence.count(Int(outcome.events), "event")) of "
        + "\(Sentence.count(outcome.workspaces, "workspace")) folded")
    var table = Table(["VIEW", "ROWS", "BESIDE THE AS-OF FUNCTION"])
    for view in views {
      table.add([
        view.view, "\(view.rows)",
        view.differences == 0 ? "equal" : Sentence.count(Int(view.differences), "row") + " of either differ",
      ])
    }
    if !views.isEmpty { table.print() }
    if let into { Console.data("  select * from \(into).catalog") }
  }

  /// The position that a moment means.
  private func position(
    _ moment: AsOf, _ replay: Replay, _ place: Workplace, _ settings: Settings
  ) async throws -> Int64 {
    switch moment {
    case .position(let position): return position
    case .time(let time): return try await replay.position(at: time)
    case .now:
      try await place.sealToRead(settings)
      return try await replay.lastPosition()
    }
  }

  private struct Changes: Encodable {
    var schema = "marketplace.replay.diff/1"
    var from, to: Int64
    var changes: [ChangeDocument]
  }

  private func tellChanges(_ settings: Settings) async throws {
    let (from, to, changes) = try await Workplace.use(settings, options: options) { place in
      let replay = Replay(place.pool)
      var positions: [Int64] = []
      for moment in diff {
        let asOf = try CatalogCommand.AsOfOption.moment(moment, option: "--diff")
        positions.append(try await position(asOf, replay, place, settings))
      }
      guard positions[0] <= positions[1] else {
        throw Failure(
          .usage, "bad_moment", "--diff \(diff[0]) \(diff[1]): the first comes after the second. Turn them round.")
      }
      return (positions[0], positions[1], try await Catalog(place.pool).changes(from: positions[0], to: positions[1]))
    }
    switch options.output {
    case .json:
      try JSONOutput.print(Changes(from: from, to: to, changes: changes.map { ChangeDocument($0) }))
    case .table:
      Console.data("  from position \(from) to \(to): \(Sentence.count(changes.count, "model")) of the catalog changed")
      for change in changes { Self.tell(change) }
    }
  }

  /// The fields that say what became of a model; the others are named only.
  private static let shown = ["state", "source_version", "available_version", "marketplace_version", "name"]

  private static func tell(_ change: CatalogChange) {
    let name = change.marketplaceName ?? "\(change.workspace)/\(change.name ?? "?")"
    Console.data("")
    Console.data("  \(Sentence.printable(name))  ·  \(change.kind.rawValue)")
    for field in shown.compactMap(change.field) {
      Console.data(
        "    \(field.name): \(Sentence.printable(field.before ?? "–")) → \(Sentence.printable(field.after ?? "–"))")
    }
    let others = change.fields.map(\.name).filter { !shown.contains($0) }
    if change.kind == .changed, !others.isEmpty { Console.data("    also \(others.joined(separator: ", "))") }
    for line in change.events {
      Console.data(
        "      \(Sentence.time(line.recordedAt))  \(line.workspace)/\(line.sequence)  \(Sentence.printable(line.what))")
    }
  }
}
