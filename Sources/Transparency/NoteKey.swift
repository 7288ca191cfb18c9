import Crypto
import Foundation

/// What a key's signatures are over.
public enum NoteKeyKind: UInt8, Sendable, Hashable {
  /// Ed25519 over the text of the note.
  case ed25519 = 0x01
  /// Ed25519 over a time and the text: a witness that saw this checkpoint, and none that contradicts it (C2SP
  /// tlog-cosignature).
  case cosignature = 0x04
}

/// Who is believed: a name and a public key.
public struct NoteVerifier: Sendable, Hashable {
  /// The name that its signatures bear.
  public let name: String
  /// What its signatures are over.
  public let kind: NoteKeyKind
  /// The key, 32 bytes.
  public let publicKey: [UInt8]

  /// Reads `NAME+ID+KEY`, as tools write it: the id in hex, the key in base64 behind the byte of its kind.
  ///
  /// - Throws: ``NoteError`` when it is none, or its id is not that of its name and key.
  public init(_ text: String) throws {
    let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, NoteKeyName.isName(parts[0]), parts[1].utf8.count == 8,
      let id = UInt32(parts[1], radix: 16), let data = Data(base64Encoded: String(parts[2])), data.count == 33,
      let kind = NoteKeyKind(rawValue: data[0])
    else { throw NoteError("'\(text)' is no verifier key: NAME+ID+KEY, an Ed25519 key of a log or of a witness.") }
    self.init(name: String(parts[0]), kind: kind, publicKey: Array(data.dropFirst()))
    guard keyID == id else {
      throw NoteError("'\(text)' has the id \(parts[1]), and its name and key have \(Self.hex(keyID)).")
    }
  }

  init(name: String, kind: NoteKeyKind, publicKey: [UInt8]) {
    self.name = name
    self.kind = kind
    self.publicKey = publicKey
  }

  /// The first four bytes of SHA-256 of name, newline, kind and key.
  public var keyID: UInt32 {
    let digest = SHA256.hash(data: Array(name.utf8) + [0x0a, kind.rawValue] + publicKey)
    return digest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// `NAME+ID+KEY`.
  public var text: String {
    "\(name)+\(Self.hex(keyID))+\(Data([kind.rawValue] + publicKey).base64EncodedString())"
  }

  private static func hex(_ id: UInt32) -> String { String(format: "%08x", id) }

  /// What a signature of this key says.
  public enum Verdict: Sendable, Hashable {
    /// It is not this key's.
    case another
    /// It is good; a witness says when, in seconds since 1970.
    case good(at: Int64?)
    /// It claims to be this key's, and is not over this text.
    case forged
  }

  /// Whether a signature is this key's over a text.
  public func verdict(on signature: SignedNote.Signature, over text: String) -> Verdict {
    guard signature.name.utf8.elementsEqual(name.utf8), signature.keyID == keyID else { return .another }
    guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else { return .forged }
    switch kind {
    case .ed25519:
      return key.isValidSignature(signature.bytes, for: Array(text.utf8)) ? .good(at: nil) : .forged
    case .cosignature:
      guard signature.bytes.count == 8 + 64 else { return .forged }
      let time = signature.bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      let message = "cosignature/v1\ntime \(time)\n\(text)"
      let isGood = key.isValidSignature(signature.bytes.dropFirst(8), for: Array(message.utf8))
      return isGood ? Int64(exactly: time).map { .good(at: $0) } ?? .forged : .forged
    }
  }
}

/// Who signs: a name and a private key.
public struct NoteSigner: Sendable {
  /// The name of the key, by custom the log's origin.
  public let name: String
  private let key: Curve25519.Signing.PrivateKey

  /// A new key.
  ///
  /// - Throws: ``NoteError`` when a key cannot be called so.
  public init(name: String) throws {
    guard NoteKeyName.isName(name) else {
      throw NoteError("'\(name)' cannot be a key's name: it has no white space and no plus sign.")
    }
    self.init(name: name, key: Curve25519.Signing.PrivateKey())
  }

  private init(name: String, key: Curve25519.Signing.PrivateKey) {
    self.name = name
    self.key = key
  }

  /// Reads `PRIVATE+KEY+NAME+ID+SEED`, as Go's tools write it: a line that nobody else may see.
  ///
  /// - Throws: ``NoteError``, which does not repeat the text.
  public init(secret text: String) throws {
    let parts = text.split(separator: "+", maxSplits: 4, omittingEmptySubsequences: false)
    guard parts.count == 5, parts[0] == "PRIVATE", parts[1] == "KEY", NoteKeyName.isName(parts[2]),
      parts[3].utf8.count == 8, let id = UInt32(parts[3], radix: 16), let data = Data(base64Encoded: String(parts[4])),
      data.count == 33, data[0] == NoteKeyKind.ed25519.rawValue,
      let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: data.dropFirst())
    else { throw NoteError("This is no signing key: PRIVATE+KEY+NAME+ID+SEED, of Ed25519.") }
    self.init(name: String(parts[2]), key: key)
    guard verifier.keyID == id else { throw NoteError("The signing key's id is not that of its name and key.") }
  }

  /// `PRIVATE+KEY+NAME+ID+SEED`.
  public var secret: String {
    let seed = Data([NoteKeyKind.ed25519.rawValue] + key.rawRepresentation).base64EncodedString()
    return "PRIVATE+KEY+\(name)+\(String(format: "%08x", verifier.keyID))+\(seed)"
  }

  /// What others believe this key's signatures by.
  public var verifier: NoteVerifier {
    NoteVerifier(name: name, kind: .ed25519, publicKey: Array(key.publicKey.rawRepresentation))
  }

  /// This key's signature over a text.
  public func signature(over text: String) throws -> SignedNote.Signature {
    SignedNote.Signature(
      name: name, keyID: verifier.keyID, bytes: Array(try key.signature(for: Array(text.utf8))))
  }
}
