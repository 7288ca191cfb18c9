import Foundation
import Ledger
import Postgres

/// How events are written for programs.
enum EventForms: String, CaseIterable {
  /// As the log has them.
  case plain
  /// As CloudEvents 1.0.
  case cloudevents

  /// One event as an object on one line. Its data stands in it as it was accepted.
  func text(_ event: RecordedEvent) throws -> String {
    switch self {
    case .plain: try Self.joined(EventEnvelope(event), data: event.data)
    case .cloudevents: try Self.joined(CloudEvent(event), data: event.data)
    }
  }

  private static let encoder: JSONEncoder = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return encoder
  }()

  private static func joined(_ envelope: some Encodable, data: String?) throws -> String {
    let object = String(decoding: try encoder.encode(envelope), as: UTF8.self)
    // An encoder would write numbers otherwise than their author did. A line break is white space in JSON, and ends a line
    // where events follow each other.
    guard let data else { return object }
    let line = String(decoding: data.utf8.map { $0 == 0x0a || $0 == 0x0d ? 0x20 : $0 }, as: UTF8.self)
    return object.dropLast() + ",\"data\":" + line + "}"
  }
}

/// Everything about an event but its data, for programs.
struct EventEnvelope: Encodable {
  var workspace: String
  var sequence: Int64
  var stream: String
  var version: Int64
  var id, type: String
  var type_version: Int
  var recorded_at: String
  var occurred_at: String?
  var principal: String
  var run, cause: String?
  var position: Int64?
  var data_sha256: String

  init(_ event: RecordedEvent) {
    workspace = event.workspace
    sequence = event.sequence
    stream = event.stream
    version = event.version
    id = event.id.uuidString.lowercased()
    type = event.type
    type_version = Int(event.typeVersion)
    recorded_at = event.recordedAt.rfc3339
    occurred_at = event.occurredAt?.rfc3339
    principal = event.principal
    run = event.run?.uuidString.lowercased()
    cause = event.cause.map { "\($0.workspace)/\($0.sequence)" }
    position = event.position
    data_sha256 = event.dataHash.map { String(UInt16($0) + 0x100, radix: 16).dropFirst() }.joined()
  }
}

/// An event as CloudEvents 1.0.2 has it, in its JSON format. Names of extensions are lower-case letters and digits.
private struct CloudEvent: Encodable {
  var specversion = "1.0"
  var id, source, type: String
  /// The stream.
  var subject: String
  /// When it happened where its source said so, else when it was recorded.
  var time: String
  var datacontenttype = "application/json"
  var sequence: String
  var position: Int64?
  var streamversion: Int64
  var typeversion: Int
  var recordedat, principal: String
  var run, cause: String?

  init(_ event: RecordedEvent) {
    id = event.id.uuidString.lowercased()
    source = "/v1/workspaces/\(event.workspace)"
    type = event.type
    subject = event.stream
    time = (event.occurredAt ?? event.recordedAt).rfc3339
    sequence = "\(event.sequence)"
    position = event.position
    streamversion = event.version
    typeversion = Int(event.typeVersion)
    recordedat = event.recordedAt.rfc3339
    principal = event.principal
    run = event.run?.uuidString.lowercased()
    cause = event.cause.map { "\($0.workspace)/\($0.sequence)" }
  }
}
