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
        values[member.key] = EventForm.plain(Array(line[member.value]))
        // Text and a number that look alike make different ids; how text is escaped does not.
        let isText = line[member.value].first == UInt8(ascii: "\"")
        written[member.key] = (isText ? "\"" : "") + (values[member.key] ?? "")
      }
      return try record(data: text.trimmingCharacters(in: .whitespaces), values, written: written)
    }
    return try EventForm(workspace: workspace, makeID: makeID).event(line, members)
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
      occurredAt: try EventForm.time(occurred, mapping.occurredAt ?? ""), data: data)
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
