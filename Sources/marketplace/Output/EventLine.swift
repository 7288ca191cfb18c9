import Foundation
import Ledger
import Postgres

/// An event as one line of JSON: the envelope, and the data exactly as it was accepted.
struct EventLine {
  private let event: RecordedEvent

  init(_ event: RecordedEvent) { self.event = event }

  private struct Envelope: Encodable {
    var workspace: String
    var sequence: Int64
    var position: Int64?
    var stream: String
    var version: Int64
    var id: String
    var type: String
    var type_version: Int16
    var recorded_at: String
    var occurred_at: String?
    var principal: String
    var run: String?
    var cause: String?
    var detached: Bool?
  }

  /// The line. Redacted data is `null`, and so is data that only a segment holds, which `detached` says.
  func json() throws -> String {
    let envelope = Envelope(
      workspace: event.workspace, sequence: event.sequence, position: event.position, stream: event.stream,
      version: event.version, id: event.id.uuidString.lowercased(), type: event.type,
      type_version: event.typeVersion, recorded_at: event.recordedAt.rfc3339,
      occurred_at: event.occurredAt?.rfc3339, principal: event.principal,
      run: event.run?.uuidString.lowercased(), cause: event.cause.map { "\($0.workspace)/\($0.sequence)" },
      detached: event.isDetached ? true : nil)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(envelope), as: UTF8.self)
    // Data goes in as text, not through a parser that could change it; a newline in it would break the line.
    let data = String(decoding: (event.data ?? "null").utf8.map { $0 == 0x0a || $0 == 0x0d ? 0x20 : $0 }, as: UTF8.self)
    return "\(text.dropLast()),\"data\":\(data)}"
  }
}
