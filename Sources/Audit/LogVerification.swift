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
  let locks: (any PublicationLocks)?
  let segments: LogSegments?

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
      /// The event's data is gone, and no event says that it was redacted.
      case missing = "data_missing"
      /// A checkpoint is damaged, or not signed by those who should.
      case checkpoint = "checkpoint_not_believed"
      /// What was published does not have the root that its checkpoint gives.
      case published = "published_log_damaged"
      /// A position was not given when its checkpoint says: what is asked as of a time has another answer.
      case sealed = "seal_time_changed"
      /// A table behind the catalog is not what the events amount to.
      case projection = "projection_changed"
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
    /// The size of the newest checkpoint that enough witnesses have signed; `nil` where none are asked for.
    public internal(set) var witnessed: Int64?
    /// Entries that are published, and under no checkpoint that enough witnesses have signed yet.
    public var unwitnessed: Int64 { witnessed.map { max(0, entries - unpublished - $0) } ?? 0 }
    /// Entries whose data is in no database: a segment was asked for it.
    public internal(set) var detached: Int64 = 0
    /// Whether all entries are the log of a believed checkpoint, which the published log does not contradict.
    public internal(set) var isProven = false
    /// What is wrong, at most ``LogVerification/findingsMax`` of it.
    public internal(set) var findings: [Finding] = []
    /// How much is wrong.
    public internal(set) var findingsCount = 0

    /// Adds a finding, and counts it.
    public mutating func add(_ kind: Finding.Kind, at position: Int64?, _ message: String) {
      findingsCount += 1
      guard findings.count < LogVerification.findingsMax else { return }
      findings.append(Finding(kind: kind, position: position, message: message))
    }
  }

  /// A verification against what is published there; without a published log, against a checkpoint that is at hand.
  ///
  /// - Parameters:
  ///   - locks: where a publication that is under way can be waited for.
  ///   - segments: where data lies that was detached; what none holds is missing.
  public init(
    of log: PublishedLog?, policy: CheckpointPolicy, locks: (any PublicationLocks)? = nil, segments: LogSegments? = nil
  ) {
    self.log = log
    self.policy = policy
    self.locks = locks
    self.segments = segments
  }

  /// Recomputes somebody's entries. It goes on until the first that cannot be what was published.
  ///
  /// - Parameter given: a checkpoint that came with the entries.
  /// - Throws: ``AuditError`` with `.unpublished`; `StorageError`, and what reading the entries throws.
  public func run(_ entries: any LogEntries, with given: SignedNote? = nil) async throws -> Report {
    var report = Report()
    var expected: [Int64: Checkpoint] = [:]
    if let log {
      // Asked first: what is published meanwhile is there when it is listed.
      let known = try await entries.publishedSize(of: policy.origin)
      expected = try await checkpoints(of: log, atLeast: known ?? 0, isNeeded: given == nil, &report)
    }
    let publishedSizes = Set(expected.keys)
    var end = Int64.max
    var later: (from: Checkpoint, to: Checkpoint)?
    if let given {
      let newest = report.newest
      // What was published later is not in an export, and nothing more than its checkpoint holds is.
      let name = "The checkpoint that came with the events"
      if let own = add(given, to: &expected, name, &report, by: { try policy.verified($0) }) {
        end = own.size
        if let newest, newest.size > own.size { later = (own, newest) }
      }
      expected = expected.filter { $0.key <= end }
    }
    // What has the root of a checkpoint, and of one that was published.
    var (tree, good, agreed) = (MerkleFrontier(), MerkleFrontier(), MerkleFrontier())
    var redactions = Redactions()
    var detached = DetachedEntries(in: segments)
    // An export may end before what is published does: only a whole log can say what is wrong there.
    var published = try await PublishedFiles(of: given == nil ? log : nil)
    var sizes = expected.keys.filter { $0 > 0 }.sorted()[...]
    // The next page is on its way while this one is hashed.
    var upcoming = Self.page(of: entries, after: 0)
    defer { upcoming.cancel() }
    reading: while true {
      let page = try await upcoming.value
      if let last = page.last { upcoming = Self.page(of: entries, after: last.position) }
      for entry in page {
        guard entry.position == tree.size + 1 else {
          try await tell(
            of: entries, from: good, upTo: sizes.first.flatMap { expected[$0] }, gapAt: tree.size + 1, &report)
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
        redactions.take(entry)
        try await detached.take(entry, &report)
        tree.append(.leaf(entry.leaf))
        report.entries = tree.size
        guard tree.size == sizes.first, let checkpoint = expected[tree.size] else { continue }
        guard checkpoint.root == tree.root else { break reading }
        good = tree
        if publishedSizes.contains(tree.size) { agreed = tree }
        sizes = sizes.dropFirst()
        report.checkpoints += 1
      }
      if page.isEmpty { break }
      try await published.compare(page.map(\.leaf))
    }
    guard sizes.isEmpty else {
      try await tell(of: entries, from: good, upTo: sizes.first.flatMap { expected[$0] }, &report)
      return report
    }
    // What was published of the same size is the beginning of what came later; anything else has to be proven to be.
    if let log, let later, !publishedSizes.contains(later.from.size) {
      do {
        guard try await isBeginning(later.from, of: later.to, in: log) else {
          try await tell(of: entries, from: agreed, upTo: later.to, end: later.from.size, &report)
          return report
        }
        report.isProven = true
      } catch let error as AuditError where error.code == .published {
        report.add(
          .published, at: nil,
          "Whether the published log of \(later.to.size) events begins with these \(later.from.size) cannot be said: \(error)"
        )
      }
    } else {
      report.isProven = good.size > 0 && good.size == min(end, tree.size)
    }
    try await detached.finish(&report)
    if report.findings.contains(where: { $0.kind == .data || $0.kind == .missing }) { report.isProven = false }
    for (place, position) in try await redactions.unfounded(in: entries) {
      report.isProven = false
      report.add(
        .missing, at: position,
        "The event at position \(position), \(place), has no data, and no EventRedacted event says that it was redacted."
      )
    }
    try await SealTimes(expected: expected, size: good.size).compare(with: entries, &report)
    // Only who has the right events can say of what was published that it is wrong.
    try await published.finish(upTo: good.size, &report)
    return report
  }

  private static func page(of entries: any LogEntries, after position: Int64) -> Task<[LogEntry], any Error> {
    Task { try await entries.entries(after: position, limit: entriesAtOnce) }
  }

  /// Whether a published log begins with all of a smaller one.
  private func isBeginning(_ smaller: Checkpoint, of larger: Checkpoint, in log: PublishedLog) async throws -> Bool {
    guard let ranges = MerkleProof.consistency(from: smaller.size, to: larger.size) else { return false }
    let hashes = try await PublishedTree(log: log, size: larger.size).hashes(of: ranges)
    return MerkleProof.isConsistent(
      smaller.size, root: smaller.root, with: larger.size, root: larger.root, proof: hashes)
  }

  /// Every published checkpoint that is to be believed, by its size.
  ///
  /// - Parameter known: how far the log is known to have been published.
  private func checkpoints(
    of log: PublishedLog, atLeast known: Int64, isNeeded: Bool, _ report: inout Report
  ) async throws -> [Int64: Checkpoint] {
    var expected: [Int64: Checkpoint] = [:]
    let (sizes, strangers) = try await log.sizes()
    for stranger in strangers {
      report.add(.checkpoint, at: nil, "\(stranger) is no checkpoint: those are named by their size.")
    }
    for (size, read) in try await Self.read(sizes, of: log, policy) {
      switch read {
      case .success(let checkpoint): expected[size] = checkpoint
      case .failure(let error):
        report.add(.checkpoint, at: size, "The checkpoint of \(size) events is not to be believed. \(error)")
      }
    }
    let largest = expected.keys.max()
    if let largest { report.newest = expected[largest] }
    var last = sizes.last ?? 0
    defer {
      if last < known, last > 0 {
        report.add(
          .checkpoint, at: last,
          "The database knows that \(known) events were published, and the largest checkpoint in \(log.place) is of \(last): what "
            + "was published was set back, or this is an older copy of it.")
      }
    }
    do {
      if let note = try await head(of: log, largest: largest) {
        last = max(last, (try? Checkpoint(text: note.text))?.size ?? 0)
        let newest = add(note, to: &expected, "The newest checkpoint", &report) { try policy.signedByLog($0) }
        if newest != nil { try await findWitnesses(of: log, &report) }
        if let newest, let largest, newest.size < largest {
          report.add(
            .checkpoint, at: newest.size,
            "The newest checkpoint is that of \(newest.size) events, and one of \(largest) was published: it was set back, or "
              + "who published it was killed. 'marketplace audit seal' puts it right.")
        }
        return expected
      }
    } catch let error as AuditError where error.code == .published {
      report.add(.checkpoint, at: nil, "The newest checkpoint is not to be believed. \(error)")
      return expected
    }
    guard sizes.isEmpty else {
      report.add(.checkpoint, at: nil, "The newest checkpoint is missing. 'marketplace audit seal' publishes it again.")
      return expected
    }
    guard isNeeded else { return expected }
    throw AuditError(.unpublished, "No checkpoint was published: there is nothing to verify against.")
  }

  /// The checkpoints of some sizes in their order, and why one is not to be believed; some are read side by side.
  private static func read(
    _ sizes: [Int64], of log: PublishedLog, _ policy: CheckpointPolicy
  ) async throws -> [(Int64, Result<Checkpoint, any Error>)] {
    @Sendable func checkpoint(of size: Int64) async throws -> Result<Checkpoint, any Error>? {
      do {
        guard let note = try await log.checkpoint(of: size) else { return nil }
        let checkpoint = try policy.signedByLog(note)
        guard checkpoint.size == size else { throw NoteError("It is that of \(checkpoint.size) events.") }
        return .success(checkpoint)
      } catch let error where error is NoteError || error is AuditError {
        return .failure(error)
      }
    }
    return try await withThrowingTaskGroup(of: (Int64, Result<Checkpoint, any Error>?).self) { group in
      var found: [(Int64, Result<Checkpoint, any Error>)] = []
      func take(_ read: (Int64, Result<Checkpoint, any Error>?)?) {
        if let read, let result = read.1 { found.append((read.0, result)) }
      }
      for (number, size) in sizes.enumerated() {
        if number >= PublishedFiles.readsConcurrent { take(try await group.next()) }
        group.addTask { (size, try await checkpoint(of: size)) }
      }
      for try await read in group { take(read) }
      return found.sorted { $0.0 < $1.0 }
    }
  }

  /// The newest checkpoint. One that is smaller than the largest, or missing, may be about to be replaced: whoever is
  /// publishing is waited for.
  private func head(of log: PublishedLog, largest: Int64?) async throws -> SignedNote? {
    let note = try await log.newest()
    let size = note.flatMap { try? Checkpoint(text: $0.text) }?.size ?? 0
    guard let locks, size < largest ?? 0 else { return note }
    return try await locks.alone { _ in try await log.newest() }
  }

  /// Witnesses come after the log, so the newest checkpoint may lack them; some checkpoint must have them.
  private func findWitnesses(of log: PublishedLog, _ report: inout Report) async throws {
    guard policy.witnessesMin > 0 else { return }
    do {
      report.witnessed = try await log.newest(believedBy: policy).checkpoint.size
    } catch let error as AuditError where error.code == .unwitnessed {
      report.witnessed = 0
      report.add(.checkpoint, at: nil, error.description)
    }
  }

  /// Takes in a checkpoint.
  ///
  /// - Returns: the checkpoint, if it is to be believed.
  @discardableResult
  private func add(
    _ note: SignedNote, to expected: inout [Int64: Checkpoint], _ name: String, _ report: inout Report,
    by believed: (SignedNote) throws -> Checkpoint
  ) -> Checkpoint? {
    do {
      let checkpoint = try believed(note)
      if checkpoint.size > report.newest?.size ?? -1 { report.newest = checkpoint }
      if let known = expected[checkpoint.size], known.root != checkpoint.root {
        report.add(
          .checkpoint, at: checkpoint.size,
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
    of entries: any LogEntries, from good: MerkleFrontier, upTo checkpoint: Checkpoint?, gapAt gap: Int64? = nil,
    end: Int64 = .max, _ report: inout Report
  ) async throws {
    guard let checkpoint, checkpoint.size > good.size else {
      if let gap { report.add(.deleted, at: gap, "There is no event at position \(gap), and there are later ones.") }
      return
    }
    let size = checkpoint.size
    guard let log else {
      return report.add(
        .differs, at: nil,
        "One of the events at positions \(good.size + 1) to \(size) is not the one that was published, or is missing; which "
          + "one, only the published log says.")
    }
    let comparison = Comparison(
      log: log, entries: entries, good: good, checkpoint: checkpoint, end: end,
      newest: report.newest?.size ?? checkpoint.size)
    do {
      for difference in try await comparison.differences() {
        report.add(difference.kind, at: difference.position, difference.message)
      }
    } catch let error as AuditError where error.code == .published {
      report.add(
        .published, at: nil,
        "One of the events at positions \(good.size + 1) to \(size) is not the one that was published, and which cannot be "
          + "said: \(error)")
    }
  }
}

/// Events without data, and those of which something says that they were redacted.
private struct Redactions {
  private var withoutData: [EventPlace: Int64] = [:]
  private var redacted: Set<EventPlace> = []

  mutating func take(_ entry: LogEntry) {
    if entry.dataFits == nil, !entry.isDetached, let place = entry.place { withoutData[place] = entry.position }
    if let place = entry.redacts { redacted.insert(place) }
  }

  /// Those that nothing says were redacted, by their positions.
  func unfounded(in entries: any LogEntries) async throws -> [(EventPlace, Int64)] {
    var open = withoutData.filter { !redacted.contains($0.key) }
    guard !open.isEmpty else { return [] }
    for place in try await entries.redactedSince(Set(open.keys)) { open[place] = nil }
    return open.map { ($0.key, $0.value) }.sorted { $0.1 < $1.1 }
  }
}

/// Entries whose data a segment is to hold, of one segment at a time.
private struct DetachedEntries {
  private let segments: LogSegments?
  private var number: Int64 = -1
  private var leaves: [Int64: MerkleHash] = [:]

  init(in segments: LogSegments?) { self.segments = segments }

  mutating func take(_ entry: LogEntry, _ report: inout LogVerification.Report) async throws {
    guard entry.isDetached else { return }
    report.detached += 1
    guard let segments else {
      return report.add(
        .missing, at: entry.position,
        "The data of the event at position \(entry.position) was detached, and no segments are at hand.")
    }
    let number = segments.number(holding: entry.position)
    if number != self.number { try await finish(&report) }
    self.number = number
    leaves[entry.position] = .leaf(entry.leaf)
  }

  /// Looks for the data of those that were taken.
  mutating func finish(_ report: inout LogVerification.Report) async throws {
    guard let segments, let first = leaves.keys.min() else { return }
    var open = leaves
    leaves = [:]
    do {
      var reader = try await SegmentReader(of: segments, number)
      while !open.isEmpty, let entry = try await reader.next() {
        guard let leaf = open.removeValue(forKey: entry.position) else { continue }
        if leaf != .leaf(entry.leaf) || entry.dataFits == false {
          report.add(
            .data, at: entry.position,
            "\(reader.path) does not hold the data that the event at position \(entry.position) had: \(entry.name).")
        } else if entry.dataFits == nil {
          open[entry.position] = leaf
        }
        if entry.position == reader.header.last { break }
      }
      guard let position = open.keys.min() else { return }
      report.add(
        .missing, at: position,
        "The data of \(open.count == 1 ? "an event" : "\(open.count) events") was detached, and \(reader.path) does not hold it; the "
          + "first is at position \(position).")
    } catch let error as AuditError where error.code == .segment {
      report.add(
        .missing, at: first,
        "The data of \(open.count) events from position \(first) on was detached. \(error)")
    }
  }
}
