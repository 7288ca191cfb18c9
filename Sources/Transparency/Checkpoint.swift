import Foundation

/// What a log says of itself at one size, as C2SP tlog-checkpoint writes it; signed, it can be held against the log.
public struct Checkpoint: Sendable, Hashable {
  /// The name of the log, which no other has; by custom an address without its scheme.
  public let origin: String
  /// How many leaves its tree has.
  public let size: Int64
  /// The root of its tree.
  public let root: MerkleHash
  /// Lines below.
  public let extensions: [String]

  /// What the line begins with that says when the last leaf got its place.
  private static let sealed = "sealed "

  /// A checkpoint.
  ///
  /// - Parameter sealedAt: when its last leaf got its place, in RFC 3339; `nil` to leave that unsaid.
  public init(origin: String, size: Int64, root: MerkleHash, sealedAt: String? = nil) {
    self.init(origin: origin, size: size, root: root, extensions: sealedAt.map { [Self.sealed + $0] } ?? [])
  }

  /// When its last leaf got its place, in RFC 3339; `nil` where it does not say.
  public var sealedAt: String? {
    extensions.first { $0.hasPrefix(Self.sealed) }.map { String($0.dropFirst(Self.sealed.count)) }
  }

  private init(origin: String, size: Int64, root: MerkleHash, extensions: [String]) {
    self.origin = origin
    self.size = size
    self.root = root
    self.extensions = extensions
  }

  /// Reads the text of a note.
  ///
  /// - Throws: ``NoteError`` when it is no checkpoint.
  public init(text: String) throws {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 4, lines.last == "", !lines[0].isEmpty, let size = Int64(lines[1]), size >= 0,
      String(size) == lines[1], let root = MerkleHash(base64: String(lines[2])),
      !lines[3..<lines.count - 1].contains("")
    else { throw NoteError("A checkpoint has three lines: its origin, its size, and its root in base64.") }
    self.init(
      origin: String(lines[0]), size: size, root: root,
      extensions: lines[3..<lines.count - 1].map(String.init))
  }

  /// What is signed.
  public var text: String {
    "\(origin)\n\(size)\n\(root.base64)\n" + extensions.map { "\($0)\n" }.joined()
  }
}

/// Whose signatures make a checkpoint one to rely on.
public struct CheckpointPolicy: Sendable, Hashable {
  /// The origin that it must name.
  public let origin: String
  /// The log's own keys, of which one must have signed; several while one takes over from another.
  public let keys: [NoteVerifier]
  /// Witnesses, of which `witnessesMin` must have signed.
  public let witnesses: [NoteVerifier]
  /// How many witnesses it takes.
  public let witnessesMin: Int

  /// A policy.
  ///
  /// - Throws: ``NoteError`` when nothing could satisfy it, or anything could.
  public init(origin: String, keys: [NoteVerifier], witnesses: [NoteVerifier] = [], witnessesMin: Int = 0) throws {
    guard !keys.isEmpty else { throw NoteError("No key of the log is given, so no signature of it can be verified.") }
    guard keys.allSatisfy({ $0.kind == .ed25519 }), witnesses.allSatisfy({ $0.kind == .cosignature }) else {
      throw NoteError("A log's key signs checkpoints, a witness's cosigns them: one of the keys is of the other kind.")
    }
    guard (0...witnesses.count).contains(witnessesMin) else {
      throw NoteError("\(witnessesMin) witnesses are asked for, and \(witnesses.count) are known.")
    }
    self.origin = origin
    self.keys = keys
    self.witnesses = witnesses
    self.witnessesMin = witnessesMin
  }

  /// The checkpoint that a note holds, if the log and enough witnesses have signed it.
  ///
  /// - Throws: ``NoteError`` which says what is missing, or whose signature is forged.
  public func verified(_ note: SignedNote) throws -> Checkpoint {
    let checkpoint = try signedByLog(note)
    let seen = try signers(of: note, among: witnesses).count
    guard seen >= witnessesMin else {
      throw NoteError("\(seen) known witnesses have signed it, and \(witnessesMin) are asked for.")
    }
    return checkpoint
  }

  /// The checkpoint that a note holds, if the log has signed it. Witnesses come later.
  ///
  /// - Throws: ``NoteError`` which says what is missing, or whose signature is forged.
  public func signedByLog(_ note: SignedNote) throws -> Checkpoint {
    let checkpoint = try Checkpoint(text: note.text)
    guard checkpoint.origin.utf8.elementsEqual(origin.utf8) else {
      throw NoteError("It is a checkpoint of '\(checkpoint.origin)', not of '\(origin)'.")
    }
    guard try signers(of: note, among: keys).count >= 1 else {
      throw NoteError("None of the \(keys.count) known keys of '\(origin)' has signed it.")
    }
    return checkpoint
  }

  /// Those with a good signature. One forged signature of a known key spoils the note.
  private func signers(of note: SignedNote, among known: [NoteVerifier]) throws -> Set<NoteVerifier> {
    var signers: Set<NoteVerifier> = []
    for signature in note.signatures {
      for key in known {
        switch key.verdict(on: signature, over: note.text) {
        case .another: continue
        case .good: signers.insert(key)
        case .forged: throw NoteError("A signature in the name of '\(key.name)' is not that key's over this text.")
        }
      }
    }
    return signers
  }
}
