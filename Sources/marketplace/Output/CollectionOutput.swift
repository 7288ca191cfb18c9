import Marketplace
import Transfer

/// How a collection is told.
struct CollectionOutput {
  let report: CollectionReport
  let status: ExitStatus
  /// Our clock, in milliseconds since 1970.
  let now: Int64

  struct JSON: Encodable {
    var schema = "marketplace.storage.gc/1"
    var exit_code: Int32
    var dry_run: Bool
    var folders: Int
    var kept: [String: Int]
    var outcomes: [String: Int]
    var bytes: Int64
    var items: [Item]
    var unknown: [String]
    var unknown_count: Int

    struct Item: Encodable {
      var reason: String
      var outcome: String
      var path: String
      var workspace: String
      var age_seconds: Int64
      var files: Int
      var bytes: Int64
      var error: Problem?
    }

    struct Problem: Encodable {
      var code: String
      var message: String
      var retriable: Bool
    }
  }

  var json: JSON {
    JSON(
      exit_code: status.rawValue, dry_run: report.isDryRun, folders: report.folders,
      kept: Dictionary(report.kept.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: +),
      outcomes: Dictionary(report.counts.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: +),
      bytes: report.bytes,
      items: report.items.map { item in
        .init(
          reason: item.reason.rawValue, outcome: item.outcome.rawValue, path: item.path,
          workspace: item.workspace.text, age_seconds: max(0, (now - item.since) / 1_000), files: item.files,
          bytes: item.bytes,
          error: item.trouble.map { .init(code: $0.code, message: $0.message, retriable: $0.retriable) })
      }, unknown: report.unknown, unknown_count: report.unknownCount)
  }

  /// One item for people.
  static func line(_ item: CollectedItem, at now: Int64) -> String {
    let what =
      switch item.reason {
      case .orphan: "no event names it"
      case .deadAttempt: "begun, and no longer needed"
      case .givenUp: "given up, and no longer needed"
      case .unfinished: "an upload that was never finished"
      }
    let outcome =
      switch item.outcome {
      case .planned: "would go"
      case .collected: "gone"
      case .busy: "another run is working on its model"
      case .changed: "stays: it has changed meanwhile"
      case .failed: "NOT removed: \(item.trouble?.message ?? "")"
      case .left: "left for the next run"
      }
    let age = Sentence.age(milliseconds: now - item.since)
    let size = item.reason == .unfinished && item.bytes == 0 ? "" : ", \(Sentence.bytes(item.bytes))"
    return Sentence.printable("  \(item.path)  \(what), \(age) old\(size): \(outcome)")
  }

  func printSummary() {
    for path in report.unknown { Console.data("  \(Sentence.printable(path))  unknown: stays") }
    if report.unknownCount > report.unknown.count {
      Console.data("  and \(report.unknownCount - report.unknown.count) more unknown")
    }
    let kept = CollectionReport.Keeping.allCases.compactMap { reason in
      report.kept[reason].map { "\($0) \(Self.words[reason] ?? "")" }
    }
    Console.data(
      "  \(Sentence.count(report.folders, "folder")): \(kept.isEmpty ? "none stays" : kept.joined(separator: ", "))")
    let planned = report.counts[.planned] ?? 0
    let gone = report.counts[.collected] ?? 0
    Console.data(
      report.isDryRun
        ? "  \(Sentence.count(planned, "thing")) of \(Sentence.bytes(report.bytes)) would go"
          + (planned > 0 ? "; --delete removes them" : "")
        : "  \(Sentence.count(gone, "thing")) of \(Sentence.bytes(report.bytes)) gone"
          + (report.counts[.failed].map { ", \($0) NOT removed" } ?? ""))
  }

  private static let words: [CollectionReport.Keeping: String] = [
    .live: "live", .underWay: "under way", .awaited: "given up and awaiting a successor", .young: "too young",
    .unknown: "unknown",
  ]
}
