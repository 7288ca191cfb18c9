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

  /// An entry.
  public init(position: Int64, leaf: [UInt8], dataFits: Bool?) {
    self.position = position
    self.leaf = leaf
    self.dataFits = dataFits
  }

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

/// Entries in their order, page by page.
public protocol LogEntries: Sendable {
  /// Up to `limit` entries after a position, in order; none at the end. Positions may be missing.
  func entries(after position: Int64, limit: Int) async throws -> [LogEntry]
}

/// The sealed events of a ledger.
public struct LedgerEntries: LogEntries {
  private let ledger: Ledger

  /// A ledger's events.
  public init(_ ledger: Ledger) { self.ledger = ledger }

  /// - Throws: `LedgerError`; `PostgresError`; `CancellationError`.
  public func entries(after position: Int64, limit: Int) async throws -> [LogEntry] {
    var page = try await ledger.read(after: PositionCursor(position), limit: limit)
    // A page without events may be a hole, as wide as a page.
    while page.events.isEmpty, !page.isLast { page = try await ledger.read(after: page.next, limit: limit) }
    return page.events.compactMap { event in
      guard let position = event.position, let leaf = event.leaf else { return nil }
      return LogEntry(position: position, leaf: leaf, dataFits: Self.dataFits(event))
    }
  }

  private static func dataFits(_ event: RecordedEvent) -> Bool? {
    guard let data = event.data, let salt = event.salt else { return nil }
    var hash = SHA256()
    hash.update(data: salt)
    hash.update(data: Array(data.utf8))
    return hash.finalize().elementsEqual(event.dataHash)
  }
}
