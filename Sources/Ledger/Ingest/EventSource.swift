import Dispatch
public import Foundation
import Postgres
import Synchronization

/// What lines of a file become: events as they are written out, or records that are data of one type.
public struct EventMapping: Sendable, Hashable {
  /// How the lines are written.
  public enum Format: String, Sendable, Hashable, CaseIterable {
    /// One JSON object a line.
    case ndjson
    /// Comma-separated values, the first line of which names the columns.
    case csv
  }

  /// How the lines are written.
  public var format: Format
  /// Of records: the stream, in which `{key}` stands for a value of the record. Nil for lines that are whole events.
  public var stream: String?
  /// Of records: the type.
  public var type: String?
  /// Of records: the version of the type.
  public var typeVersion: Int16
  /// Of records: the keys whose values make the id, within stream and type. Empty: all that the record says makes it.
  public var key: [String]
  /// Of records: the key whose value says when it happened, in RFC 3339. It stays in the data.
  public var occurredAt: String?
  /// Of comma-separated values: columns that are numbers; all others are text.
  public var numbers: Set<String>

  /// A mapping; whole events in JSON unless told otherwise.
  public init(
    format: Format = .ndjson, stream: String? = nil, type: String? = nil, typeVersion: Int16 = 1, key: [String] = [],
    occurredAt: String? = nil, numbers: Set<String> = []
  ) {
    self.format = format
    self.stream = stream
    self.type = type
    self.typeVersion = typeVersion
    self.key = key
    self.occurredAt = occurredAt
    self.numbers = numbers
  }
}

/// Events from a file or a pipe, read as they are asked for.
public final class EventSource: Sendable {
  /// Makes an id of facts: the same facts, the same id.
  public typealias IDMaker = @Sendable ([String]) -> UUID

  /// A line that became an event, or why it did not.
  struct Item: Sendable {
    var number: Int
    var event: Result<NewEvent, LineFault>
  }

  /// Why a line is no event.
  struct LineFault: Error, Hashable {
    var reason: String
    init(_ reason: String) { self.reason = reason }
  }

  private enum Lines {
    case json(ByteLines)
    case csv(CSVRecords)
  }

  private let queue = DispatchQueue(label: "marketplace.ingest")
  private let lines: Mutex<Lines>
  private let workspace: String
  private let mapping: EventMapping
  private let makeID: IDMaker

  /// The events of a file.
  ///
  /// - Parameter makeID: makes the ids of lines that bring none.
  /// - Throws: ``LedgerError`` with `.invalidEvent` for comma-separated values without names of columns.
  public init(_ file: FileHandle, for workspace: String, mapping: EventMapping, makeID: @escaping IDMaker) throws {
    let bytes = ByteLines(file)
    lines = Mutex(mapping.format == .csv ? .csv(try CSVRecords(bytes)) : .json(bytes))
    self.workspace = workspace
    self.mapping = mapping
    self.makeID = makeID
  }

  /// The next lines, up to a number and about so many bytes; none at the end.
  func batch(events: Int, bytes: Int) async throws -> [Item] {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Result { try self.next(events: events, bytes: bytes) }) }
    }
  }

  /// The same for a thread that may block.
  func next(events: Int, bytes: Int) throws -> [Item] {
    try lines.withLock { lines in
      var (items, size) = ([Item](), 0)
      while items.count < events, size < bytes, let (item, count) = try item(&lines) {
        size += count
        if let item { items.append(item) }
      }
      return items
    }
  }

  /// A line, and how many bytes it has; no item for an empty one.
  private func item(_ lines: inout Lines) throws -> (Item?, Int)? {
    switch lines {
    case .json(var bytes):
      defer { lines = .json(bytes) }
      guard let line = try bytes.next() else { return nil }
      guard let text = line.bytes else {
        return (fault("it has more than \(ByteLines.lineBytesMax) bytes", line.number), 0)
      }
      if text.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { return (nil, 0) }
      return (Item(number: line.number, event: Result { () throws(LineFault) in try event(text) }), text.count)
    case .csv(var records):
      defer { lines = .csv(records) }
      guard let record = try records.next() else { return nil }
      if let reason = record.fault { return (fault(reason, record.number), 0) }
      let size = record.fields.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
      return (Item(number: record.number, event: Result { () throws(LineFault) in try event(record.fields) }), size)
    }
  }

  private func fault(_ reason: String, _ number: Int) -> Item {
    Item(number: number, event: .failure(LineFault(reason)))
  }
}

// MARK: - Lines in JSON

extension EventSource {
  private func event(_ line: [UInt8]) throws(LineFault) -> NewEvent {
    let members: [(key: String, value: Range<Int>)]
    do {
      members = try JSONCheck.members(of: line)
    } catch {
      throw LineFault("at byte \(error.byteOffset): \(error.reason)")
    }
    guard let text = String(validating: line, as: UTF8.self) else { throw LineFault("it is not UTF-8") }
    guard mapping.stream == nil else {
      var values: [String: String] = [:]
      var written: [String: String] = [:]
      for member in members where Array(line[member.value]) != Array("null".utf8) {
        values[member.key] = Self.plain(Array(line[member.value]))
        // Text and a number that look alike make different ids; how text is escaped does not.
        let isText = line[member.value].first == UInt8(ascii: "\"")
        written[member.key] = (isText ? "\"" : "") + (values[member.key] ?? "")
      }
      return try record(data: text.trimmingCharacters(in: .whitespaces), values, written: written)
    }
    return try whole(line, members)
  }

  /// What the log itself adds, and prints with an event: it may be there, and says nothing here.
  private static let passedOver: Set<String> = ["sequence", "position", "version", "recorded_at", "principal", "run"]

  private func whole(_ line: [UInt8], _ members: [(key: String, value: Range<Int>)]) throws(LineFault) -> NewEvent {
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
          "'\(key.prefix(80))' is no key of an event: those are \(Self.known.sorted().joined(separator: ", ")), data")
      }
      guard value != Array("null".utf8) else { continue }
      guard Self.passedOver.contains(key) || Self.numbers.contains(key) || value.first == UInt8(ascii: "\"") else {
        throw LineFault("\(key) is not text")
      }
      values[key] = Self.plain(value)
    }
    guard let stream = values["stream"], let type = values["type"], let data else {
      throw LineFault("it lacks \(values["stream"] == nil ? "stream" : values["type"] == nil ? "type" : "data")")
    }
    if let named = values["workspace"], named != workspace {
      throw LineFault("it is of workspace '\(named.prefix(80))', not \(workspace)")
    }
    guard let version = Int16(values["type_version"] ?? "1"), version > 0 else {
      throw LineFault("type_version is no number from 1 on")
    }
    var expected: Int64?
    if let text = values["expected_version"] {
      guard let number = Int64(text), number >= 0 else { throw LineFault("expected_version is no number from 0 on") }
      expected = number
    }
    let occurredAt = try time(values["occurred_at"], "occurred_at")
    return NewEvent(
      stream: stream, expectedVersion: expected,
      id: try id(values["id"], stream, type, version, values["occurred_at"], data), type: type, typeVersion: version,
      occurredAt: occurredAt, data: data, cause: try cause(values["cause"]))
  }

  private static let known: Set<String> = [
    "cause", "expected_version", "id", "occurred_at", "stream", "type", "type_version", "workspace",
  ]

  private static let numbers: Set<String> = ["expected_version", "type_version"]

  private func id(
    _ given: String?, _ stream: String, _ type: String, _ version: Int16, _ occurredAt: String?, _ data: String
  ) throws(LineFault) -> UUID {
    guard let given else {
      return makeID(["appended", workspace, stream, type, "\(version)", occurredAt ?? "", data])
    }
    guard let id = UUID(uuidString: given) else { throw LineFault("its id is no UUID") }
    return id
  }

  private func cause(_ text: String?) throws(LineFault) -> EventReference? {
    guard let text else { return nil }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, let sequence = Int64(parts[1]) else {
      throw LineFault("its cause is no event: write workspace/sequence")
    }
    return EventReference(workspace: String(parts[0]), sequence: sequence)
  }

  private func time(_ text: String?, _ name: String) throws(LineFault) -> Timestamp? {
    guard let text else { return nil }
    guard let time = Timestamp(rfc3339: text) else { throw LineFault("\(name) is no time: write 2026-03-01T00:00:00Z") }
    return time
  }

  /// A value as text: a string without its escapes, anything else as it stands.
  private static func plain(_ value: [UInt8]) -> String {
    guard value.first == UInt8(ascii: "\"") else { return String(decoding: value, as: UTF8.self) }
    guard value.contains(UInt8(ascii: "\\")) else {
      return String(decoding: value.dropFirst().dropLast(), as: UTF8.self)
    }
    return (try? JSONDecoder().decode(String.self, from: Data(value))) ?? String(decoding: value, as: UTF8.self)
  }
}

// MARK: - Records

extension EventSource {
  private func event(_ fields: [String: String]) throws(LineFault) -> NewEvent {
    var members: [String] = []
    for (column, value) in fields.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      if mapping.numbers.contains(column) {
        guard JSONCheck.isNumber(value) else { throw LineFault("\(column) is no number: '\(value.prefix(80))'") }
        members.append("\(Self.quoted(column)):\(value)")
      } else {
        members.append("\(Self.quoted(column)):\(Self.quoted(value))")
      }
    }
    return try record(data: "{\(members.joined(separator: ","))}", fields, written: fields)
  }

  private func record(
    data: String, _ values: [String: String], written: [String: String]
  ) throws(LineFault) -> NewEvent {
    guard let type = mapping.type else { throw LineFault("no type was given for records") }
    let stream = try filled(mapping.stream ?? "", values)
    var occurred: String?
    if let key = mapping.occurredAt {
      guard let text = values[key] else { throw LineFault("it lacks \(key), which is to say when it happened") }
      occurred = text
    }
    var facts = ["recorded", workspace, stream, type, "\(mapping.typeVersion)"]
    if mapping.key.isEmpty { facts.append(data) }
    for key in mapping.key {
      guard let value = written[key] else { throw LineFault("it lacks \(key), which is part of its id") }
      facts += [key, value]
    }
    return NewEvent(
      stream: stream, id: makeID(facts), type: type, typeVersion: mapping.typeVersion,
      occurredAt: try time(occurred, mapping.occurredAt ?? ""), data: data)
  }

  /// A template with values put in for `{key}`.
  private func filled(_ template: String, _ values: [String: String]) throws(LineFault) -> String {
    var (text, rest) = ("", template[...])
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      let key = String(rest[rest.index(after: open)..<close])
      guard let value = values[key] else { throw LineFault("it lacks \(key), which is part of its stream") }
      text += rest[..<open] + value
      rest = rest[rest.index(after: close)...]
    }
    return text + rest
  }

  private static let encoder: JSONEncoder = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    return encoder
  }()

  private static func quoted(_ text: String) -> String {
    // Text always has an encoding.
    (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
  }
}
