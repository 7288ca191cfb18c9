import Catalog
import Foundation
import Postgres

/// How the catalog is printed.
enum CatalogOutput {
  struct Entries: Encodable {
    var schema: String
    var models: [CatalogDocument]
  }

  struct One: Encodable {
    var schema = "marketplace.catalog.show/1"
    var entry: CatalogDocument
  }

  struct Lines: Encodable {
    var schema = "marketplace.catalog.history/1"
    var history: [HistoryDocument]
  }

  static func print(_ entries: [CatalogEntry], schema: String, _ options: GlobalOptions) throws {
    switch options.output {
    case .json: try JSONOutput.print(Entries(schema: schema, models: entries.map { CatalogDocument($0) }))
    case .table:
      var table = Table(["MODEL", "VERSION", "FROM", "STATE", "SINCE", "BYTES", "MANIFEST SHA-256"])
      for entry in entries {
        let from = [entry.workspace, entry.version.map { "v\($0)" }].compactMap(\.self).joined(separator: " ")
        table.add([
          entry.marketplaceName ?? "\(entry.workspace)/\(entry.name ?? "")",
          entry.marketplaceVersion.map { "\($0)" } ?? "–", from, entry.state.rawValue, Sentence.time(entry.since),
          entry.export?.bytes.map { Sentence.bytes(Int64($0)) } ?? "–",
          entry.export?.manifestSHA256.map { "\($0.prefix(12))…" } ?? "–",
        ])
      }
      table.print()
      if entries.isEmpty { Console.remark("  no models") }
    }
  }

  static func printDetails(_ entry: CatalogEntry, registry: String?) {
    let title = entry.marketplaceName ?? "\(entry.workspace)/\(entry.name ?? "")"
    Console.data("  " + Sentence.printable(title) + "  ·  " + entry.state.rawValue)
    if let description = entry.description { Console.data("  " + Sentence.printable(description)) }
    if let reason = entry.reason { Console.data("  " + Sentence.printable(reason)) }
    var table = Table(["", ""])
    table.add(["from", "\(entry.workspace)/\(entry.name ?? "")\(entry.version.map { " v\($0)" } ?? "")"])
    table.add(["since", Sentence.time(entry.since)])
    if let owner = entry.owner { table.add(["owner", owner]) }
    if let flavors = entry.flavors { table.add(["flavours", flavors.joined(separator: ", ")]) }
    if let export = entry.export {
      table.add(["export", export.uri ?? "–"])
      table.add(["files", "\(export.files ?? 0), \(Sentence.bytes(Int64(export.bytes ?? 0)))"])
      table.add(["manifest SHA-256", export.manifestSHA256 ?? "–"])
      table.add(["model SHA-256", export.modelSHA256 ?? "–"])
    }
    table.add(["event", "\(entry.workspace)/\(entry.sequence)"])
    for line in table.lines.dropFirst() { Console.data(line) }
    if let name = entry.marketplaceName, let version = entry.marketplaceVersion {
      Console.data("")
      Console.data("  load it:")
      if let registry { Console.data("    mlflow.set_tracking_uri(\"\(registry)\")") }
      Console.data("    model = mlflow.pyfunc.load_model(\"models:/\(Sentence.printable(name))/\(version)\")")
    }
  }

  static func print(_ lines: [HistoryLine], _ options: GlobalOptions) throws {
    switch options.output {
    case .json:
      try JSONOutput.print(Lines(history: lines.map { HistoryDocument($0) }))
    case .table:
      var table = Table(["WHEN", "WHAT", "EVENT"])
      for line in lines {
        table.add([when(line), line.what, "\(line.workspace)/\(line.sequence)"])
      }
      table.print()
      if lines.contains(where: { $0.happened?.lower != nil }) {
        Console.data("  The source does not say when or who; two observations bracket each change. Times are UTC.")
      }
    }
  }

  /// When it happened as far as that is known, else when it was recorded.
  private static func when(_ line: HistoryLine) -> String {
    guard let happened = line.happened, let upper = happened.upper else { return Sentence.time(line.recordedAt) }
    guard let lower = happened.lower else { return "by \(Sentence.time(upper))" }
    guard lower < upper else { return Sentence.time(upper) }
    let from = Sentence.time(lower)
    let to = Sentence.time(upper)
    return from.prefix(10) == to.prefix(10) ? "\(from) – \(to.dropFirst(11))" : "\(from) – \(to)"
  }

  /// The one entry that a name means.
  static func entry(_ name: String, in catalog: Catalog, asOf: AsOf) async throws -> CatalogEntry {
    let found = try await catalog.entries(named: name, asOf: asOf)
    guard let entry = found.first else { throw unknown(name, asOf: asOf) }
    guard found.count == 1 else {
      let names = found.map { "\($0.workspace)/\($0.name ?? "")" }.joined(separator: ", ")
      throw Failure(.usage, "ambiguous_model", "'\(name)' is the name of \(found.count) models: \(names).")
    }
    return entry
  }

  static func unknown(_ name: String, asOf: AsOf) -> Failure {
    let then = asOf == .now ? "" : " as of then"
    return Failure(
      .failed, "unknown_model",
      "No model called '\(name)' is known\(then). 'marketplace catalog search' finds by words; 'catalog history' also knows "
        + "what was withdrawn.")
  }
}
