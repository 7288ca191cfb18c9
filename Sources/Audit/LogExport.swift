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
  let segments: LogSegments

  /// An export of a ledger, as far as it is published. What was detached from it comes from its segments.
  public init(of ledger: Ledger, log: PublishedLog, policy: CheckpointPolicy, segments: LogSegments) {
    self.ledger = ledger
    self.log = log
    self.policy = policy
    self.segments = segments
  }

  /// Gives the bytes of the export, piece by piece.
  ///
  /// - Returns: the checkpoint.
  /// - Throws: ``AuditError``: `.unpublished`, `.unwitnessed`, `.published` for a checkpoint that is not to be believed,
  ///   `.forked` when the ledger's events do not have its root; `LedgerError`, `PostgresError`, `StorageError`; what `write` throws.
  public func run(write: @Sendable ([UInt8]) async throws -> Void) async throws -> Checkpoint {
    let (note, checkpoint) = try await log.newest(believedBy: policy)
    var (tree, detached) = (MerkleFrontier(), DetachedData(in: segments))
    var (withoutData, redacted) = (Set<EventPlace>(), Set<EventPlace>())
    while tree.size < checkpoint.size {
      let page = try await ledger.read(
        after: PositionCursor(tree.size), through: checkpoint.size, limit: Self.eventsAtOnce,
        bytesMax: Ledger.pageBytesMax)
      var lines: [UInt8] = []
      for event in try await detached.filled(page.events) {
        guard event.position == tree.size + 1, let leaf = event.leaf else { break }
        tree.append(.leaf(leaf))
        lines += try LogLines.lines(leaf, LogEntry.Content(of: event))
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
}

/// The entries of an export, read from its file.
public actor ExportedEntries: LogEntries {
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
    return try LogLines.entry(leaf, data, at: place, of: path, keepsContent: keepsContent)
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
      guard line.count <= LogLines.bytesMax else {
        throw AuditError(
          .unreadable, "\(path) has a line of more than \(LogLines.bytesMax) bytes after event \(place).")
      }
      guard let more = try file.read(upToCount: Self.chunkBytes), !more.isEmpty else {
        return line.isEmpty ? nil : line
      }
      buffer = Array(more)[...]
    }
  }
}
