import Crypto
import Foundation
public import Ledger

/// An entry of the log as somebody has it: the ledger, or a file that was written from it.
public struct LogEntry: Sendable, Hashable {
  /// Its place, from 1.
  public let position: Int64
  /// The exact bytes of its leaf.
  public let leaf: [UInt8]
  /// Whether the event's data has the hash that the leaf gives it; `nil` where the data was redacted or is not at hand.
  public let dataFits: Bool?
  /// Salt and data, where they were asked for and are there.
  public let content: Content?
  /// Whether a segment is to hold the data.
  public let isDetached: Bool

  /// What the leaf has the hash of.
  public struct Content: Sendable, Hashable {
    /// Sixteen random bytes.
    public let salt: [UInt8]
    /// The JSON text.
    public let data: String

    init(salt: [UInt8], data: String) {
      self.salt = salt
      self.data = data
    }

    /// What an event has of it; `nil` when it was redacted or detached.
    init?(of event: RecordedEvent) {
      guard let salt = event.salt, let data = event.data else { return nil }
      self.init(salt: salt, data: data)
    }
  }

  /// An entry.
  public init(
    position: Int64, leaf: [UInt8], dataFits: Bool?, content: Content? = nil, isDetached: Bool = false
  ) {
    self.position = position
    self.leaf = leaf
    self.dataFits = dataFits
    self.content = content
    self.isDetached = isDetached
  }

  /// The event itself, as its workspace counts; `nil` when the leaf is none.
  var place: EventPlace? { EventPlace(fields, "workspace", "sequence") }

  /// The event that this one says was redacted; `nil` for every other.
  var redacts: EventPlace? {
    guard leaf.holds(Self.redaction) else { return nil }
    let fields = fields
    guard fields.contains(where: { $0.name == "type" && $0.value == "EventRedacted" }) else { return nil }
    return EventPlace(fields, "cause workspace", "cause sequence")
  }

  private static let redaction = Array("\"EventRedacted\"".utf8)

  /// The id and what else the leaf says of the event, by the names of the leaf's format; empty when it is none.
  var fields: [(name: String, value: String)] {
    guard let values = try? JSONSerialization.jsonObject(with: Data(leaf)) as? [Any] else { return [] }
    return zip(Self.names, values).map { ($0, "\($1)") }
  }

  private static let names = [
    "format", "position", "workspace", "sequence", "stream", "version", "id", "type", "type version", "recorded at",
    "occurred at", "principal", "run", "cause workspace", "cause sequence", "nth", "data hash",
  ]
}

/// An event as its workspace counts.
public struct EventPlace: Sendable, Hashable, CustomStringConvertible {
  /// The workspace.
  public let workspace: String
  /// The place in it, from 1.
  public let sequence: Int64

  /// `workspace/sequence`.
  public var description: String { "\(workspace)/\(sequence)" }

  fileprivate init?(_ fields: [(name: String, value: String)], _ workspace: String, _ sequence: String) {
    let values = Dictionary(fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    guard let workspace = values[workspace], let sequence = values[sequence].flatMap({ Int64($0) }) else { return nil }
    self.workspace = workspace
    self.sequence = sequence
  }
}

/// Entries in their order, page by page.
public protocol LogEntries: Sendable {
  /// Up to `limit` entries after a position, in order; none at the end. Positions may be missing.
  func entries(after position: Int64, limit: Int) async throws -> [LogEntry]

  /// Which of these events something says was redacted that is not among the entries, since it has no position yet.
  func redactedSince(_ events: Set<EventPlace>) async throws -> Set<EventPlace>

  /// When positions were given, seal by seal, page by page; `nil` from who does not know.
  func seals(after position: Int64) async throws -> [Ledger.Seal]?

  /// How far the log of that name is known to have been published; `nil` from who does not know.
  func publishedSize(of origin: String) async throws -> Int64?
}

extension LogEntries {
  /// None: what is not among the entries is not known.
  public func redactedSince(_ events: Set<EventPlace>) async throws -> Set<EventPlace> { [] }

  /// Not known.
  public func seals(after position: Int64) async throws -> [Ledger.Seal]? { nil }

  /// Not known.
  public func publishedSize(of origin: String) async throws -> Int64? { nil }
}

/// The sealed events of a ledger.
public struct LedgerEntries: LogEntries {
  private let ledger: Ledger
  private let checksData: Bool

  /// A ledger's events.
  ///
  /// - Parameter checksData: whether data is held against its hash; leaves alone do not need it.
  public init(_ ledger: Ledger, checksData: Bool = true) {
    self.ledger = ledger
    self.checksData = checksData
  }

  /// - Throws: `LedgerError`; `PostgresError`; `CancellationError`.
  public func entries(after position: Int64, limit: Int) async throws -> [LogEntry] {
    var (entries, cursor) = ([LogEntry](), PositionCursor(position))
    while entries.count < limit {
      // Data comes in pieces, and goes once it was looked at. A piece without events is a hole.
      let page = try await ledger.read(after: cursor, limit: limit - entries.count, bytesMax: Ledger.pageBytesMax)
      for event in page.events {
        guard let position = event.position, let leaf = event.leaf else { continue }
        entries.append(
          LogEntry(
            position: position, leaf: leaf, dataFits: checksData ? Self.dataFits(event) : nil,
            isDetached: event.isDetached))
      }
      if page.isLast { break }
      cursor = page.next
    }
    return entries
  }

  /// - Throws: as ``entries(after:limit:)``.
  public func redactedSince(_ events: Set<EventPlace>) async throws -> Set<EventPlace> {
    var redacted: Set<EventPlace> = []
    for workspace in Set(events.map(\.workspace)) {
      var cursor: VersionCursor = 0
      while true {
        let page = try await ledger.read(stream: "redactions", in: workspace, after: cursor)
        redacted.formUnion(page.events.compactMap { EventPlace(causeOf: $0) })
        if page.isLast { break }
        cursor = page.next
      }
    }
    return redacted.intersection(events)
  }

  /// - Throws: as ``entries(after:limit:)``.
  public func seals(after position: Int64) async throws -> [Ledger.Seal]? { try await ledger.seals(after: position) }

  /// - Throws: as ``entries(after:limit:)``.
  public func publishedSize(of origin: String) async throws -> Int64? { try await ledger.publishedSize(of: origin) }

  private static func dataFits(_ event: RecordedEvent) -> Bool? {
    guard let data = event.data, let salt = event.salt else { return nil }
    var hash = SHA256()
    hash.update(data: salt)
    hash.update(data: Array(data.utf8))
    return hash.finalize().elementsEqual(event.dataHash)
  }
}

extension EventPlace {
  /// The cause of an event that says it was redacted.
  init?(causeOf event: RecordedEvent) {
    guard event.type == "EventRedacted", let cause = event.cause else { return nil }
    self.init(workspace: cause.workspace, sequence: cause.sequence)
  }

  /// An event of a workspace.
  init(workspace: String, sequence: Int64) {
    self.workspace = workspace
    self.sequence = sequence
  }
}

extension [UInt8] {
  /// Whether these bytes stand somewhere in it.
  func holds(_ part: [UInt8]) -> Bool {
    guard let first = part.first else { return true }
    return withUnsafeBufferPointer { whole in
      part.withUnsafeBufferPointer { part in
        guard whole.count >= part.count else { return false }
        return (0...whole.count - part.count).contains { start in
          whole[start] == first && part.indices.allSatisfy { whole[start + $0] == part[$0] }
        }
      }
    }
  }
}
