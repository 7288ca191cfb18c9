import ArgumentParser
import Foundation
import Ledger
import Postgres

/// `marketplace events`
struct EventsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events", abstract: "Read, append and follow the ledger.",
    discussion: "For example: marketplace events read dev01 --limit 20",
    subcommands: [Read.self, Append.self, Tail.self])

  /// `marketplace events read`
  struct Read: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "read", abstract: "Print events, one JSON object a line.",
      discussion: """
        Of a workspace by sequence, of a stream by version, or of everything by position. For example:
          marketplace events read dev01 --type ExportFailed --type ImportFailed
          marketplace events read --after 4711 --limit 100
        """)
    @OptionGroup var options: GlobalOptions

    @Argument(help: "The workspace; everything that is sealed when none is named.")
    var workspace: String?

    @Option(help: "Only this stream of the workspace.")
    var stream: String?

    @Option(help: "Only these types.")
    var type: [String] = []

    @Option(help: "Only what this run appended.")
    var run: String?

    @Option(help: "Begin after this sequence, version or position.")
    var after: Int64 = 0

    @Option(help: "At most so many events.")
    var limit: Int?

    func validate() throws {
      if stream != nil, workspace == nil { throw ValidationError("--stream needs a workspace.") }
      if let run, UUID(uuidString: run) == nil { throw ValidationError("--run takes the id that a run printed.") }
      if let limit, limit < 0 { throw ValidationError("--limit must be 0 or more.") }
      if after < 0 { throw ValidationError("--after must be 0 or more.") }
    }

    func run() async throws {
      let settings = try Settings(options)
      try await Workplace.use(settings, options: options) { place in
        let wanted = run.flatMap { UUID(uuidString: $0) }
        if let workspace {
          // A name with a typing error must not pass for a workspace without events.
          _ = try await place.workspaceIDs(named: [workspace])
        } else {
          try await place.sealToRead(settings)
        }
        var printed = 0
        var cursor = after
        while limit.map({ printed < $0 }) ?? true {
          let (events, next, isLast) = try await page(place.ledger, after: cursor)
          for event in events where (wanted == nil || event.run == wanted) && (limit.map { printed < $0 } ?? true) {
            Console.data(try EventLine(event).json())
            printed += 1
          }
          cursor = next
          if isLast { return }
        }
      }
    }

    private func page(_ ledger: Ledger, after: Int64) async throws -> ([RecordedEvent], Int64, Bool) {
      let types = type.isEmpty ? nil : type
      if let workspace, let stream {
        let page = try await ledger.read(stream: stream, in: workspace, after: VersionCursor(after))
        return (page.events.filter { types?.contains($0.type) ?? true }, page.next.version, page.isLast)
      }
      if let workspace {
        let page = try await ledger.read(workspace: workspace, after: SequenceCursor(after), types: types)
        return (page.events, page.next.sequence, page.isLast)
      }
      let page = try await ledger.read(after: PositionCursor(after), types: types)
      return (page.events, page.next.position, page.isLast)
    }
  }

  /// `marketplace events tail`
  struct Tail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "tail", abstract: "Print events in the global order as they come, one JSON object a line.",
      discussion: """
        Nothing is skipped and nothing printed twice; --after goes on from a position. For example:
          marketplace events tail --after 4711
        """)
    @OptionGroup var options: GlobalOptions

    @Option(help: "Begin after this position.")
    var after: Int64 = 0

    func run() async throws {
      let settings = try Settings(options)
      try await Workplace.use(settings, options: options) { place in
        try await place.sealToRead(settings)
        // Where the log is published, whoever publishes seals: it looks first whether the database goes on from it.
        let seals = settings.file.audit == nil
        for try await event in place.ledger.tail(after: PositionCursor(after), seals: seals) {
          Console.data(try EventLine(event).json())
        }
      }
    }
  }
}
