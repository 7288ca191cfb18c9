public import Transparency

/// Proofs from what is published: whoever holds a checkpoint needs nobody's word besides.
public struct LogProofs: Sendable {
  let log: PublishedLog
  let policy: CheckpointPolicy

  /// That one event is in the log.
  public struct Inclusion: Sendable, Hashable {
    /// The event's position, from 1.
    public let position: Int64
    /// The exact bytes of its leaf.
    public let leaf: [UInt8]
    /// The hashes beside the way to the root, from the leaf up.
    public let hashes: [MerkleHash]
    /// The checkpoint, as it was signed.
    public let checkpoint: SignedNote
  }

  /// That a log begins with all of a smaller one.
  public struct Consistency: Sendable, Hashable {
    /// The smaller one's checkpoint, as it was signed.
    public let earlier: SignedNote
    /// The larger one's.
    public let later: SignedNote
    /// The hashes, in the order of RFC 6962.
    public let hashes: [MerkleHash]
  }

  /// Proofs from what is published there.
  public init(of log: PublishedLog, policy: CheckpointPolicy) {
    self.log = log
    self.policy = policy
  }

  /// The proof that the event at a position is in the log of the newest checkpoint.
  ///
  /// - Throws: ``AuditError``: `.unpublished`, `.unwitnessed`, `.unknown` for a position beyond the checkpoint, `.published`
  ///   when what is published does not prove it.
  public func inclusion(of position: Int64) async throws -> Inclusion {
    let (note, checkpoint) = try await log.newest(believedBy: policy)
    return try await inclusion(of: position, note: note, checkpoint: checkpoint, in: log)
  }

  /// The proofs of many events, all in the log of one and the same checkpoint, the newest that is believed.
  ///
  /// - Throws: as ``inclusion(of:)``.
  public func inclusions(of positions: [Int64]) async throws -> [Inclusion] {
    let (note, checkpoint) = try await self.log.newest(believedBy: policy)
    let log = self.log.remembering()
    var proofs: [Inclusion] = []
    for position in positions {
      proofs.append(try await inclusion(of: position, note: note, checkpoint: checkpoint, in: log))
    }
    return proofs
  }

  private func inclusion(
    of position: Int64, note: SignedNote, checkpoint: Checkpoint, in log: PublishedLog
  ) async throws -> Inclusion {
    guard position >= 1, let ranges = MerkleProof.inclusion(of: position - 1, in: checkpoint.size) else {
      throw AuditError(
        .unknown,
        "The newest checkpoint\(policy.witnessesMin > 0 ? " with enough witnesses" : "") holds positions 1 to \(checkpoint.size), "
          + "not \(position).")
    }
    let tree = PublishedTree(log: log, size: checkpoint.size)
    let tile = (position - 1) >> Tile.height
    let width = Int(min(Int64(Tile.width), checkpoint.size - tile << Tile.height))
    let leaf = try await log.entries(Tile(.entries, index: tile, count: width))[Int((position - 1) % Int64(Tile.width))]
    let hashes = try await tree.hashes(of: ranges)
    let isProven = MerkleProof.isIncluded(
      .leaf(leaf), at: position - 1, in: checkpoint.size, root: checkpoint.root, proof: hashes)
    guard isProven else {
      throw AuditError(.published, "What is published does not prove that the event at position \(position) is in it.")
    }
    return Inclusion(position: position, leaf: leaf, hashes: hashes, checkpoint: note)
  }

  /// The proof that the log of one published size begins with that of another.
  ///
  /// What a witness has seen it has seen the beginning of, so the larger one alone needs witnesses.
  ///
  /// - Throws: ``AuditError``: `.unknown` for a size that no checkpoint was published of, or sizes the wrong way round;
  ///   `.unwitnessed`; `.published` when what is published does not prove it.
  public func consistency(from earlier: Int64, to later: Int64) async throws -> Consistency {
    guard let ranges = MerkleProof.consistency(from: earlier, to: later) else {
      throw AuditError(.unknown, "A log of \(later) events cannot begin with one of \(earlier).")
    }
    let before = try await note(of: earlier)
    let now = try await log.cosigned(try await note(of: later), of: later, by: policy)
    let hashes = try await PublishedTree(log: log, size: later).hashes(of: ranges)
    let isProven = MerkleProof.isConsistent(
      earlier, root: try believed(before).root, with: later, root: try believed(now).root, proof: hashes)
    guard isProven else {
      throw AuditError(
        .published, "What is published does not prove that the log of \(later) events begins with that of \(earlier).")
    }
    return Consistency(earlier: before, later: now, hashes: hashes)
  }

  private func note(of size: Int64) async throws -> SignedNote {
    guard let note = try await log.checkpoint(of: size) else {
      throw AuditError(.unknown, "No checkpoint of \(size) events was published.")
    }
    return note
  }

  private func believed(_ note: SignedNote) throws -> Checkpoint { try log.believed(note, by: policy, "A checkpoint") }
}
