import ArgumentParser
import Audit
import Catalog
import Foundation
import Ledger

extension AuditCommand {
  /// `marketplace audit segments`
  struct Segments: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "segments",
      abstract: "Keep old stretches of the log in files of their own, and their data out of the database.",
      discussion: """
        A segment holds 65,536 positions with all their data and a proof: ops/audit/verify.py verifies it by itself. Once it is \
        written, data of events that later ones have replaced may be taken out of the database. No root, no id and no \
        answer changes by it. For example:
          marketplace audit segments write
          marketplace audit segments detach --before 2020-01-01
        """,
      subcommands: [List.self, Write.self, Verify.self, Detach.self, Attach.self], defaultSubcommand: List.self)

    /// A segment, and what was done with it.
    struct Line: Encodable {
      var segment: Int64
      var first, last: Int64
      var state: String
      var detached: Int64?
      var without_data: Int?
    }

    private struct JSON: Encodable {
      var schema = "marketplace.audit.segments/1"
      var segments: [Line]
    }

    static func print(_ lines: [Line], _ options: GlobalOptions, empty: String) throws {
      guard options.output == .table else { return try JSONOutput.print(JSON(segments: lines)) }
      guard !lines.isEmpty else { return Console.data("  \(empty)") }
      var table = Table(["SEGMENT", "POSITIONS", "", "EVENTS"])
      for line in lines {
        let events = line.detached.map { "\($0) detached" } ?? line.without_data.map { "\($0) redacted" } ?? ""
        table.add(["\(line.segment)", "\(line.first)–\(line.last)", line.state, events])
      }
      table.print()
    }

    static let none = "No segment is full: one holds 65536 events under a published checkpoint."

    /// `marketplace audit segments list`
    struct List: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Every segment that is full: whether it is written, and how much of it is detached.",
        discussion: "For example: marketplace audit segments list")
      @OptionGroup var options: GlobalOptions

      func run() async throws {
        let settings = try Settings(options)
        let segments = try settings.segments()
        let (written, complete) = (Set(try await segments.written()), try await segments.complete())
        let detached = try await Workplace.use(settings, options: options) { place in
          try await place.ledger.detached(bySegmentsOf: segments.size)
        }
        let lines = (0..<complete).map { number in
          let positions = segments.positions(of: number)
          return Line(
            segment: number, first: positions.lowerBound, last: positions.upperBound,
            state: written.contains(number) ? "written" : "not written", detached: detached[number] ?? 0)
        }
        try Segments.print(lines, options, empty: Segments.none)
      }
    }

    /// `marketplace audit segments write`
    struct Write: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        commandName: "write", abstract: "Write every full segment that is not there yet.",
        discussion: """
          For example:
            marketplace audit segments write
            marketplace audit segments write --again 3
          """)
      @OptionGroup var options: GlobalOptions
      @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
          "Write these anew, though they are there: without what was redacted since.", valueName: "segment"))
      var again: [Int64] = []

      func run() async throws {
        let settings = try Settings(options)
        let segments = try settings.segments()
        let complete = try await segments.complete()
        try Segments.check(again, complete)
        let lines = try await Workplace.use(settings, options: options) { place in
          var lines: [Line] = []
          for number in again.isEmpty ? Array(0..<complete) : again {
            let isWritten = try await segments.write(number, from: place.ledger, again: !again.isEmpty)
            let positions = segments.positions(of: number)
            lines.append(
              Line(
                segment: number, first: positions.lowerBound, last: positions.upperBound,
                state: isWritten ? "written now" : "was written"))
          }
          return lines
        }
        try Segments.print(lines, options, empty: Segments.none)
      }
    }

    /// `marketplace audit segments verify`
    struct Verify: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Verify segments by themselves: checkpoint, proof, and the hash of all data.",
        discussion:
          "Needs no database; exit code 8 for one that is not sound. For example: marketplace audit segments verify")
      @OptionGroup var options: GlobalOptions
      @Argument(help: ArgumentHelp("Which; every one that is written, without.", valueName: "segment"))
      var numbers: [Int64] = []

      func run() async throws {
        let segments = try Settings(options).segments()
        var lines: [Line] = []
        for number in numbers.isEmpty ? try await segments.written() : numbers {
          let report = try await segments.verify(number)
          lines.append(
            Line(
              segment: number, first: report.positions.lowerBound, last: report.positions.upperBound, state: "sound",
              without_data: report.withoutData))
        }
        try Segments.print(lines, options, empty: "No segment is written.")
      }
    }

    /// `marketplace audit segments detach`
    struct Detach: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        commandName: "detach", abstract: "Take data of replaced events out of the database, where a segment holds it.",
        discussion: """
          Each segment is verified and compared with the database first. Of the marketplace's own events those of observations \
          lose their data, all but the newest; of others, types for which ledger.let_detach was called. Needs a member of \
          ledger_owner. Space is free for new events after the next vacuum. For example:
            marketplace audit segments detach --before 2020-01-01
          """)
      @OptionGroup var options: GlobalOptions
      @Option(help: ArgumentHelp("Segments that end before this position or time.", valueName: "moment"))
      var before: String

      func run() async throws {
        let settings = try Settings(options)
        let segments = try settings.segments()
        let moment = try CatalogCommand.AsOfOption.moment(before, option: "--before")
        let lines = try await Workplace.use(settings, options: options) { place in
          let position =
            switch moment {
            case .position(let position): position
            case .time(let time): try await place.ledger.position(at: time)
            case .now: try await place.ledger.lastPosition()
            }
          var lines: [Line] = []
          for number in try await segments.written() where segments.positions(of: number).upperBound <= position {
            let positions = segments.positions(of: number)
            lines.append(
              Line(
                segment: number, first: positions.lowerBound, last: positions.upperBound, state: "detached",
                detached: try await segments.detach(number, from: place.ledger)))
          }
          return lines
        }
        try Segments.print(
          lines, options,
          empty:
            "No segment that is written ends before that. 'marketplace audit segments write' writes those that are full."
        )
      }
    }

    /// `marketplace audit segments attach`
    struct Attach: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        commandName: "attach", abstract: "Put data back that was detached, byte for byte.",
        discussion: "Needs a member of ledger_owner. For example: marketplace audit segments attach 0 1")
      @OptionGroup var options: GlobalOptions
      @Argument(help: ArgumentHelp("Which; every one that is written, without.", valueName: "segment"))
      var numbers: [Int64] = []

      func run() async throws {
        let settings = try Settings(options)
        let segments = try settings.segments()
        let lines = try await Workplace.use(settings, options: options) { place in
          let written = try await segments.written()
          if let missing = numbers.first(where: { !written.contains($0) }) {
            throw Failure(
              .usage, "unknown_segment",
              "Segment \(missing) is not written, so nothing can be put back from it. 'marketplace audit segments list' has those "
                + "that are.")
          }
          var lines: [Line] = []
          for number in numbers.isEmpty ? written : numbers {
            let positions = segments.positions(of: number)
            let count = try await segments.attach(number, to: place.ledger)
            lines.append(
              Line(
                segment: number, first: positions.lowerBound, last: positions.upperBound,
                state: "\(count) attached"))
          }
          return lines
        }
        try Segments.print(lines, options, empty: "No segment is written.")
      }
    }

    private static func check(_ numbers: [Int64], _ complete: Int64) throws {
      guard let wrong = numbers.first(where: { !(0..<complete).contains($0) }) else { return }
      throw Failure(
        .usage, "unknown_segment",
        complete == 0 ? none : "Segment \(wrong) is none: those that are full are 0 to \(complete - 1).")
    }
  }
}
