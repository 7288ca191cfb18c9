import Crypto
import Foundation
public import Ledger
public import Transparency

/// A log as lines: for each event its leaf, and below it its data; then an empty line, and the signed checkpoint over all
/// of them.
///
/// The line of the data is a JSON array of the salt in hex and the data as a string, or `null` where it was redacted.
public struct LogExport: Sendable {
  /// So many events are read at once.
  static let eventsAtOnce = 1_000

  let ledger: Ledger
  let log: PublishedLog
  let policy: CheckpointPolicy

  /// An export of a ledger, as far as it is published.
  public init(of ledger: Ledger, log: PublishedLog, policy: CheckpointPolicy) {
    self.ledger = ledger
    self.log = log
    self.policy = policy
  }

  /// Gives the bytes of the export, piece by piece.
  ///
  /// - Returns: the checkpoint.
  /// - Throws: ``AuditError``: `.unpublished`, `.published` for a checkpoint that is not to be believed, `.forked` when the
  ///   ledger's events do not have its root; `LedgerError`, `PostgresError`, `StorageError`; what `write` throws.
  public func run(write: @Sendable ([UInt8]) async throws -> Void) async throws -> Checkpoint {
    guard let note = try await log.newest() else {
      throw AuditError(.unpublished, "No checkpoint was published, so an export could not be verified.")
    }
    let checkpoint: Checkpoint
    do {
      checkpoint = try policy.signedByLog(note)
    } catch let error as NoteError {
      throw AuditError(.published, "The newest checkpoint is not to be believed. \(error)")
    }
    var tree = MerkleFrontier()
    var (withoutData, redacted) = (Set<EventPlace>(), Set<EventPlace>())
    while tree.size < checkpoint.size {
      let page = try await ledger.read(
        after: PositionCursor(tree.size), through: checkpoint.size, limit: Self.eventsAtOnce)
      var lines: [UInt8] = []
      for event in page.events {
        guard event.position == tree.size + 1, let leaf = event.leaf else { break }
        tree.append(.leaf(leaf))
        lines += leaf + [0x0a] + (try Self.line(of: event)) + [0x0a]
        if event.data == nil { withoutData.insert(EventPlace(workspace: event.workspace, sequence: event.sequence)) }
        if let place = EventPlace(causeOf: event) { redacted.insert(place) }
      }
      guard !lines.isEmpty else {
        throw AuditError(
          .forked, "There is no event at position \(tree.size + 1). 'marketplace audit verify' says more.")
      }
      try await write(lines)
    }
    guard tree.root == checkpoint.root else {
      throw AuditError(
        .forked,
        "The \(checkpoint.size) events of the ledger do not have the root of the newest checkpoint. 'marketplace audit "
          + "verify' says which of them is not the one that was published.")
    }
    if let place = withoutData.subtracting(redacted).min(by: { $0.description < $1.description }) {
      throw AuditError(
        .unpublished,
        "Event \(place) has no data, and the event that says it was redacted is not published yet, or missing. 'marketplace "
          + "audit seal' publishes it; 'marketplace audit verify' says if there is none.")
    }
    try await write([0x0a] + note.encoded)
    return checkpoint
  }

  private static func line(of event: RecordedEvent) throws -> [UInt8] {
    guard let data = event.data, let salt = event.salt else { return Array("null".utf8) }
    let hex = salt.map { String(format: "%02x", $0) }.joined()
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    return Array(try encoder.encode([hex, data]))
  }
}

/// The entries of an export, read from its file.
public actor ExportedEntries: LogEntries {
  /// A line has at most so many bytes: data of 1 MiB, escaped.
  static let lineBytesMax = 8 * 1_048_576
  private static let chunkBytes = 1_048_576

  private let file: FileHandle
  private let path: String
  private let keepsContent: Bool
  /// The byte where the event after so many others begins.
  private var marks: [Int64: UInt64] = [0: 0]
  private var buffer: ArraySlice<UInt8> = []
  private var place: Int64 = 0
  private var offset: UInt64 = 0
  private var note: SignedNote?
  private var isAtEnd = false

  /// Opens an export.
  ///
  /// - Parameter keepsContent: whether entries come with their salts and data.
  /// - Throws: ``AuditError`` with `.unreadable` when it cannot be read.
  public init(path: String, keepsContent: Bool = false) throws {
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw AuditError(.unreadable, "\(path) cannot be read.")
    }
    self.file = file
    self.path = path
    self.keepsContent = keepsContent
  }

  /// The checkpoint at its end. Reads on to there.
  ///
  /// - Throws: ``AuditError`` with `.unreadable` when there is none.
  public func checkpoint() async throws -> SignedNote {
    while !isAtEnd { _ = try await entries(after: place, limit: LogVerification.entriesAtOnce) }
    guard let note else { throw AuditError(.unreadable, "\(path) ends without a checkpoint: it is cut short.") }
    return note
  }

  /// - Throws: ``AuditError`` with `.unreadable` for a line that is none of an export.
  public func entries(after position: Int64, limit: Int) async throws -> [LogEntry] {
    if position != place { try seek(before: position) }
    while place < position, try next() != nil {}
    guard place == position else { return [] }
    marks[place] = offset
    var entries: [LogEntry] = []
    while entries.count < limit, let entry = try next() { entries.append(entry) }
    return entries
  }

  private func seek(before position: Int64) throws {
    guard let mark = marks.keys.filter({ $0 <= position }).max(), let start = marks[mark] else { return }
    if mark <= place, place <= position { return }
    try file.seek(toOffset: start)
    (place, offset, buffer, isAtEnd) = (mark, start, [], false)
  }

  /// The next event; `nil` where they end.
  private func next() throws -> LogEntry? {
    guard !isAtEnd else { return nil }
    let before = offset
    guard let leaf = try line(), !leaf.isEmpty else {
      if offset > before { try readCheckpoint() }
      isAtEnd = true
      return nil
    }
    guard let data = try line() else { throw AuditError(.unreadable, "\(path) ends within the event after \(place).") }
    place += 1
    let content = try Self.content(data, at: place, of: path)
    return LogEntry(
      position: place, leaf: leaf, dataFits: content.map { Self.fits($0, leaf, at: place) },
      content: keepsContent ? content : nil)
  }

  private func readCheckpoint() throws {
    var rest: [UInt8] = []
    while let line = try line(isLast: true) { rest += line }
    do {
      note = try SignedNote(rest)
    } catch let error as NoteError {
      throw AuditError(.unreadable, "\(path) ends with what is no checkpoint. \(error)")
    }
  }

  /// A line without its end; with `isLast`, whatever is left, as it is.
  private func line(isLast: Bool = false) throws -> [UInt8]? {
    var line: [UInt8] = []
    while true {
      if !isLast, let end = buffer.firstIndex(of: 0x0a) {
        line += buffer[..<end]
        offset += UInt64(buffer.distance(from: buffer.startIndex, to: end) + 1)
        buffer = buffer[(end + 1)...]
        return line
      }
      line += buffer
      offset += UInt64(buffer.count)
      buffer = []
      guard line.count <= Self.lineBytesMax else {
        throw AuditError(
          .unreadable, "\(path) has a line of more than \(Self.lineBytesMax) bytes after event \(place).")
      }
      guard let more = try file.read(upToCount: Self.chunkBytes), !more.isEmpty else {
        return line.isEmpty ? nil : line
      }
      buffer = Array(more)[...]
    }
  }

  private static func content(_ line: [UInt8], at place: Int64, of path: String) throws -> LogEntry.Content? {
    if line == Array("null".utf8) { return nil }
    guard let parts = try? JSONDecoder().decode([String].self, from: Data(line)), parts.count == 2,
      let salt = bytes(hex: parts[0])
    else { throw AuditError(.unreadable, "\(path) has no data below the leaf of event \(place).") }
    return LogEntry.Content(salt: salt, data: parts[1])
  }

  private static func fits(_ content: LogEntry.Content, _ leaf: [UInt8], at place: Int64) -> Bool {
    let digest = SHA256.hash(data: content.salt + Array(content.data.utf8))
    let entry = LogEntry(position: place, leaf: leaf, dataFits: nil)
    return entry.fields.last?.name == "data hash"
      && entry.fields.last?.value == digest.map { String(format: "%02x", $0) }.joined()
  }

  private static func bytes(hex: String) -> [UInt8]? {
    let digits = Array(hex.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    for place in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(decoding: digits[place..<place + 2], as: UTF8.self), radix: 16) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
