import Storage
public import Transparency

/// Recomputes a log against every checkpoint that was ever published of it.
public struct LogVerification: Sendable {
  /// So many entries are read at once.
  static let entriesAtOnce = 4_096
  /// So many findings are kept; all are counted.
  public static let findingsMax = 1_000

  let log: PublishedLog?
  let policy: CheckpointPolicy

  /// What is wrong, and how.
  public struct Finding: Sendable, Hashable {
    /// In a word.
    public enum Kind: String, Sendable, Hashable {
      /// The event has its id and says something else.
      case edited
      /// The event is gone.
      case deleted
      /// An event stands there that was not published.
      case inserted
      /// The event was published at another position.
      case reordered
      /// All events from there on are gone.
      case truncated
      /// Another event stands there, and none of the published ones comes later.
      case forked
      /// The event's data does not have the hash that its leaf gives.
      case data = "data_changed"
      /// A checkpoint is damaged, or not signed by those who should.
      case checkpoint = "checkpoint_not_believed"
      /// What was published does not have the root that its checkpoint gives.
      case published = "published_log_damaged"
      /// One of several events is not the one that was published, and nothing is at hand that says which.
      case differs
    }

    /// What kind it is.
    public let kind: Kind
    /// The first position that is concerned, where one can be named.
    public let position: Int64?
    /// In a sentence.
    public let message: String
  }

  /// What came of it.
  public struct Report: Sendable, Hashable {
    /// Entries that were recomputed.
    public internal(set) var entries: Int64 = 0
    /// Checkpoints that they were held against.
    public internal(set) var checkpoints = 0
    /// The newest of them.
    public internal(set) var newest: Checkpoint?
    /// Entries that no checkpoint holds yet: nobody but the database vouches for them.
    public var unpublished: Int64 { max(0, entries - (newest?.size ?? 0)) }
    /// What is wrong, at most ``LogVerification/findingsMax`` of it.
    public internal(set) var findings: [Finding] = []
    /// How much is wrong.
    public internal(set) var findingsCount = 0

    mutating func add(_ kind: Finding.Kind, at position: Int64?, _ message: String) {
      findingsCount += 1
      guard findings.count < LogVerification.findingsMax else { return }
      findings.append(Finding(kind: kind, position: position, message: message))
    }
  }

  /// A verification against what is published there; without a published log, against a checkpoint that is at hand.
  public init(of log: PublishedLog?, policy: CheckpointPolicy) {
    self.log = log
    self.policy = policy
  }

  /// Recomputes somebody's entries. It goes on until the first that cannot be what was published.
  ///
  /// - Parameter given: a checkpoint that came with the entries.
  /// - Throws: ``AuditError`` with `.unpublished`; `StorageError`, and what reading the entries throws.
  public func run(_ entries: any LogEntries, with given: SignedNote? = nil) async throws -> Report {
    var report = Report()
    var expected: [Int64: Checkpoint] = [:]
    if let log { expected = try await checkpoints(of: log, isNeeded: given == nil, &report) }
    var end = Int64.max
    if let given {
      // What was published later is not in an export, and nothing more than its checkpoint holds is.
      if let own = add(given, to: &expected, "The checkpoint that came with the events", &report) { end = own.size }
      expected = expected.filter { $0.key <= end }
    }
    var (tree, good) = (MerkleFrontier(), MerkleFrontier())
    var sizes = expected.keys.filter { $0 > 0 }.sorted()[...]
    reading: while true {
      let page = try await entries.entries(after: tree.size, limit: Self.entriesAtOnce)
      for entry in page {
        guard entry.position == tree.size + 1 else {
          try await tell(of: entries, from: good, upTo: sizes.first, gapAt: tree.size + 1, &report)
          return report
        }
        if entry.dataFits == false {
          report.add(
            .data, at: entry.position, "The data of the event at position \(entry.position) was changed: \(entry.name)."
          )
        }
        guard tree.size < end else {
          report.add(
            .inserted, at: entry.position,
            "At position \(entry.position) stands \(entry.name), and the checkpoint that came with the events ends before it."
          )
          return report
        }
        tree.append(.leaf(entry.leaf))
        report.entries = tree.size
        guard tree.size == sizes.first, let checkpoint = expected[tree.size] else { continue }
        guard checkpoint.root == tree.root else { break reading }
        good = tree
        sizes = sizes.dropFirst()
        report.checkpoints += 1
      }
      if page.isEmpty { break }
    }
    if !sizes.isEmpty { try await tell(of: entries, from: good, upTo: sizes.first, gapAt: nil, &report) }
    return report
  }

  /// Every published checkpoint that is to be believed, by its size.
  private func checkpoints(
    of log: PublishedLog, isNeeded: Bool, _ report: inout Report
  ) async throws -> [Int64: Checkpoint] {
    var expected: [Int64: Checkpoint] = [:]
    for size in try await log.sizes() {
      do {
        guard let note = try await log.checkpoint(of: size) else { continue }
        let checkpoint = try policy.signedByLog(note)
        guard checkpoint.size == size else {
          throw NoteError("It is that of \(checkpoint.size) events.")
        }
        expected[size] = checkpoint
      } catch let error where error is NoteError || error is AuditError {
        report.add(.checkpoint, at: nil, "The checkpoint of \(size) events is not to be believed. \(error)")
      }
    }
    guard let note = try await log.newest() else {
      guard isNeeded else { return expected }
      throw AuditError(.unpublished, "No checkpoint was published: there is nothing to verify against.")
    }
    add(note, to: &expected, "The newest checkpoint", &report)
    return expected
  }

  /// Takes in a checkpoint that has to have witnesses too.
  ///
  /// - Returns: the checkpoint, if it is to be believed.
  @discardableResult
  private func add(
    _ note: SignedNote, to expected: inout [Int64: Checkpoint], _ name: String, _ report: inout Report
  ) -> Checkpoint? {
    do {
      let checkpoint = try policy.verified(note)
      if checkpoint.size > report.newest?.size ?? -1 { report.newest = checkpoint }
      if let known = expected[checkpoint.size], known.root != checkpoint.root {
        report.add(
          .checkpoint, at: nil,
          "There are two checkpoints of \(checkpoint.size) events with different roots: the log is forked.")
      }
      expected[checkpoint.size] = expected[checkpoint.size] ?? checkpoint
      return checkpoint
    } catch {
      report.add(.checkpoint, at: nil, "\(name) is not to be believed. \(error)")
      return nil
    }
  }

  /// Finds the first entry that is not the published one, and says how it differs.
  private func tell(
    of entries: any LogEntries, from good: MerkleFrontier, upTo size: Int64?, gapAt gap: Int64?, _ report: inout Report
  ) async throws {
    guard let size, size > good.size else {
      if let gap { report.add(.deleted, at: gap, "There is no event at position \(gap), and there are later ones.") }
      return
    }
    guard let log else {
      return report.add(
        .differs, at: nil,
        "One of the events at positions \(good.size + 1) to \(size) is not the one that was published, or is missing; which "
          + "one, only the published log says.")
    }
    let comparison = Comparison(log: log, entries: entries, size: size, after: good.size)
    do {
      if let difference = try await comparison.first() {
        report.add(difference.kind, at: difference.position, difference.message)
      } else {
        report.add(
          .published, at: good.size + 1,
          "The events at positions \(good.size + 1) to \(size) are those that were published, and neither have the root of "
            + "the checkpoint of \(size) events.")
      }
    } catch let error as AuditError where error.code == .published {
      report.add(
        .published, at: nil,
        "One of the events at positions \(good.size + 1) to \(size) is not the one that was published, and which cannot be "
          + "said: \(error)")
    }
  }
}

extension LogEntry {
  /// What it is, for people.
  var name: String {
    let fields = Dictionary(fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    return "\(fields["type"] ?? "?") \(fields["id"] ?? "?") of \(fields["workspace"] ?? "?")"
  }
}

/// Somebody's entries beside the published ones, from a position on.
private struct Comparison {
  /// So many entries on either side are looked at to say how two differ.
  static let windowMax = 4_096

  let log: PublishedLog
  let entries: any LogEntries
  /// Of the published log.
  let size: Int64
  let after: Int64

  struct Difference {
    let kind: LogVerification.Finding.Kind
    let position: Int64
    let message: String
  }

  /// The first that differ; `nil` when none do.
  func first() async throws -> Difference? {
    var place = after
    while place < size {
      let published = try await self.published(after: place)
      let here = try await entries.entries(after: place, limit: published.count)
      for (offset, entry) in published.enumerated() {
        let position = place + Int64(offset) + 1
        guard offset < here.count, here[offset].position == position, here[offset].leaf == entry else {
          return try await difference(at: position)
        }
      }
      place += Int64(published.count)
    }
    return nil
  }

  /// The published entries from a position to the end of their tile.
  private func published(after place: Int64) async throws -> [[UInt8]] {
    let tile = place >> Tile.height
    let width = Int(min(Int64(Tile.width), size - tile << Tile.height))
    let entries = try await log.entries(Tile(.entries, index: tile, count: width))
    return Array(entries.dropFirst(Int(place - tile << Tile.height)))
  }

  private func difference(at position: Int64) async throws -> Difference {
    let here = try await entries.entries(after: position - 1, limit: Self.windowMax)
    var there: [LogEntry] = []
    while there.count < Self.windowMax, position - 1 + Int64(there.count) < size {
      for leaf in try await published(after: position - 1 + Int64(there.count)) {
        there.append(LogEntry(position: position + Int64(there.count), leaf: leaf, dataFits: nil))
      }
    }
    guard let wanted = there.first else {
      throw AuditError(.published, "The entry at position \(position) is missing.")
    }
    let place = "At position \(position)"
    guard let found = here.first, found.position == position else {
      let isEnd = here.isEmpty
      return Difference(
        kind: isEnd ? .truncated : .deleted, position: position,
        message: isEnd
          ? "From position \(position) to \(size) the events are gone, \(wanted.name) first."
          : "\(place) \(wanted.name) is gone.")
    }
    if found.id == wanted.id {
      let said = Dictionary(wanted.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
      let changed = found.fields.filter { said[$0.name] != $0.value }.map { "\($0.name) \($0.value)" }
      return Difference(
        kind: .edited, position: position,
        message: "\(place) \(wanted.name) was edited: it has \(changed.joined(separator: ", ")) now.")
    }
    let (isLater, comesLater) = (there.contains { $0.id == found.id }, here.contains { $0.id == wanted.id })
    let kind: LogVerification.Finding.Kind =
      isLater && comesLater ? .reordered : isLater ? .deleted : comesLater ? .inserted : .forked
    let what =
      switch kind {
      case .reordered: "stands \(found.name), which was published after \(wanted.name)"
      case .deleted: "\(wanted.name) is gone, and \(found.name) has its place"
      case .inserted: "stands \(found.name), which was never published, before \(wanted.name)"
      default: "stands \(found.name), and \(wanted.name) was published"
      }
    return Difference(kind: kind, position: position, message: "\(place) \(what).")
  }
}

extension LogEntry {
  /// The event's id; `nil` where the leaf is none.
  fileprivate var id: String? { fields.first { $0.name == "id" }?.value }
}
