public import Ledger
import Postgres
import Storage
public import Transparency

/// Gives events their positions and publishes what they come to: the log grows, and never changes.
///
/// Of several at a time one publishes, and the others wait for it.
public struct LogPublisher: Sendable {
  /// So many leaves are read at once, a multiple of a tile's width.
  static let leavesAtOnce = 4_096
  /// So many tiles are written side by side.
  static let tilesConcurrent = 8

  let ledger: Ledger
  let log: PublishedLog
  let policy: CheckpointPolicy
  let signers: [NoteSigner]
  let locks: any PublicationLocks

  /// What came of it.
  public struct Outcome: Sendable, Hashable {
    /// The newest checkpoint.
    public let checkpoint: Checkpoint
    /// How many events it holds more than the one before.
    public let added: Int64
    /// How many tiles that nobody has signed were moved out of the way.
    public let aside: Int
  }

  /// A publisher of a ledger.
  ///
  /// - Parameters:
  ///   - signers: each signs every checkpoint; one of them has to satisfy the policy.
  public init(
    ledger: Ledger, log: PublishedLog, policy: CheckpointPolicy, signers: [NoteSigner], locks: any PublicationLocks
  ) {
    self.ledger = ledger
    self.log = log
    self.policy = policy
    self.signers = signers
    self.locks = locks
  }

  /// Seals what has no position yet and publishes everything that is sealed.
  ///
  /// - Parameters:
  ///   - anew: whether to publish from the beginning where less is published than this database knows was.
  ///   - putsAside: whether tiles beyond the newest checkpoint, which nobody has signed, are moved out of the way.
  /// - Throws: ``AuditError`` with `.behind` or `.forked` when the ledger does not go on from what was published, with
  ///   `.published` or `.away` when that is damaged or not there, with `.unsigned` when tiles that nobody has signed are in
  ///   the way; `LedgerError`, `PostgresError`, `StorageError`.
  public func publish(anew: Bool = false, putsAside: Bool = false) async throws -> Outcome {
    try await locks.alone { lock in
      let head = try await log.newest()
      let known = try await newest(head)
      if !anew { try await refuseLess(than: known) }
      var growth = try await begin(at: known)
      let aside = putsAside ? try await log.putAside(beyond: known.size) : 0
      let last = try await ledger.seal().last
      guard last > known.size else {
        // Whoever published it may have died before it became the newest.
        if let note = try await log.checkpoint(of: known.size) {
          try await log.put(note, of: known.size, holding: lock)
        }
        try await ledger.notePublication(of: policy.origin, size: known.size)
        return Outcome(checkpoint: known, added: 0, aside: aside)
      }
      while growth.frontier.size < last {
        let entries = try await leaves(after: growth.frontier.size, through: last)
        try await write(growth.append(entries))
      }
      try await write(growth.rest())
      // Whoever lost the lock without a word, or publishes from a copy of the database, is not to sign a second history.
      guard try await log.newest()?.text == head?.text else {
        throw AuditError(
          .published,
          "Somebody else published meanwhile in \(log.place). Nothing was signed. Only one may publish there.")
      }
      let checkpoint = Checkpoint(
        origin: policy.origin, size: last, root: growth.frontier.root,
        sealedAt: try await ledger.sealTime(of: last)?.rfc3339)
      try await log.put(try signed(checkpoint), of: last, holding: lock)
      try await ledger.notePublication(of: policy.origin, size: last)
      return Outcome(checkpoint: checkpoint, added: last - known.size, aside: aside)
    }
  }

  /// Seals what has no position yet, and publishes nothing: for a machine that may not sign.
  ///
  /// - Throws: as ``publish()``.
  public func seal() async throws {
    let known = try await newest(try await log.newest())
    try await refuseLess(than: known)
    _ = try await begin(at: known)
    _ = try await ledger.seal()
  }

  /// A store that is not mounted looks like one that nothing was published to, and one that was set back like an older log.
  private func refuseLess(than known: Checkpoint) async throws {
    guard let size = try await ledger.publishedSize(of: policy.origin), size > known.size else { return }
    guard known.size > 0 else {
      throw AuditError(
        .away,
        "\(size) events of \(policy.origin) were published, and \(log.place) has no checkpoint: it is not there, or not the place it "
          + "was published to. Nothing was sealed. If what was published is lost, 'marketplace audit seal --anew' publishes "
          + "it again.")
    }
    throw AuditError(
      .published,
      "\(size) events of \(policy.origin) were published, and the newest checkpoint in \(log.place) is of \(known.size): it was set "
        + "back. Nothing was sealed. If what came later is lost, 'marketplace audit seal --anew' publishes it again.")
  }

  /// The newest checkpoint, signed by a key that is believed; that of the empty log when nothing was published.
  ///
  /// Years of checkpoints are not listed each time: where the head is what this database published last, and no tile goes
  /// beyond it, there is no later one.
  private func newest(_ head: SignedNote?) async throws -> Checkpoint {
    do {
      if let head, let newest = try? policy.signedByLog(head),
        try await ledger.publishedSize(of: policy.origin) == newest.size, try await !log.goesBeyond(newest.size)
      {
        return newest
      }
      let largest = try await log.sizes().sizes.last ?? 0
      var head = head
      if head == nil { head = try await log.checkpoint(of: largest) }
      guard let note = head else { return Checkpoint(origin: policy.origin, size: 0, root: .empty) }
      let newest = try policy.signedByLog(note)
      // Whoever published last died before the newest checkpoint was replaced, or that was put back.
      guard newest.size < largest, let later = try await log.checkpoint(of: largest) else { return newest }
      return try policy.signedByLog(later)
    } catch let error as NoteError {
      throw AuditError(.published, "The newest checkpoint is not to be believed. \(error)")
    }
  }

  /// The tree of what was published, and the ledger's last events of it beside the published ones.
  private func begin(at known: Checkpoint) async throws -> Growth {
    let open = try await PublishedTree(log: log, size: known.size).open()
    guard open.frontier.root == known.root else {
      throw AuditError(
        .published, "The tiles of the log of \(known.size) events do not have the root that its checkpoint gives.")
    }
    let sealed = try await ledger.lastPosition()
    guard sealed >= known.size else {
      throw AuditError(
        .behind,
        "A checkpoint of \(known.size) events was published, and the database has \(sealed): it was set back. Nothing was "
          + "sealed. 'marketplace audit verify' says what is missing.")
    }
    guard known.size > 0 else { return Growth(open: open, entries: []) }
    let tile = (known.size - 1) >> Tile.height
    let first = tile << Tile.height
    let published = try await log.entries(Tile(.entries, index: tile, count: Int(known.size - first)))
    let here = try await leaves(after: first, through: known.size)
    for (offset, entry) in published.enumerated() where offset >= here.count || here[offset] != entry {
      let hashes = try await log.hashes(Tile(.hashes(level: 0), index: tile, count: Int(known.size - first)))
      guard offset >= here.count || .leaf(here[offset]) != hashes[offset] else {
        throw AuditError(
          .published,
          "The published entry at position \(first + Int64(offset) + 1) is damaged: the published hash is that of the database's "
            + "event. Nothing was sealed.")
      }
      throw AuditError(
        .forked,
        "The event at position \(first + Int64(offset) + 1) is not the one that was published. Nothing was sealed. "
          + "'marketplace audit verify' says what differs.")
    }
    return Growth(open: open, entries: known.size % Int64(Tile.width) == 0 ? [] : published)
  }

  private func leaves(after position: Int64, through last: Int64) async throws -> [[UInt8]] {
    let entries = try await LedgerEntries(ledger, checksData: false).entries(
      after: position, limit: Int(min(Int64(Self.leavesAtOnce), last - position)))
    guard !entries.isEmpty || position >= last else {
      throw AuditError(.forked, "There is no event at position \(position + 1).")
    }
    return try entries.enumerated().map { offset, entry in
      guard entry.position == position + Int64(offset) + 1 else {
        throw AuditError(.forked, "There is no event at position \(position + Int64(offset) + 1).")
      }
      return entry.leaf
    }
  }

  private func write(_ tiles: [(Tile, [UInt8])]) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (number, (tile, bytes)) in tiles.enumerated() {
        if number >= Self.tilesConcurrent { try await group.next() }
        group.addTask { try await log.put(bytes, as: tile) }
      }
      try await group.waitForAll()
    }
  }

  private func signed(_ checkpoint: Checkpoint) throws -> SignedNote {
    do {
      var note = try SignedNote(text: checkpoint.text)
      for signer in signers { note.add(try signer.signature(over: note.text)) }
      _ = try policy.signedByLog(note)
      return note
    } catch let error as NoteError {
      throw AuditError(.key, "The checkpoint of \(checkpoint.size) events cannot be signed. \(error)")
    }
  }
}

/// A log that grows, and the tiles that are full with it.
struct Growth {
  private(set) var frontier: MerkleFrontier
  private var entries: [[UInt8]]
  private var hashes: [[MerkleHash]]
  private let before: Int64

  init(open: PublishedTree.Open, entries: [[UInt8]]) {
    frontier = open.frontier
    hashes = open.hashes
    before = open.frontier.size
    self.entries = entries
  }

  /// Adds leaves, and gives the tiles that are full now.
  mutating func append(_ leaves: [[UInt8]]) -> [(Tile, [UInt8])] {
    var full: [(Tile, [UInt8])] = []
    for leaf in leaves {
      let index = frontier.size
      entries.append(leaf)
      frontier.append(.leaf(leaf)) { level, _, hash in
        guard level % Tile.height == 0 else { return }
        if level / Tile.height == hashes.count { hashes.append([]) }
        hashes[level / Tile.height].append(hash)
      }
      guard frontier.size % Int64(Tile.width) == 0 else { continue }
      full.append((Tile(.entries, index: index >> Tile.height), Tile.bundle(entries)))
      entries = []
      for level in hashes.indices where hashes[level].count == Tile.width {
        full.append(
          (Tile(.hashes(level: level), index: index >> (Tile.height * (level + 1))), Self.bytes(hashes[level])))
        hashes[level] = []
      }
    }
    return full
  }

  /// The tiles that are not full, and hold something since the log began to grow.
  func rest() -> [(Tile, [UInt8])] {
    Tile.added(from: before, to: frontier.size).filter { $0.count < Tile.width }.map { tile in
      switch tile.content {
      case .entries: (tile, Tile.bundle(entries))
      case .hashes(let level): (tile, Self.bytes(hashes[level]))
      }
    }
  }

  private static func bytes(_ hashes: [MerkleHash]) -> [UInt8] { hashes.flatMap(\.bytes) }
}
