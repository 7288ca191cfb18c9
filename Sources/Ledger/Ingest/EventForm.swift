import Foundation
import Postgres

/// Why a text is no event.
struct LineFault: Error, Hashable {
  /// The end of a sentence.
  var reason: String
  /// The member that is at fault, where it is one.
  var field: String?
  /// Whether it is an event as such, but not here.
  var isRule: Bool

  init(_ reason: String, field: String? = nil, isRule: Bool = false) {
    self.reason = reason
    self.field = field
    self.isRule = isRule
  }
}

/// An event as it is written out: an object with its stream, type and data, and what else an author says of it.
struct EventForm {
  /// Where it is to be appended.
  let workspace: String
  /// Makes the id of an event that brings none, of its facts; nil where it has to bring one.
  let makeID: @Sendable ([String]) -> UUID?

  /// What the log itself adds, and prints with an event: it may be there, and says nothing here.
  private static let passedOver: Set<String> = [
    "data_sha256", "position", "principal", "recorded_at", "run", "sequence", "version",
  ]

  /// Reads an event from the members of its object.
  func event(_ line: [UInt8], _ members: [(key: String, value: Range<Int>)]) throws(LineFault) -> NewEvent {
    var values: [String: String] = [:]
    var data: String?
    for (key, range) in members {
      let value = Array(line[range])
      if key == "data" {
        data = String(decoding: value, as: UTF8.self)
        continue
      }
      guard Self.passedOver.contains(key) || Self.known.contains(key) else {
        throw LineFault(
          "'\(key.prefix(80))' is no key of an event: those are \(Self.known.sorted().joined(separator: ", ")), data",
          field: key)
      }
      guard value != Array("null".utf8) else { continue }
      guard !Self.passedOver.contains(key) else { continue }
      guard Self.numbers.contains(key) != (value.first == UInt8(ascii: "\"")) else {
        throw LineFault("\(key) is \(Self.numbers.contains(key) ? "no number" : "not text")", field: key)
      }
      values[key] = Self.plain(value)
    }
    guard let stream = values["stream"], let type = values["type"], let data else {
      let missing = values["stream"] == nil ? "stream" : values["type"] == nil ? "type" : "data"
      throw LineFault("it lacks \(missing)", field: missing)
    }
    if let named = values["workspace"], named != workspace {
      throw LineFault("it is of workspace '\(named.prefix(80))', not \(workspace)", field: "workspace", isRule: true)
    }
    guard let version = Self.number(values["type_version"] ?? "1").flatMap({ Int16(exactly: $0) }), version > 0 else {
      throw LineFault("type_version is no number from 1 on", field: "type_version")
    }
    var expected: Int64?
    if let text = values["expected_version"] {
      guard let number = Self.number(text), number >= 0 else {
        throw LineFault("expected_version is no number from 0 on", field: "expected_version")
      }
      expected = number
    }
    let occurredAt = try Self.time(values["occurred_at"], "occurred_at")
    return NewEvent(
      stream: stream, expectedVersion: expected,
      id: try id(values["id"], stream, type, version, values["occurred_at"], data), type: type, typeVersion: version,
      occurredAt: occurredAt, data: data, cause: try cause(values["cause"]))
  }

  private static let known: Set<String> = [
    "cause", "expected_version", "id", "occurred_at", "stream", "type", "type_version", "workspace",
  ]

  /// A whole number however JSON writes it: 7 and 7.0 are the same.
  private static func number(_ text: String) -> Int64? { Int64(text) ?? Double(text).flatMap { Int64(exactly: $0) } }

  private static let numbers: Set<String> = ["expected_version", "type_version"]

  private func id(
    _ given: String?, _ stream: String, _ type: String, _ version: Int16, _ occurredAt: String?, _ data: String
  ) throws(LineFault) -> UUID {
    guard let given else {
      guard let id = makeID(["appended", workspace, stream, type, "\(version)", occurredAt ?? "", data]) else {
        throw LineFault("it has no id: a UUID that its author chose", field: "id", isRule: true)
      }
      return id
    }
    guard let id = UUID(uuidString: given) else { throw LineFault("its id is no UUID", field: "id") }
    return id
  }

  private func cause(_ text: String?) throws(LineFault) -> EventReference? {
    guard let text else { return nil }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, let sequence = Int64(parts[1]) else {
      throw LineFault("its cause is no event: write workspace/sequence", field: "cause")
    }
    return EventReference(workspace: String(parts[0]), sequence: sequence)
  }

  /// A time, where there is one.
  static func time(_ text: String?, _ name: String) throws(LineFault) -> Timestamp? {
    guard let text else { return nil }
    guard let time = Timestamp(rfc3339: text) else {
      throw LineFault("\(name) is no time: write 2026-03-01T00:00:00Z", field: name)
    }
    return time
  }

  /// A value as text: a string without its escapes, anything else as it stands.
  static func plain(_ value: [UInt8]) -> String {
    guard value.first == UInt8(ascii: "\"") else { return String(decoding: value, as: UTF8.self) }
    guard value.contains(UInt8(ascii: "\\")) else {
      return String(decoding: value.dropFirst().dropLast(), as: UTF8.self)
    }
    return (try? JSONDecoder().decode(String.self, from: Data(value))) ?? String(decoding: value, as: UTF8.self)
  }
}
