import Access
import Foundation
import HTTPTypes
import Hummingbird
import Ledger
import Marketplace
import Postgres

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

  func append(_ request: Request, _ context: ServerContext) async throws -> Response {
    let workspace = try Self.workspace(context)
    guard let principal = context.caller?.principal else {
      throw Problem(.forbidden, "no_principal", "Events are appended by somebody, and a token says by whom.")
    }
    try Self.expectJSON(request)
    let key = try Self.key(of: request)
    // Held until the answer: what was read is in memory until then, in some form.
    let share = budget.share()
    defer { withExtendedLifetime(share) {} }
    let bytes = try await RequestBody.events.read(request, share)
    var sent = try Self.events(in: bytes, workspace: workspace) { place in
      key.map { Self.id($0, at: place, in: workspace, for: principal) }
    }
    try Self.expect(request, &sent)
    // Whether something is in a workspace that is not reached is nobody's business either.
    for event in sent.events { if let cause = event.cause { try context.caller.reach(cause.workspace) } }
    let receipt: GroupCommit.Receipt
    if let key {
      let first = Self.id(key, at: 0, in: workspace, for: principal)
      receipt = try await keys.pass(first.uuidString) { [sent] in
        try await expect(key, makesIDsOf: sent.events, in: workspace, for: principal)
        return try await append(sent, to: workspace, as: principal)
      }
    } else {
      receipt = try await append(sent, to: workspace, as: principal)
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

  private func append(
    _ sent: SentEvents, to workspace: String, as principal: String
  ) async throws -> GroupCommit.Receipt {
    do {
      return try await appends.append(sent.events, to: workspace, run: sent.run, as: principal)
    } catch is GroupCommit.Full {
      throw RequestBody.busy
    } catch let error as LedgerError {
      throw Problem(appending: error, isOne: sent.isOne)
    }
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

  /// The id of an event that brings none.
  private static func id(_ key: String, at place: Int, in workspace: String, for principal: String) -> UUID {
    NameBasedUUID.make(["keyed", workspace, principal, key, "\(place)"])
  }

  /// A key is of one request: of these events, all of them, and no more. What each holds is compared when it is appended.
  private func expect(
    _ key: String, makesIDsOf events: [NewEvent], in workspace: String, for principal: String
  ) async throws {
    func id(_ place: Int) -> UUID { Self.id(key, at: place, in: workspace, for: principal) }
    guard events.enumerated().allSatisfy({ $1.id == id($0) }) else {
      throw Problem(
        .unprocessableContent, "bad_idempotency_key",
        "An Idempotency-Key makes the ids of events, and some bring their own: it would not keep these from being appended twice. "
          + "Send ids or a key, not both.", field: "Idempotency-Key")
    }
    let (first, last, next) = (id(0), id(events.count - 1), id(events.count))
    let known = try await sources.ledger.known([first, last, next], in: workspace)
    guard known.contains(first) == known.contains(last), !known.contains(next) else {
      throw Problem(
        .conflict, "idempotency_key_reused",
        "This Idempotency-Key was sent with another number of events. A key is of one request.",
        field: "Idempotency-Key")
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
