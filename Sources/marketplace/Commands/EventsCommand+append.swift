import ArgumentParser
import Foundation
import Ledger
import Marketplace
import Postgres

extension EventsCommand {
  /// `marketplace events append`
  struct Append: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "append", abstract: "Append one event, or those of a file.",
      discussion: """
        Doing it again is harmless: an event with an id that is there keeps its sequence. With --from, each line of the file is \
        an event; with --stream and --type, each is a record that becomes the data of one, in JSON or, with --format csv, as \
        comma-separated values. A line that is wrong is named, and the others are kept; with --atomic none is. For example:
          marketplace events append dev01 --stream evaluation/nightly --type acme.Evaluated '{"auc":0.91}'
          marketplace events append dev01 --from events.ndjson
          marketplace events append dev01 --from results.csv --format csv --number auc \\
            --stream 'evaluation/{model}' --type acme.Evaluated --key model --key dataset --key night
        """)
    @OptionGroup var options: GlobalOptions

    /// How a file is written.
    enum Format: String, ExpressibleByArgument, CaseIterable {
      case ndjson, csv
    }

    @Argument(help: "The workspace.") var workspace: String
    @Argument(help: "The data of one event, a JSON object; '-' or nothing reads standard input.") var json: String?
    @Option(help: "The stream; of records, {key} stands for a value of the record.") var stream: String?
    @Option(help: "The type, under a prefix of your own.") var type: String?
    @Option(help: "The version of the type.") var typeVersion: Int16 = 1
    @Option(help: "Of one event: its id, a UUID of your choice; random when left out.") var id: String?
    @Option(help: "Of one event: the stream's version this was decided on; refused when it has moved.")
    var expectedVersion: Int64?
    @Option(help: "Of one event: when it happened, RFC 3339.") var occurredAt: String?
    @Option(help: ArgumentHelp("Append what a file holds; '-' for standard input.", valueName: "file")) var from:
      String?
    @Option(help: "How the file is written: ndjson or csv.") var format: Format = .ndjson
    @Option(
      help: ArgumentHelp(
        "Of records: a key that is part of the id, within stream and type; without any, all of the record is.",
        valueName: "key"))
    var key: [String] = []
    @Option(help: ArgumentHelp("Of records: the key that says when it happened, in RFC 3339.", valueName: "key"))
    var occurredAtKey: String?
    @Option(help: ArgumentHelp("Of comma-separated values: a column of numbers; others are text.", valueName: "column"))
    var number: [String] = []
    @Flag(help: "All lines or none, in one transaction. Others that append to the workspace wait meanwhile.")
    var atomic = false
    @Option(help: ArgumentHelp("End after so many lines that are wrong.", valueName: "n")) var badMax: Int = 1_000

    func validate() throws {
      if let id, UUID(uuidString: id) == nil { throw ValidationError("--id takes a UUID.") }
      if let occurredAt, Timestamp(rfc3339: occurredAt) == nil {
        throw ValidationError("--occurred-at takes RFC 3339, such as 2026-03-01T00:00:00Z.")
      }
      guard typeVersion > 0, badMax > 0 else { throw ValidationError("--type-version and --bad-max begin with 1.") }
      guard from != nil else {
        if stream == nil || type == nil {
          throw ValidationError("One event needs --stream and --type; or name a file with --from.")
        }
        if atomic || format != .ndjson || !key.isEmpty || !number.isEmpty || occurredAtKey != nil {
          throw ValidationError("--atomic, --format, --key, --number and --occurred-at-key go with --from.")
        }
        return
      }
      if json != nil || id != nil || expectedVersion != nil || occurredAt != nil {
        throw ValidationError(
          "With --from, the file has the events: data, --id, --expected-version and --occurred-at go with one.")
      }
      if (stream == nil) != (type == nil) { throw ValidationError("Records need both --stream and --type.") }
      if stream == nil, format == .csv || !key.isEmpty || occurredAtKey != nil {
        throw ValidationError(
          "Comma-separated values, --key and --occurred-at-key are for records: give --stream and --type.")
      }
      if format != .csv, !number.isEmpty { throw ValidationError("--number goes with --format csv.") }
    }

    private struct JSON: Encodable {
      var schema = "marketplace.append/1"
      var workspace: String
      var sequence: Int64
      var id: String
      var replayed: Bool
    }

    private struct FileJSON: Encodable {
      var schema = "marketplace.append.file/1"
      var exit_code: Int32
      var workspace: String
      var lines, appended, replayed: Int
      var cut_short: Bool
      var bad: [Bad]

      struct Bad: Encodable {
        var line: Int
        var reason: String
      }
    }

    func run() async throws {
      guard let from else { return try await appendOne() }
      let mapping = EventMapping(
        format: format == .csv ? .csv : .ndjson, stream: stream, type: type, typeVersion: typeVersion, key: key,
        occurredAt: occurredAtKey, numbers: Set(number))
      let settings = try Settings(options)
      let source = try EventSource(try Self.open(from), for: workspace, mapping: mapping, makeID: NameBasedUUID.make)
      let began = Date()
      let report = try await Workplace.use(settings, options: options) { place in
        if atomic { return try await place.ledger.ingestAtomically(source, to: workspace) }
        let progress = CountLine(isQuiet: options.quiet || options.output == .json)
        defer { progress.finish() }
        return try await place.ledger.ingest(source, to: workspace, badMax: badMax) { report in
          progress.show("\(report.lines) lines, \(report.appended) appended")
        }
      }
      let status: ExitStatus = report.bad.isEmpty ? .done : .someFailed
      switch options.output {
      case .json:
        try JSONOutput.print(
          FileJSON(
            exit_code: status.rawValue, workspace: workspace, lines: report.lines, appended: report.appended,
            replayed: report.replayed, cut_short: report.isCutShort,
            bad: report.bad.map { .init(line: $0.number, reason: $0.reason) }))
      case .table: tell(report, Date().timeIntervalSince(began))
      }
      if status != .done { throw JobEnded(status: status) }
    }

    private func tell(_ report: IngestReport, _ seconds: Double) {
      for bad in report.bad { Console.data("  line \(bad.number): \(Sentence.oneLine(bad.reason))") }
      guard !atomic || report.bad.isEmpty else {
        return Console.data("  \(workspace): nothing was appended, since line \(report.bad[0].number) is wrong")
      }
      var words = ["\(Sentence.count(report.lines, "line"))", "\(report.appended) appended"]
      if report.replayed > 0 { words.append("\(report.replayed) there already") }
      if !report.bad.isEmpty { words.append("\(report.bad.count) wrong") }
      Console.data(
        "  \(workspace): \(words.joined(separator: ", ")) in \(Sentence.seconds(seconds))"
          + (report.isCutShort ? "; ended early, with --bad-max \(badMax) lines wrong" : ""))
    }

    private static func open(_ path: String) throws -> FileHandle {
      if path == "-" { return .standardInput }
      var isDirectory: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue,
        let file = FileHandle(forReadingAtPath: path)
      else {
        throw Failure(.usage, "file_unreadable", "--from: \(path) cannot be read.")
      }
      return file
    }

    private func appendOne() async throws {
      guard let stream, let type else { return }
      let eventID = id.flatMap { UUID(uuidString: $0) } ?? UUID()
      let occurred = occurredAt.flatMap { Timestamp(rfc3339: $0) }
      let text = try json.flatMap { $0 == "-" ? nil : $0 } ?? Self.standardInput()
      let event = NewEvent(
        stream: stream, expectedVersion: expectedVersion, id: eventID, type: type, typeVersion: typeVersion,
        occurredAt: occurred, data: text, cause: nil)
      let result = try await Workplace.use(try Settings(options), options: options) { place in
        try await place.ledger.append([event], to: workspace, run: nil)
      }
      let sequence = result.sequences[0]
      switch options.output {
      case .json:
        try JSONOutput.print(
          JSON(
            workspace: workspace, sequence: sequence, id: eventID.uuidString.lowercased(),
            replayed: result.replayed > 0))
      case .table:
        Console.data("  \(workspace)/\(sequence)\(result.replayed > 0 ? "  (was there already)" : "")")
      }
    }

    private static func standardInput() throws -> String {
      let bytes = try FileHandle.standardInput.read(upToCount: EventRules.dataBytesMax + 1) ?? Data()
      return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }
}
