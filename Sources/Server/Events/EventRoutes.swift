import Access
import Foundation
import HTTPTypes
import Hummingbird
import Ledger
import Marketplace
import NIOCore
import Postgres

/// Events for programs: appended, read, and followed.
struct EventRoutes: Sendable {
  /// Bytes that what is sent may have.
  static let bodyBytesMax = 16_777_216
  /// Seconds within which it has to come.
  static let bodySeconds: Int64 = 60
  /// Events of a page, unless told otherwise, and at most.
  static let pageDefault = 100
  static let pageMax: Int64 = 1_000
  /// Bytes of data of a page, unless its first event has more.
  static let pageBytesMax = 4_194_304
  /// Bytes of an idempotency key.
  static let keyBytesMax = 200

  let sources: ServiceSources
  let appends: GroupCommit
  let feed: EventFeed
  let guardian: Guardian
  private let budget = BodyBudget()

  init(sources: ServiceSources, appends: GroupCommit, feed: EventFeed, guardian: Guardian) {
    self.sources = sources
    self.appends = appends
    self.feed = feed
    self.guardian = guardian
  }

  func add(to routes: Routes) {
    let reading = Authorization(scope: .readEvents, guardian: guardian)
    let appending = Authorization(scope: .appendEvents, guardian: guardian)
    routes.at("/v1/events", reading, get: { request, context in try await all(request, context) })
    routes.at(
      "/v1/workspaces/:workspace/events", reading, get: { request, context in try await some(request, context) },
      post: (appending, { request, context in try await append(request, context) }))
    routes.at(
      "/v1/workspaces/:workspace/streams/:stream", reading,
      get: { request, context in try await stream(request, context) })
  }

  private static var workspaceForm: Regex<Substring> { /[a-z0-9-]{1,63}/ }

  /// The workspace that an address names.
  private static func workspace(_ context: ServerContext) throws -> String {
    let workspace = try context.parameters.require("workspace")
    guard workspace.wholeMatch(of: workspaceForm) != nil else {
      throw Problem(
        .notFound, "unknown_workspace", "A workspace has 1 to 63 of a to z, 0 to 9 and '-' in its name.",
        field: "workspace")
    }
    try context.caller.reach(workspace)
    return workspace
  }
}

// MARK: - Appending

extension EventRoutes {
  private struct Appended: Encodable {
    var schema = "marketplace.appended/1"
    var workspace, recorded_at: String
    var appended, replayed: Int
    var events: [One]

    struct One: Encodable {
      var id: String
      var sequence: Int64
      var replayed: Bool
    }
  }

  private func append(_ request: Request, _ context: ServerContext) async throws -> Response {
    let workspace = try Self.workspace(context)
    guard let principal = context.caller?.principal else {
      throw Problem(.forbidden, "no_principal", "Events are appended by somebody, and a token says by whom.")
    }
    try Self.expectJSON(request)
    let key = try Self.key(of: request)
    // Held until the answer: what was read is in memory until then, in some form.
    let share = budget.share()
    defer { withExtendedLifetime(share) {} }
    let bytes = try await Self.body(of: request, share)
    var sent = try Self.events(in: bytes, workspace: workspace) { place in
      key.map { NameBasedUUID.make(["keyed", workspace, principal, $0, "\(place)"]) }
    }
    try Self.expect(request, &sent)
    // Whether something is in a workspace that is not reached is nobody's business either.
    for event in sent.events { if let cause = event.cause { try context.caller.reach(cause.workspace) } }
    let receipt: GroupCommit.Receipt
    do {
      receipt = try await appends.append(sent.events, to: workspace, run: sent.run, as: principal)
    } catch is GroupCommit.Full {
      throw Self.busy
    } catch let error as LedgerError {
      throw Problem(appending: error, isOne: sent.isOne)
    }
    let isNew = receipt.isNew.contains(true)
    var response = try Answer.json(
      Appended(
        workspace: workspace, recorded_at: receipt.recordedAt.rfc3339,
        appended: receipt.isNew.count { $0 }, replayed: receipt.isNew.count { !$0 },
        events: zip(sent.events, zip(receipt.sequences, receipt.isNew)).map {
          .init(id: $0.id.uuidString.lowercased(), sequence: $1.0, replayed: !$1.1)
        }), status: isNew ? .created : .ok)
    if sent.isOne { response.headers[.location] = "/events/\(workspace)/\(receipt.sequences[0])" }
    return response
  }

  private static func events(
    in bytes: [UInt8], workspace: String, makeID: @escaping @Sendable (Int) -> UUID?
  ) throws -> SentEvents {
    do throws(SentEvents.Fault) {
      return try SentEvents(bytes, workspace: workspace, makeID: makeID)
    } catch {
      throw Problem(
        error.isRule ? .unprocessableContent : .badRequest, "bad_event",
        "\(error.pointer.isEmpty ? "What was sent" : error.pointer): \(error.reason).",
        pointer: error.pointer)
    }
  }

  private static func expectJSON(_ request: Request) throws {
    let type = (request.headers[.contentType] ?? "").split(separator: ";").first?
      .trimmingCharacters(in: .whitespaces).lowercased()
    guard type == "application/json" else {
      throw Problem(
        .unsupportedMediaType, "not_json", "Events are sent as application/json.", field: "Content-Type",
        headers: [.accept: "application/json"])
    }
  }

  private static func key(of request: Request) throws -> String? {
    guard let key = HTTPField.Name("Idempotency-Key").flatMap({ request.headers[$0] }) else { return nil }
    guard (1...keyBytesMax).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21..<0x7f).contains($0) }) else {
      throw Problem(
        .badRequest, "bad_idempotency_key", "An Idempotency-Key has 1 to \(keyBytesMax) visible characters of ASCII.",
        field: "Idempotency-Key")
    }
    return key
  }

  private static var busy: Problem {
    Problem(
      .serviceUnavailable, "busy", "So much is being appended that no more can wait. Try again.",
      headers: [.retryAfter: "1"])
  }

  private static func body(of request: Request, _ share: BodyBudget.Share) async throws -> [UInt8] {
    let tooLarge = Problem(
      .contentTooLarge, "body_too_large", "What is sent at once may have \(bodyBytesMax) bytes. Send it in several.")
    if let length = request.headers[.contentLength].flatMap({ Int64($0) }), length > Int64(bodyBytesMax) {
      throw tooLarge
    }
    return try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
      group.addTask {
        var bytes: [UInt8] = []
        for try await part in request.body {
          guard bytes.count + part.readableBytes <= bodyBytesMax else { throw tooLarge }
          guard share.take(part.readableBytes) else { throw busy }
          bytes += part.readableBytesView
        }
        return bytes
      }
      group.addTask {
        try await Task.sleep(for: .seconds(bodySeconds))
        return nil
      }
      defer { group.cancelAll() }
      guard let bytes = try await group.next() ?? nil else {
        throw Problem(
          .requestTimeout, "body_too_slow", "What is sent has to come within \(bodySeconds) seconds.",
          headers: [.connection: "close"])
      }
      return bytes
    }
  }

  /// What the stream of a single event has to be at, where the request's head says it.
  private static func expect(_ request: Request, _ sent: inout SentEvents) throws {
    let (match, noneMatch) = (request.headers[.ifMatch], request.headers[.ifNoneMatch])
    guard match != nil || noneMatch != nil else { return }
    let field = match == nil ? "If-None-Match" : "If-Match"
    guard sent.isOne, sent.events[0].expectedVersion == nil, match == nil || noneMatch == nil else {
      throw Problem(
        .unprocessableContent, "bad_expectation",
        "\(field) goes with one event that has no expected_version; events of a batch say it each.", field: field)
    }
    if noneMatch != nil {
      guard noneMatch == "*" else {
        throw Problem(
          .badRequest, "bad_expectation", "If-None-Match: * expects a stream without events; nothing else is known.",
          field: field)
      }
      sent.events[0].expectedVersion = 0
      return
    }
    let text = (match ?? "").filter { $0 != "\"" }
    guard let version = Int64(text), version >= 0, match == "\"\(version)\"" else {
      throw Problem(
        .badRequest, "bad_expectation", "If-Match is the stream's version in quotes, such as \"7\".", field: field)
    }
    sent.events[0].expectedVersion = version
  }
}

extension Problem {
  /// Why the ledger refused what was sent.
  init(appending error: LedgerError, isOne: Bool) {
    func place(_ index: Int?, _ field: String) -> String? {
      isOne ? "/\(field)" : index.map { "/events/\($0)/\(field)" }
    }
    let told = error.message
    switch error.code {
    case .invalidEvent(let index, let offset):
      self.init(
        .unprocessableContent, "bad_event", told,
        pointer: offset == nil ? (isOne ? "" : index.map { "/events/\($0)" }) : place(index, "data"))
    case .unknownType:
      self.init(
        .unprocessableContent, "unknown_type", told + " Whoever owns the ledger registers types.",
        pointer: place(nil, "type"))
    case .unknownCause:
      self.init(.unprocessableContent, "unknown_cause", told, pointer: place(nil, "cause"))
    case .unknownWorkspace:
      self.init(.notFound, "unknown_workspace", told, field: "workspace")
    case .notAllowed where error.lacksGrant:
      self.init(.forbidden, "not_allowed", told)
    case .notAllowed:
      self.init(of: error)
    case .sameIDOtherContent:
      self.init(.conflict, "same_id_other_content", told, pointer: place(nil, "id"))
    case .wrongExpectedVersion(_, _, let actual):
      self.init(
        .preconditionFailed, "wrong_expected_version", told, pointer: place(nil, "expected_version"),
        headers: [.eTag: "\"\(actual)\""])
    case .migrationEdited, .databaseNewer, .migrationFailed:
      self.init(of: error)
    }
  }
}

// MARK: - Reading

extension EventRoutes {
  private func some(_ request: Request, _ context: ServerContext) async throws -> Response {
    let workspace = try Self.workspace(context)
    let query = try RequestQuery(request.uri.query)
    let limit = try Self.limit(query)
    guard try await sources.ledger.heads()[workspace] != nil else {
      throw Problem(.notFound, "unknown_workspace", "There is no workspace \(workspace).", field: "workspace")
    }
    let after = try query["cursor"].map { try EventCursor.number($0, .sequence) } ?? 0
    let page = try await sources.ledger.read(
      workspace: workspace, after: SequenceCursor(after), types: Self.types(query), limit: limit,
      bytesMax: Self.pageBytesMax)
    return try Self.page(page.events, next: EventCursor.text(.sequence, page.next.sequence), page.isLast, request)
  }

  private func stream(_ request: Request, _ context: ServerContext) async throws -> Response {
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

  private func all(_ request: Request, _ context: ServerContext) async throws -> Response {
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
      return follow(request, after: start, wanted, form)
    }
    let after = isLatest ? try await sources.ledger.lastPosition() : cursor ?? 0
    // A page is of what was looked at; those who reach little of it get shorter ones.
    let page = try await sources.ledger.read(
      after: PositionCursor(after), types: wanted.types, limit: limit, bytesMax: Self.pageBytesMax)
    return try Self.page(
      page.events.filter(wanted.has), next: EventCursor.text(.position, page.next.position), page.isLast, request)
  }

  /// Which events are wanted, and may be had.
  private struct Wanted: Sendable {
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

  private static func limit(_ query: RequestQuery) throws -> Int {
    Int(try query.number("limit", within: 1...pageMax) ?? Int64(pageDefault))
  }

  private static func accepts(_ type: String, _ request: Request) -> Bool {
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

// MARK: - Following

extension EventRoutes {
  /// How events are written while following.
  private static func form(_ query: RequestQuery) throws -> EventForms {
    guard let text = query["format"] else { return .plain }
    guard let form = EventForms(rawValue: text) else {
      throw Problem(
        .badRequest, "bad_parameter",
        "format is '\(text.prefix(60))': \(EventForms.allCases.map(\.rawValue).joined(separator: ", ")) are known.",
        field: "format")
    }
    return form
  }

  /// Where somebody who comes again was.
  private static func last(_ request: Request) throws -> Int64? {
    guard let text = HTTPField.Name("Last-Event-ID").flatMap({ request.headers[$0] }), !text.isEmpty else { return nil }
    return try EventCursor.number(text, .position, field: "Last-Event-ID")
  }

  /// An id without data moves where a client goes on, and is no event to it.
  private static func beat(_ position: Int64) -> ByteBuffer {
    ByteBuffer(string: "id: \(EventCursor.text(.position, position))\n:\n\n")
  }

  private func follow(_ request: Request, after start: Int64, _ wanted: Wanted, _ form: EventForms) -> Response {
    let (feed, guardian) = (feed, guardian)
    return Response(
      status: .ok,
      headers: [
        .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store",
        HTTPField.Name("X-Accel-Buffering") ?? .cacheControl: "no",
      ],
      body: ResponseBody { writer in
        let clock = ContinuousClock()
        var (position, wroteAt) = (start, clock.now)
        try await writer.write(ByteBuffer(string: "retry: 2000\nid: \(EventCursor.text(.position, position))\n\n"))
        steps: while true {
          let step = try await feed.step(after: position)
          // A token that is taken back, or ends, ends this too.
          guard (try? await guardian.admit(request, for: .readEvents)) != nil else { break }
          switch step {
          case .events(let items, let through):
            var text = ByteBuffer()
            for item in items where wanted.has(item.event) {
              let event = item.event
              text.writeString("id: \(EventCursor.text(.position, event.position ?? through))\nevent: \(event.type)\n")
              text.writeString("data: \(form == .plain ? item.text : try form.text(event))\n\n")
            }
            position = through
            // Where much is passed over, it is told now and then how far.
            if text.readableBytes == 0, clock.now - wroteAt > .seconds(EventFeed.beatSeconds) {
              text = Self.beat(position)
            }
            for piece in Answer.pieces(of: text) { try await writer.write(piece) }
            if text.readableBytes > 0 { wroteAt = clock.now }
          case .beat:
            try await writer.write(Self.beat(position))
            wroteAt = clock.now
          case .end: break steps
          }
        }
        try await writer.finish(nil)
      })
  }
}
