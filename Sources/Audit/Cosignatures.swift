import Foundation
import Storage
public import Transparency

/// What witnesses have signed of the log: `cosignatures/SIZE/KEY`, each written once, beside the checkpoint that stays as
/// the log signed it.
extension PublishedLog {
  private static let cosignatures = "cosignatures"

  /// What came of taking in cosignatures.
  public struct Witnessed: Sendable, Hashable {
    /// The checkpoint they are of.
    public let checkpoint: Checkpoint
    /// The names of the witnesses that have signed what was taken in.
    public let names: [String]
    /// How many known witnesses have signed this checkpoint by now.
    public let count: Int
  }

  /// Takes in what witnesses have signed of a published checkpoint: the whole note, or, of the newest one, their lines alone,
  /// which is what a witness answers with (C2SP tlog-witness). Known ones are taken, others left out.
  ///
  /// - Throws: ``AuditError``: `.unreadable` for what is none, `.unknown` for a checkpoint that was not published,
  ///   `.unwitnessed` when no known witness has signed it, `.published` for a signature that is forged; `StorageError`.
  public func take(_ bytes: [UInt8], policy: CheckpointPolicy) async throws -> Witnessed {
    let note = try await note(in: bytes)
    let checkpoint = try Self.unreadable { try Checkpoint(text: note.text) }
    guard let known = try await self.checkpoint(of: checkpoint.size), known.text.utf8.elementsEqual(note.text.utf8)
    else {
      throw AuditError(
        .unknown,
        "This checkpoint of \(checkpoint.size) events of '\(checkpoint.origin)' was not published in \(place).")
    }
    _ = try believed(known, by: policy, "The checkpoint of \(checkpoint.size) events")
    var names: [String] = []
    for signature in note.signatures {
      for witness in policy.witnesses {
        switch witness.verdict(on: signature, over: note.text) {
        case .another: continue
        case .forged:
          throw AuditError(
            .published, "The signature in the name of '\(witness.name)' is not that witness's over this checkpoint.")
        case .good:
          var own = try Self.unreadable { try SignedNote(text: note.text) }
          own.add(signature)
          _ = try await storage.putIfAbsent(own.encoded, at: try key(Self.path(of: witness, checkpoint.size)))
          names.append(witness.name)
        }
      }
    }
    guard !names.isEmpty else {
      throw AuditError(
        .unwitnessed,
        "None of the \(policy.witnesses.count) known witnesses has signed this. Name their keys in audit: witnesses.")
    }
    let all = try await withCosignatures(known, of: checkpoint.size, by: policy)
    return Witnessed(
      checkpoint: checkpoint, names: names,
      count: policy.witnesses.count { witness in
        all.signatures.contains { Self.isGood(witness.verdict(on: $0, over: all.text)) }
      })
  }

  /// The newest checkpoint that the log has signed, and as many witnesses as the policy asks for.
  ///
  /// - Throws: ``AuditError``: `.unpublished`, `.unwitnessed`, `.published` when it is not to be believed; `StorageError`.
  public func newest(believedBy policy: CheckpointPolicy) async throws -> (note: SignedNote, checkpoint: Checkpoint) {
    guard let head = try await newest() else {
      throw AuditError(.unpublished, "No checkpoint was published, so nothing can be proven.")
    }
    let checkpoint = try believed(head, by: policy, "The newest checkpoint")
    guard policy.witnessesMin > 0 else { return (head, checkpoint) }
    let all = try await withCosignatures(head, of: checkpoint.size, by: policy)
    let lacking: NoteError
    do {
      return (all, try policy.verified(all))
    } catch let error as NoteError {
      lacking = error
    }
    // Only where the newest lacks some it is asked which others have any.
    for size in try await cosignedSizes().sorted(by: >) where size < checkpoint.size {
      guard let note = try await self.checkpoint(of: size) else { continue }
      let all = try await withCosignatures(note, of: size, by: policy)
      if let found = try? policy.verified(all) { return (all, found) }
    }
    throw AuditError(
      .unwitnessed,
      "\(policy.witnessesMin) witnesses are asked for, and no checkpoint bears their signatures. "
        + "Of the newest: \(lacking) 'marketplace audit witness' takes them in.")
  }

  /// A checkpoint with its cosignatures, if it bears as many as the policy asks for.
  ///
  /// - Throws: ``AuditError`` with `.unwitnessed`, or `.published` when it is not to be believed; `StorageError`.
  func cosigned(_ note: SignedNote, of size: Int64, by policy: CheckpointPolicy) async throws -> SignedNote {
    _ = try believed(note, by: policy, "The checkpoint of \(size) events")
    guard policy.witnessesMin > 0 else { return note }
    let all = try await withCosignatures(note, of: size, by: policy)
    do {
      _ = try policy.verified(all)
      return all
    } catch let error as NoteError {
      throw AuditError(.unwitnessed, "The checkpoint of \(size) events: \(error)")
    }
  }

  /// The checkpoint of a note, if the log has signed it.
  ///
  /// - Throws: ``AuditError`` with `.published`.
  func believed(_ note: SignedNote, by policy: CheckpointPolicy, _ name: String) throws -> Checkpoint {
    do {
      return try policy.signedByLog(note)
    } catch let error as NoteError {
      throw AuditError(.published, "\(name) is not to be believed. \(error)")
    }
  }

  /// A checkpoint and what known witnesses have signed of it.
  private func withCosignatures(
    _ note: SignedNote, of size: Int64, by policy: CheckpointPolicy
  ) async throws -> SignedNote {
    var note = note
    for witness in policy.witnesses {
      guard let other = try await self.note(at: Self.path(of: witness, size)) else { continue }
      guard other.text.utf8.elementsEqual(note.text.utf8) else {
        throw AuditError(
          .published, "\(folder)/\(Self.path(of: witness, size)) is damaged: it is of another checkpoint.")
      }
      for signature in other.signatures where !note.signatures.contains(signature) { note.add(signature) }
    }
    return note
  }

  /// The sizes that a witness has signed.
  private func cosignedSizes() async throws -> Set<Int64> {
    Set(
      try await storage.files(below: try key(Self.cosignatures)).compactMap { file in
        file.key.components.dropLast().last.flatMap { Int64($0) }
      })
  }

  private static func path(of witness: NoteVerifier, _ size: Int64) -> String {
    "\(cosignatures)/\(size)/\(String(format: "%08x", witness.keyID))"
  }

  private static func isGood(_ verdict: NoteVerifier.Verdict) -> Bool {
    if case .good = verdict { true } else { false }
  }

  /// A whole note, or lines that are put below the text of the newest checkpoint.
  private func note(in bytes: [UInt8]) async throws -> SignedNote {
    guard bytes.starts(with: Array("\u{2014} ".utf8)) else { return try Self.unreadable { try SignedNote(bytes) } }
    guard let newest = try await newest() else {
      throw AuditError(.unpublished, "No checkpoint was published, so none can have been signed by a witness.")
    }
    return try Self.unreadable { try SignedNote(Array(newest.text.utf8) + [0x0a] + bytes) }
  }

  private static func unreadable<Value>(_ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as NoteError {
      throw AuditError(.unreadable, "This is no signed checkpoint. \(error)")
    }
  }
}
