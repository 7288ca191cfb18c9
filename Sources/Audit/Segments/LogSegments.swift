import Foundation
public import Ledger
public import Storage
public import Transparency

/// Stretches of the published log in files of their own, each with all its data and a proof, so that it can be kept,
/// moved and verified without the rest.
///
/// The first line of a segment says which positions it holds and gives the hashes beside its subtree's way to the root;
/// then come its events as in an export, an empty line, and the signed checkpoint.
public struct LogSegments: Sendable {
  /// A segment holds two to this power of events: 65,536, the leaves below one hash of the tiles' level 2.
  public static let level = 16
  /// The folder of the store that holds them: beside the log, which anyone may read, and not within it.
  public static let folder = "segments"
  /// So many events are read at once.
  static let eventsAtOnce = 1_000

  let storage: any ExternalStorage
  let log: PublishedLog
  let policy: CheckpointPolicy
  let level: Int

  /// The first line of a segment.
  struct Header: Codable {
    var first: Int64
    var last: Int64
    /// From the subtree's root up, in base64.
    var hashes: [String]
  }

  /// What a segment was found to be.
  public struct Report: Sendable, Hashable {
    /// Which one.
    public let number: Int64
    /// The positions it holds.
    public let positions: ClosedRange<Int64>
    /// How many of its events have no data in it: those that were redacted.
    public let withoutData: Int
  }

  /// The segments of a store, and the log they are cut from.
  ///
  /// - Parameter level: two to this power of events are one segment; ``level`` but for tests.
  public init(in storage: any ExternalStorage, log: PublishedLog, policy: CheckpointPolicy, level: Int = Self.level) {
    self.storage = storage
    self.log = log
    self.policy = policy
    self.level = level
  }

  /// Events in one.
  public var size: Int64 { 1 << level }

  /// The positions of a segment, counted from 0.
  public func positions(of number: Int64) -> ClosedRange<Int64> { number << level + 1...(number + 1) << level }

  /// The segment that holds a position.
  func number(holding position: Int64) -> Int64 { (position - 1) >> level }

  /// Where a segment lies.
  public func key(of number: Int64) throws -> StorageKey {
    let digits = "\(number)"
    return try StorageKey([Self.folder, String(repeating: "0", count: max(0, 9 - digits.count)) + digits])
  }

  /// Those that were written, ascending.
  ///
  /// - Throws: `StorageError`.
  public func written() async throws -> [Int64] {
    try await storage.files(below: try StorageKey([Self.folder])).compactMap { file in
      guard let name = file.key.components.last, let number = Int64(name), try key(of: number) == file.key else {
        return nil
      }
      return number
    }.sorted()
  }

  /// How many segments are full in the log of the newest checkpoint, none when nothing was published.
  ///
  /// - Throws: ``AuditError`` with `.published` for a checkpoint that is not to be believed; `StorageError`.
  public func complete() async throws -> Int64 { try await newest().map { $0.checkpoint.size >> level } ?? 0 }

  private func newest() async throws -> (note: SignedNote, checkpoint: Checkpoint)? {
    guard let note = try await log.newest() else { return nil }
    do {
      return (note, try policy.signedByLog(note))
    } catch let error as NoteError {
      throw AuditError(.published, "The newest checkpoint is not to be believed. \(error)")
    }
  }

  /// Writes a segment from the ledger. What was detached from there comes from the segment as it was.
  ///
  /// - Parameter again: whether one that is there is written anew: without what was redacted since.
  /// - Returns: whether it was written; `false` when it was there.
  /// - Throws: ``AuditError``: `.unpublished` while its last position is under no checkpoint, `.forked` when the ledger's
  ///   events are not those that were published; `LedgerError`, `PostgresError`, `StorageError`.
  public func write(_ number: Int64, from ledger: Ledger, again: Bool = false) async throws -> Bool {
    let (key, positions) = (try key(of: number), positions(of: number))
    if !again, try await storage.size(of: key) != nil { return false }
    guard let (note, checkpoint) = try await newest(), checkpoint.size >= positions.upperBound,
      let beside = MerkleProof.inclusion(of: positions.lowerBound - 1, in: checkpoint.size)?.dropFirst(level)
    else {
      throw AuditError(
        .unpublished,
        "Segment \(number) ends with position \(positions.upperBound), which no checkpoint holds yet. 'marketplace audit seal' "
          + "publishes one.")
    }
    let hashes = try await PublishedTree(log: log, size: checkpoint.size).hashes(of: Array(beside))
    let upload = try await storage.upload(to: key)
    do {
      let header = Header(
        first: positions.lowerBound, last: positions.upperBound, hashes: hashes.map(\.base64))
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      try await upload.write(Array(try encoder.encode(header)) + [0x0a])
      var (tree, detached) = (MerkleFrontier(), DetachedData(in: self))
      while tree.size < size {
        let page = try await ledger.read(
          after: PositionCursor(positions.lowerBound - 1 + tree.size), through: positions.upperBound,
          limit: Self.eventsAtOnce, bytesMax: Ledger.pageBytesMax)
        var lines: [UInt8] = []
        for event in try await detached.filled(page.events) {
          guard event.position == positions.lowerBound + tree.size, let leaf = event.leaf else { break }
          tree.append(.leaf(leaf))
          lines += try LogLines.lines(leaf, LogEntry.Content(of: event))
        }
        guard !lines.isEmpty else { throw forked(positions) }
        try await upload.write(lines)
      }
      guard isProven(tree.root, number, hashes, checkpoint) else { throw forked(positions) }
      try await upload.write([0x0a] + note.encoded)
      guard !again else {
        _ = try await upload.finish()
        return true
      }
      return try await upload.finishUnlessPresent().isNew
    } catch {
      await upload.abandon()
      throw error
    }
  }

  private func forked(_ positions: ClosedRange<Int64>) -> AuditError {
    AuditError(
      .forked,
      "The ledger's events at positions \(positions.lowerBound) to \(positions.upperBound) are not those that were published. "
        + "'marketplace audit verify' says how they differ.")
  }

  /// A subtree is to the tree of the levels above what a leaf is to the whole.
  private func isProven(_ root: MerkleHash, _ number: Int64, _ hashes: [MerkleHash], _ checkpoint: Checkpoint) -> Bool {
    MerkleProof.isIncluded(
      root, at: number, in: (checkpoint.size - 1) >> level + 1, root: checkpoint.root, proof: hashes)
  }

  /// Reads all of a segment and verifies it by itself: its checkpoint, its proof, and the hash of all data.
  ///
  /// - Parameter visit: is given each entry, with its data, before the whole is known to be sound.
  /// - Throws: ``AuditError`` with `.segment` when it is missing or anything about it is wrong; `StorageError`; what
  ///   `visit` throws.
  public func verify(_ number: Int64, visit: (LogEntry) async throws -> Void = { _ in }) async throws -> Report {
    let positions = positions(of: number)
    var reader = try await SegmentReader(of: self, number)
    var (tree, withoutData) = (MerkleFrontier(), 0)
    while let entry = try await reader.next() {
      guard entry.dataFits != false else {
        throw AuditError(
          .segment, "\(reader.path): the data of the event at position \(entry.position) does not have its hash.")
      }
      tree.append(.leaf(entry.leaf))
      if entry.dataFits == nil { withoutData += 1 }
      try await visit(entry)
    }
    guard reader.header.first == positions.lowerBound, reader.header.last == positions.upperBound, tree.size == size
    else {
      throw AuditError(
        .segment, "\(reader.path) does not hold the \(size) events from position \(positions.lowerBound) on.")
    }
    let checkpoint: Checkpoint
    do {
      checkpoint = try policy.signedByLog(try await reader.checkpoint())
    } catch let error as NoteError {
      throw AuditError(.segment, "\(reader.path): its checkpoint is not to be believed. \(error)")
    }
    let hashes = reader.header.hashes.compactMap { MerkleHash(base64: $0) }
    guard hashes.count == reader.header.hashes.count, isProven(tree.root, number, hashes, checkpoint) else {
      throw AuditError(.segment, "\(reader.path): its events are not those of the log of \(checkpoint.size) events.")
    }
    return Report(number: number, positions: positions, withoutData: withoutData)
  }
}
