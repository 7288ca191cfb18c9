public import Ledger
import Postgres
public import Transparency

/// Takes back what a database has lost of its log, from an export of it: the very same events at the very same positions.
public struct LogRecovery: Sendable {
  /// So many events are taken back in one transaction: with the largest data a ledger takes, 64 MiB.
  static let eventsAtOnce = 64

  let ledger: Ledger
  let log: PublishedLog
  let policy: CheckpointPolicy
  let locks: any PublicationLocks

  /// What came of it.
  public struct Outcome: Sendable, Hashable {
    /// The checkpoint whose root the database has now.
    public let checkpoint: Checkpoint
    /// The newest that was published; larger, when the export is older than that.
    public let newest: Checkpoint
    /// How many events are back.
    public let recovered: Int64
    /// The workspaces they are of. Their projections have to be rebuilt.
    public let workspaces: [String]
  }

  /// A recovery of a ledger whose log is published there.
  public init(of ledger: Ledger, log: PublishedLog, policy: CheckpointPolicy, locks: any PublicationLocks) {
    self.ledger = ledger
    self.log = log
    self.policy = policy
    self.locks = locks
  }

  /// Takes back every event of the export that the database does not have. Before anything is written the export is held
  /// against every checkpoint that was published, and the database's own events against the export; afterwards the
  /// database's root is compared with the checkpoint's. Killed in between, it goes on where it stopped.
  ///
  /// - Throws: ``AuditError``: `.published` for an export that is not what was published, `.forked` when the database has
  ///   other events than the export; `LedgerError`, `PostgresError`, `StorageError`.
  public func run(from export: ExportedEntries) async throws -> Outcome {
    let note = try await export.checkpoint()
    let report = try await LogVerification(of: log, policy: policy).run(export, with: note)
    let checkpoint: Checkpoint
    do {
      checkpoint = try policy.signedByLog(note)
    } catch let error as NoteError {
      throw AuditError(.published, "The export's checkpoint is not to be believed. \(error)")
    }
    // A checkpoint that is missing or was set back is no reason against events that are proven without it.
    guard report.isProven, report.entries == checkpoint.size else {
      throw AuditError(
        .published,
        "The export is not proven to be what was published, so nothing is taken from it. "
          + (report.findings.first?.message ?? "It has \(report.entries) events, its checkpoint \(checkpoint.size)."))
    }
    let newest = report.newest ?? checkpoint
    return try await locks.alone { _ in
      let before = try await ledger.lastPosition()
      try await compare(export, upTo: min(before, checkpoint.size))
      var (last, workspaces) = (before, Set<String>())
      let seals = try await SignedSeals(of: log, policy: policy, upTo: checkpoint.size)
      while last < checkpoint.size {
        let seal = seals.next(after: last, upTo: checkpoint.size)
        let page = try await export.entries(after: last, limit: Int(min(Int64(Self.eventsAtOnce), seal.size - last)))
        guard let end = page.last?.position else {
          throw AuditError(.unreadable, "The export ends after event \(last).")
        }
        // What a seal gave at once comes back in pieces: the last has its time, those before a microsecond less each.
        let pieces = (seal.size - end + Int64(Self.eventsAtOnce) - 1) / Int64(Self.eventsAtOnce)
        last = try await takeBack(page, sealedAt: seal.time.map { Timestamp(microseconds: $0.microseconds - pieces) })
        workspaces.formUnion(page.compactMap { $0.place?.workspace })
      }
      guard try await root(upTo: checkpoint.size) == checkpoint.root else {
        throw AuditError(
          .forked, "What is in the database now does not have the root of the checkpoint of \(checkpoint.size) events.")
      }
      return Outcome(
        checkpoint: checkpoint, newest: newest, recovered: max(0, checkpoint.size - before),
        workspaces: workspaces.sorted())
    }
  }

  private func takeBack(_ page: [LogEntry], sealedAt: Timestamp?) async throws -> Int64 {
    do {
      return try await ledger.recover(
        page.map { Ledger.RecoveredEvent(leaf: $0.leaf, salt: $0.content?.salt, data: $0.content?.data) },
        sealedAt: sealedAt)
    } catch let error as LedgerError {
      guard case .sameIDOtherContent = error.code else { throw error }
      throw AuditError(.forked, "\(error)")
    }
  }

  /// What is there must be the beginning of what was published.
  private func compare(_ export: ExportedEntries, upTo size: Int64) async throws {
    let here = LedgerEntries(ledger, checksData: false)
    var place: Int64 = 0
    while place < size {
      let limit = Int(min(Int64(LogVerification.entriesAtOnce), size - place))
      let (ours, theirs) = (
        try await here.entries(after: place, limit: limit), try await export.entries(after: place, limit: limit)
      )
      for (offset, wanted) in theirs.enumerated() {
        guard offset < ours.count, ours[offset].position == wanted.position, ours[offset].leaf == wanted.leaf else {
          throw AuditError(
            .forked,
            "The database's event at position \(wanted.position) is not the one of the export: it tells another history. "
              + "'marketplace audit verify' says how they differ.")
        }
      }
      place += Int64(limit)
    }
  }

  private func root(upTo size: Int64) async throws -> MerkleHash {
    let here = LedgerEntries(ledger, checksData: false)
    var tree = MerkleFrontier()
    while tree.size < size {
      let page = try await here.entries(
        after: tree.size, limit: Int(min(Int64(LogVerification.entriesAtOnce), size - tree.size)))
      guard !page.isEmpty else { break }
      for entry in page { tree.append(.leaf(entry.leaf)) }
    }
    return tree.root
  }
}

/// Which positions were the last of a seal, and when they were given, as checkpoints say.
private struct SignedSeals {
  private let times: [(size: Int64, time: Timestamp?)]

  init(of log: PublishedLog, policy: CheckpointPolicy, upTo size: Int64) async throws {
    var times: [(size: Int64, time: Timestamp?)] = []
    for published in try await log.sizes().sizes.sorted() where published <= size {
      // What is not to be believed was told by the verification.
      guard let note = try await log.checkpoint(of: published), let checkpoint = try? policy.signedByLog(note) else {
        continue
      }
      times.append((published, checkpoint.sealedAt.flatMap { Timestamp(rfc3339: $0) }))
    }
    self.times = times
  }

  /// The first that ends after a position.
  func next(after position: Int64, upTo size: Int64) -> (size: Int64, time: Timestamp?) {
    times.first { $0.size > position } ?? (size, nil)
  }
}

/// Goes on as a new log where events of the old one are lost for good.
public struct LogSuccession: Sendable {
  /// The stream of workspace `marketplace` that says so.
  public static let stream = "log"
  /// The type of the event.
  public static let type = "LogReopened"

  /// What the new log says of the old one.
  public struct Predecessor: Sendable, Hashable, Codable {
    /// Its name.
    public let origin: String
    /// Events that its newest checkpoint holds.
    public let size: Int64
    /// The root of that checkpoint, in base64.
    public let root: String
    /// So many of its events, from the first on, are in the new log too.
    public let kept: Int64
    /// The first position of which the event is lost.
    public var lostFrom: Int64 { kept + 1 }

    enum CodingKeys: String, CodingKey {
      case origin, size, root, kept
    }
  }

  let ledger: Ledger
  let old: PublishedLog
  let policy: CheckpointPolicy

  /// A succession of what was published there, as that policy believes it.
  public init(of ledger: Ledger, old: PublishedLog, policy: CheckpointPolicy) {
    self.ledger = ledger
    self.old = old
    self.policy = policy
  }

  /// What became of the old log: how much of it the database still has.
  ///
  /// - Throws: ``AuditError``: `.unpublished` when there is no old log, `.published` when its checkpoint is not to be
  ///   believed, `.unknown` when nothing of it is lost.
  public func predecessor() async throws -> Predecessor {
    let checkpoint = try await last()
    let kept: Int64
    do {
      kept = try await self.kept(of: checkpoint)
    } catch let error as AuditError where error.code == .published {
      throw AuditError(.published, "How much of the old log is left cannot be said. \(error)")
    }
    guard kept < checkpoint.size else {
      throw AuditError(
        .unknown,
        "The database has all \(checkpoint.size) events of \(checkpoint.origin): nothing is lost, and a new log is not needed."
      )
    }
    return Predecessor(origin: checkpoint.origin, size: checkpoint.size, root: checkpoint.root.base64, kept: kept)
  }

  /// The largest checkpoint of the old log: the newest may have been set back, or whoever published died before it became
  /// that.
  private func last() async throws -> Checkpoint {
    var notes: [SignedNote] = []
    if let head = try await old.newest() { notes.append(head) }
    if let largest = try await old.sizes().sizes.last, let note = try await old.checkpoint(of: largest) {
      notes.append(note)
    }
    // One that is damaged is no reason against another that is signed.
    if let last = notes.compactMap({ try? policy.signedByLog($0) }).max(by: { $0.size < $1.size }) { return last }
    guard let note = notes.first else { throw AuditError(.unpublished, "There is no checkpoint of the old log.") }
    do {
      return try policy.signedByLog(note)
    } catch let error as NoteError {
      throw AuditError(.published, "The old log's newest checkpoint is not to be believed. \(error)")
    }
  }

  private func kept(of checkpoint: Checkpoint) async throws -> Int64 {
    let here = LedgerEntries(ledger, checksData: false)
    var (place, kept) = (Int64(0), Int64?.none)
    var tree = MerkleFrontier()
    while place < checkpoint.size {
      let index = place >> Tile.height
      let width = Int(min(Int64(Tile.width), checkpoint.size - place))
      let published = try await old.hashes(Tile(.hashes(level: 0), index: index, count: width))
      let ours = try await here.entries(after: place, limit: width)
      for (offset, hash) in published.enumerated() {
        guard offset < ours.count, ours[offset].position == place + Int64(offset) + 1, .leaf(ours[offset].leaf) == hash
        else {
          kept = kept ?? place + Int64(offset)
          break
        }
      }
      for hash in published { tree.append(hash) }
      place += Int64(width)
    }
    guard tree.root == checkpoint.root else {
      throw AuditError(.published, "The published hashes of \(checkpoint.size) events do not have the signed root.")
    }
    return kept ?? place
  }
}
