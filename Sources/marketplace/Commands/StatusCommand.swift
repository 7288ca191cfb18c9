import ArgumentParser
import Catalog
import Foundation
import Postgres

/// `marketplace status`
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Whether anything needs doing, in a few lines.",
    discussion: """
      Asks the ledger only, no registry. Exit code 3 when something needs doing; metrics say so themselves and end \
      with 0. For example:
        marketplace status
        marketplace status --watch
        marketplace status --output prometheus --file /var/lib/prometheus/node-exporter/marketplace.prom
      """)
  @OptionGroup var options: PlaceOptions

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "How to print: table for people, json for programs, prometheus for monitoring (text format 0.0.4).",
      valueName: "format"))
  var output: Format = .table

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Write there, replacing the file in one step, for a textfile collector; with prometheus or json.",
      valueName: "path"))
  var file: String?

  @Flag(help: "Show it again every few seconds, with a line for each workspace, until Ctrl-C.")
  var watch = false

  /// Seconds between two looks with --watch.
  static let watchSeconds: Int64 = 5

  /// How the status is printed.
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case table
    case json
    case prometheus
  }

  func validate() throws {
    if watch, output != .table { throw ValidationError("--watch is for people: it goes with --output table.") }
    if file != nil, output == .table { throw ValidationError("--file goes with --output prometheus or json.") }
  }

  struct Facts: Encodable, Sendable {
    var schema = "marketplace.status/1"
    var workspaces: Int
    var last_read: String?
    var available: Int
    var pending: [String]
    var failing: [String]
    var unreadable: [String]
    var unattended: [String]
    var stale: [String]
    var events: Int
    var unsealed: Int
    var by_workspace: [WorkspaceStatus]
  }

  func run() async throws {
    let settings = try Settings(options)
    let configured = Set(try settings.workspaces(named: []).map(\.id))
    if watch { return try await watch(settings, configured: configured) }
    let facts = try await Workplace.use(settings, options: options) { place in
      try await Self.collect(place, configured: configured)
    }
    switch output {
    case .json: try write(try JSONOutput.text(facts))
    case .table: Self.print(facts)
    case .prometheus:
      try write(StatusMetrics(facts, at: Date()).text)
      return
    }
    let isWell = facts.failing.isEmpty && facts.unreadable.isEmpty && facts.stale.isEmpty
    if !isWell { throw JobEnded(status: .someFailed) }
  }

  /// Looks again and again. A database that is away is waited for, since whoever watches wants to see it come back.
  private func watch(_ settings: Settings, configured: Set<String>) async throws {
    try await Workplace.use(settings, options: options) { place in
      let interruption = Interruption()
      while !interruption.isStopping {
        var lines: [String] = []
        do {
          let facts = try await Self.collect(place, configured: configured)
          lines = Self.lines(of: facts) + [""] + Self.table(of: facts.by_workspace)
        } catch let error as PostgresError {
          lines = ["  the database does not answer: \(error)"]
        }
        if isatty(STDOUT_FILENO) == 1 { lines.insert("\u{1b}[H\u{1b}[J", at: 0) }
        Console.data((lines + ["", "  \(Sentence.time(.now())) UTC; Ctrl-C ends it"]).joined(separator: "\n"))
        // Whoever reads it through a pipe wants it now, and not when a buffer is full.
        fflush(nil)
        await interruption.wait(for: .seconds(Self.watchSeconds))
      }
    }
  }

  /// A line for each workspace.
  private static func table(of workspaces: [WorkspaceStatus]) -> [String] {
    var table = Table(["WORKSPACE", "STATE", "LAST READ", "MEANT", "AVAILABLE", "PENDING", "FAILED"])
    for workspace in workspaces {
      table.add([
        workspace.id, workspace.stale ? "\(workspace.state), catalog stale" : workspace.state,
        workspace.last_success.map(Sentence.time) ?? "never", "\(workspace.current)", "\(workspace.available)",
        "\(workspace.pending)", "\(workspace.failed)",
      ])
    }
    return table.lines
  }

  /// To standard output, or as the file that was named.
  private func write(_ text: String) throws {
    guard let file else { return Console.data(text.hasSuffix("\n") ? String(text.dropLast()) : text) }
    try ReplacedFile(path: file).write(text.hasSuffix("\n") ? text : text + "\n")
  }

  static func collect(_ place: Workplace, configured: Set<String>) async throws -> Facts {
    let catalog = Catalog(place.pool)
    let workspaces = try await catalog.workspaces().filter { $0.registry != nil || $0.unreadableSince != nil }
    let entries = try await catalog.list()
    let counts = try await place.pool.read { session in
      try session.query(
        """
        select coalesce(sum(h.last_sequence), 0)::bigint as events,
               coalesce(sum(h.last_sequence - coalesce(s.sequence, 0)), 0)::bigint as unsealed
        from ledger.head h left join ledger.sealed s using (workspace)
        """)[0]
    }
    func names(_ states: [CatalogEntry.State]) -> [String] {
      entries.filter { states.contains($0.state) }.map { entry in
        "\(entry.workspace)/\(entry.name ?? "") v\(entry.sourceVersion ?? entry.version ?? 0): \(entry.reason ?? entry.state.rawValue)"
      }
    }
    return Facts(
      workspaces: workspaces.count, last_read: workspaces.compactMap(\.observedTo).min()?.rfc3339,
      available: entries.count { $0.availableVersion != nil },
      pending: names([.pending, .supersededPending, .withdrawalPending]), failing: names([.failed, .supersededFailed]),
      unreadable: workspaces.filter(\.isUnreadable).map {
        "\($0.workspace): \($0.message ?? $0.reason ?? "")"
      },
      unattended: workspaces.filter { $0.state != "disconnected" && !configured.contains($0.workspace) }.map(
        \.workspace),
      stale: try await Projections(place.pool).stale().map { "\($0.workspace) from sequence \($0.from)" },
      events: try counts.int("events"), unsealed: try counts.int("unsealed"),
      by_workspace: WorkspaceStatus.all(of: workspaces, entries, configured: configured))
  }

  private static func print(_ facts: Facts) { for line in lines(of: facts) { Console.data(line) } }

  private static func lines(of facts: Facts) -> [String] {
    let read = facts.last_read.map { ", the oldest reading from \($0.prefix(19).replacing("T", with: " ")) UTC" } ?? ""
    let unread = facts.unreadable.isEmpty ? "" : ", \(facts.unreadable.count) not readable"
    var lines = [
      "  \(Sentence.count(facts.workspaces, "workspace"))\(unread)\(read)",
      "  \(Sentence.count(facts.available, "model")) available, \(facts.pending.count) pending, \(facts.failing.count) failing",
      "  \(Sentence.count(facts.events, "event")) in the ledger, \(facts.unsealed) not yet sealed",
    ]
    for (what, found) in [
      ("failing", facts.failing), ("pending", facts.pending), ("not readable", facts.unreadable),
      ("unattended", facts.unattended), ("stale projections", facts.stale),
    ] {
      lines += found.map { "  \(what): \(Sentence.printable($0))" }
    }
    if facts.failing.isEmpty, facts.unreadable.isEmpty, facts.stale.isEmpty { lines.append("  nothing needs doing") }
    return lines
  }
}
