import Access
import Foundation
import HTTPTypes
import Hummingbird
import Ledger

extension EventRoutes {
  func some(_ request: Request, _ context: ServerContext) async throws -> Response {
    let workspace = try Self.workspace(context)
    let query = try RequestQuery(request.uri.query)
    let limit = try Self.limit(query)
    try await sources.expect(workspace: workspace)
    let after = try query["cursor"].map { try EventCursor.number($0, .sequence) } ?? 0
    let page = try await sources.ledger.read(
      workspace: workspace, after: SequenceCursor(after), types: Self.types(query), limit: limit,
      bytesMax: Self.pageBytesMax)
    if page.events.isEmpty, after > 0, try await sources.ledger.heads()[workspace] ?? 0 < after {
      throw Self.beyond("cursor")
    }
    return try Self.page(page.events, next: EventCursor.text(.sequence, page.next.sequence), page.isLast, request)
  }

  func stream(_ request: Request, _ context: ServerContext) async throws -> Response {
    let workspace = try Self.workspace(context)
    let query = try RequestQuery(request.uri.query)
    guard let stream = Address.decoded(try context.parameters.require("stream"), plusIsSpace: false),
      !stream.contains("\0")
    else { throw Problem(.badRequest, "path_malformed", "The address is not encoded as it should be.") }
    let after = try query["cursor"].map { try EventCursor.number($0, .version) } ?? 0
    let page = try await sources.ledger.read(
      stream: stream, in: workspace, after: VersionCursor(after), limit: try Self.limit(query),
      bytesMax: Self.pageBytesMax)
    if page.events.isEmpty {
      // A cursor beyond the end is nobody's, and would be taken for the version of the stream.
      let before = try await sources.ledger.read(
        stream: stream, in: workspace, after: VersionCursor(max(0, after - 1)), limit: 1, bytesMax: 1)
      guard !before.events.isEmpty else {
        throw Problem(.notFound, "unknown_stream", "Workspace \(workspace) has no such stream.", field: "stream")
      }
    }
    var response = try Self.page(
      page.events, next: EventCursor.text(.version, page.next.version), page.isLast, request)
    // Who read to the end knows the version that an append may expect.
    if page.isLast { response.headers[.eTag] = "\"\(page.next.version)\"" }
    return response
  }

  func all(_ request: Request, _ context: ServerContext) async throws -> Response {
    let query = try RequestQuery(request.uri.query)
    let wanted = Wanted(workspaces: Set(query.all("workspace")), types: Self.types(query), caller: context.caller)
    for workspace in wanted.workspaces {
      guard workspace.wholeMatch(of: Self.workspaceForm) != nil else {
        throw Problem(
          .badRequest, "bad_parameter", "'\(workspace.prefix(60))' is no name of a workspace.", field: "workspace")
      }
      try context.caller.reach(workspace)
    }
    let (form, last, limit) = (try Self.form(query), try Self.last(request), try Self.limit(query))
    let isLatest = query["cursor"] == "latest"
    let cursor = try isLatest ? nil : query["cursor"].map { try EventCursor.number($0, .position) }
    if Self.accepts("text/event-stream", request) {
      // What a browser says when it comes again goes before the address that it began with.
      let start = if let last { last } else if isLatest { try await feed.newest() } else { cursor ?? 0 }
      if !isLatest || last != nil { try await expect(start, field: last == nil ? "cursor" : "Last-Event-ID") }
      return try follow(request, after: start, wanted, form)
    }
    let after = isLatest ? try await sources.ledger.lastPosition() : cursor ?? 0
    // A page is of what was looked at; those who reach little of it get shorter ones.
    let page = try await sources.ledger.read(
      after: PositionCursor(after), types: wanted.types, limit: limit, bytesMax: Self.pageBytesMax)
    if page.events.isEmpty { try await expect(after, field: "cursor") }
    return try Self.page(
      page.events.filter(wanted.has), next: EventCursor.text(.position, page.next.position), page.isLast, request)
  }

  /// A position that the log does not have yet was given by another log, or by this one before it was set back: to wait for it
  /// would pass over what is appended until then.
  private func expect(_ position: Int64, field: String) async throws {
    guard position > 0, try await sources.ledger.lastPosition() < position else { return }
    throw Self.beyond(field)
  }

  private static func beyond(_ field: String) -> Problem {
    Problem(
      .notFound, "cursor_beyond_end",
      "The log ends before that: it was set back since, or this is the cursor of another. Read again what you have from it.",
      field: field)
  }

  /// Which events are wanted, and may be had.
  struct Wanted: Sendable {
    let workspaces: Set<String>
    let types: [String]?
    let caller: Caller?

    func has(_ event: RecordedEvent) -> Bool {
      (workspaces.isEmpty || workspaces.contains(event.workspace)) && caller.reaches(event.workspace)
        && types?.contains(event.type) ?? true
    }
  }

  private static func types(_ query: RequestQuery) -> [String]? {
    let types = query.all("type")
    return types.isEmpty ? nil : types
  }

  static func limit(_ query: RequestQuery) throws -> Int {
    Int(try query.number("limit", within: 1...pageMax) ?? Int64(pageDefault))
  }

  static func accepts(_ type: String, _ request: Request) -> Bool {
    (request.headers[.accept] ?? "").split(separator: ",").contains {
      $0.split(separator: ";").first?.trimmingCharacters(in: .whitespaces).lowercased() == type
    }
  }

  private static let cloudEvents = "application/cloudevents-batch+json"

  private static func form(of request: Request) -> EventForms {
    accepts(cloudEvents, request) ? .cloudevents : .plain
  }

  private static func page(
    _ events: [RecordedEvent], next: String, _ isLast: Bool, _ request: Request
  ) throws -> Response {
    let form = form(of: request)
    let texts = try events.map { try form.text($0) }.joined(separator: ",")
    guard form == .plain else {
      // The format has no place for it but the head.
      var address = Address(request.uri.path, try RequestQuery(request.uri.query).pairs.map { ($0.name, $0.value) })
      address = address.with("cursor", next)
      var response = Answer.text("[\(texts)]", type: cloudEvents)
      response.headers[HTTPField.Name("Link") ?? .location] = "<\(address.text)>; rel=\"\(isLast ? "last" : "next")\""
      return response
    }
    return Answer.text(
      #"{"schema":"marketplace.events/1","last":\#(isLast),"next":"\#(next)","events":[\#(texts)]}"#,
      type: "application/json")
  }
}
