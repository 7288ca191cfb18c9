import Foundation
import Marketplace
import Transfer

/// What a job's run is told as, for people and for programs.
struct JobOutput {
  /// With more items than this, a workspace's plain successes are summed up in its line.
  static let itemsListedMax = 20

  let name: String
  let report: JobReport
  let isDryRun: Bool
  let requests: Int
  let seconds: Double
  let interrupted: ExitStatus?
  /// The deadline, when it has passed.
  var deadline: Span?

  private var items: [Item] { report.workspaces.flatMap(\.items) }

  /// Pieces of work that were due, and workspaces, which the run did not begin.
  var left: (items: Int, workspaces: Int) {
    (count(.left), report.workspaces.count { $0.trouble?.code == Trouble.notBegun.code })
  }

  private func count(_ action: Item.Action) -> Int { items.count { $0.action == action } }

  /// What the program ends with.
  var status: ExitStatus {
    if let interrupted { return interrupted }
    let hasTrouble = report.workspaces.contains { $0.trouble != nil } || report.marketplaceTrouble != nil
    if hasTrouble || items.contains(where: \.isFailure) { return .someFailed }
    if report.workspaces.contains(where: { !$0.unhealed.isEmpty }) { return .someFailed }
    if items.contains(where: { $0.action == .left }) { return .someFailed }
    return items.contains { $0.action == .busy } ? .held : .done
  }

  func printTable() {
    let widest = report.workspaces.map { $0.workspace.text.count }.max() ?? 0
    for workspace in report.workspaces { print(workspace, width: widest) }
    for workspace in report.unattended {
      Console.data("  \(workspace)  unattended: connected, but not in this configuration. It keeps its models.")
    }
    if let trouble = report.marketplaceTrouble {
      Console.data("  marketplace  NOT followed: \(Sentence.printable(trouble.message))")
    }
    Console.data("  " + summary)
    if let ending { Console.data("  " + ending) }
  }

  /// Why the run ended before everything was done.
  private var ending: String? {
    if interrupted != nil { return "interrupted: what is recorded is consistent; run again to go on" }
    guard let deadline, left != (0, 0) else { return nil }
    let rest = [(left.items, "item"), (left.workspaces, "workspace")].filter { $0.0 > 0 }
    let words = rest.map { Sentence.count($0.0, $0.1) }.joined(separator: " and ")
    return "the deadline of \(deadline.text) has passed: \(words) left; run again to go on"
  }

  private func print(_ workspace: WorkspaceReport, width: Int) {
    let id = workspace.workspace.text + String(repeating: " ", count: width - workspace.workspace.text.count)
    if workspace.trouble?.code == Trouble.notBegun.code {
      Console.data("  \(id)  not begun")
    } else if let trouble = workspace.trouble {
      Console.data("  \(id)  NOT read: \(Sentence.printable(trouble.message)) Its models keep their state.")
    } else if let line = summaryLine(workspace) {
      Console.data("  \(id)  \(line)")
    } else if !workspace.items.isEmpty {
      Console.data("  \(workspace.workspace)")
    }
    let blank = String(repeating: " ", count: width)
    for line in itemLines(workspace.items) { Console.data("  \(blank)  \(line)") }
  }

  private func summaryLine(_ workspace: WorkspaceReport) -> String? {
    var parts: [String] = []
    if workspace.models > 0 || name == "observe" { parts.append(Sentence.count(workspace.models, "model")) }
    if workspace.changes > 0 { parts.append(Sentence.count(workspace.changes, "change")) }
    if workspace.promotions > 0 { parts.append("\(Sentence.count(workspace.promotions, "promotion")) found") }
    let exported = workspace.items.filter { $0.action == .exported }
    let imported = workspace.items.filter { $0.action == .imported }
    if !exported.isEmpty {
      // A plan lists no artifacts, so it cannot know their bytes.
      let bytes = isDryRun ? "" : "  \(Sentence.bytes(exported.reduce(0) { $0 + $1.bytes }))"
      parts.append("\(isDryRun ? "to export" : "exported") \(exported.count)\(bytes)")
    }
    if !imported.isEmpty { parts.append("\(isDryRun ? "to import" : "imported") \(imported.count)") }
    if workspace.changes == 0, workspace.items.isEmpty { parts.append("nothing changed") }
    return parts.isEmpty ? nil : parts.joined(separator: "  ")
  }

  /// A line for each model that something was done with; what one model went through stands in one line.
  private func itemLines(_ items: [Item]) -> [String] {
    let isLong = items.count > Self.itemsListedMax
    let groups = Dictionary(grouping: items.indices, by: { items[$0].model }).values.sorted { $0[0] < $1[0] }
    var rows: [[String]] = []
    var remarks: [Int: String] = [:]
    for group in groups.map({ $0.map { items[$0] } }) {
      let plain: Set<Item.Action> = [.exported, .imported, .promoted]
      if isLong, group.allSatisfy({ plain.contains($0.action) }) { continue }
      remarks[rows.count] = group.compactMap { $0.trouble.map { Sentence.printable($0.message) } }.first
      rows.append([Sentence.printable(group[0].model), versions(group), words(group)])
    }
    let widths = [0, 1].map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.enumerated().flatMap { index, row -> [String] in
      let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
      let line = (cells + [row[2]]).joined(separator: "  ")
      return [line] + (remarks[index].map { ["    \($0)"] } ?? [])
    }
  }

  private func versions(_ group: [Item]) -> String {
    let to = group.last { $0.version != nil }?.version
    let from = group.compactMap(\.from).first
    switch (from, to) {
    case (let from?, let to?) where from != to: return "v\(from) → v\(to)"
    case (_, let to?): return "v\(to)"
    case (let from?, nil): return "v\(from)"
    case (nil, nil): return ""
    }
  }

  private func words(_ group: [Item]) -> String {
    let would = isDryRun ? "would be " : ""
    let actions = group.map(\.action)
    let words: [String] = group.compactMap { item in
      switch item.action {
      case .exported: "exported"
      case .imported: "imported"
      // Every import ends in a promotion; it is worth a word only on its own.
      case .promoted: actions.contains(.imported) ? nil : "promoted again"
      case .rolledBack: actions.contains(.exported) ? "rolled back" : "rolled back, no bytes copied"
      case .withdrawn: "withdrawn"
      case .driftPutBack: "changed by hand in the marketplace, put back"
      case .invalidated:
        actions.contains(.imported) ? "export found damaged" : "export found damaged, to be made again"
      case .lost: "deleted by hand in the marketplace"
      case .failed: "NOT done"
      case .held: "NOT tried again: it failed for good (--retry-failed tries)"
      case .busy: "another run is working on it"
      case .blocked: "NOT withdrawn"
      case .skipped: "left out"
      case .notImported: "not imported: no longer promoted"
      case .left: "left for the next run"
      }
    }
    return would + words.joined(separator: ", ")
  }

  private var summary: String {
    let sequences = report.workspaces.compactMap(\.sequences)
    let isQuiet =
      items.allSatisfy { $0.action == .notImported }
      && report.workspaces.allSatisfy { $0.changes == 0 && $0.trouble == nil }
    let cost = "(\(Sentence.count(requests, "request")), \(Sentence.seconds(seconds)))"
    if isQuiet, report.marketplaceTrouble == nil {
      return "nothing changed in \(Sentence.count(report.workspaces.count, "workspace")) \(cost)"
    }
    let unread = report.workspaces.count { $0.trouble != nil } - left.workspaces
    var parts = ["\(count(.exported)) exported", "\(count(.imported)) imported"]
    if count(.rolledBack) > 0 { parts.append("\(count(.rolledBack)) rolled back") }
    if count(.withdrawn) > 0 { parts.append("\(count(.withdrawn)) withdrawn") }
    parts.append("\(items.count(where: \.isFailure)) failed")
    if left.items > 0 { parts.append("\(left.items) left") }
    if left.workspaces > 0 { parts.append("\(Sentence.count(left.workspaces, "workspace")) not begun") }
    if unread > 0 { parts.append("\(Sentence.count(unread, "workspace")) not read") }
    let done = parts.joined(separator: ", ")
    let plan = isDryRun ? "plan, nothing was changed: " : ""
    let events = sequences.isEmpty ? "" : "  events \(sequences.reduce(0) { $0 + $1.count })"
    return "\(plan)\(done) in \(Sentence.seconds(seconds))   run \(report.run.uuidString.lowercased())\(events)"
  }
}
