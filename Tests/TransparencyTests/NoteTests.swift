import Crypto
import Foundation
import Testing
import Transparency

@Suite("Signed notes and checkpoints as C2SP lays them out")
struct NoteTests {
  /// The example of Go's golang.org/x/mod/sumdb/note.
  private static let goKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
  private static let goSecret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
  private static let goNote = """
    If you think cryptography is the answer to your problem,
    then you don't know what your problem is.

    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=

    """

  @Test("what another implementation signed is verified, and its keys are read and written")
  func known() throws {
    let note = try SignedNote(Array(Self.goNote.utf8))
    let key = try NoteVerifier(Self.goKey)
    let signature = try #require(note.signatures.first)
    #expect(key.verdict(on: signature, over: note.text) == .good(at: nil))
    #expect(key.verdict(on: signature, over: note.text + "\n") == .forged)
    #expect(key.text == Self.goKey)
    #expect(note.encoded == Array(Self.goNote.utf8))

    let signer = try NoteSigner(secret: Self.goSecret)
    #expect(signer.secret == Self.goSecret)
    #expect(signer.verifier == key)
    #expect(key.verdict(on: try signer.signature(over: "mine\n"), over: "mine\n") == .good(at: nil))
  }

  /// What is a note and what is a checkpoint, and what is none, for every program that reads them.
  private struct Vectors: Decodable {
    let notes: Notes
    let checkpoints: Checkpoints

    struct Notes: Decodable {
      let refused: [String]
      let taken: [Taken]

      struct Taken: Decodable {
        let note, text: String
        let signatures: [Signature]
      }

      struct Signature: Decodable {
        let signature: SignedNote.Signature

        init(from decoder: any Decoder) throws {
          var parts = try decoder.unkeyedContainer()
          let (name, id) = (try parts.decode(String.self), try parts.decode(UInt32.self))
          let hex = Array(try parts.decode(String.self))
          signature = SignedNote.Signature(
            name: name, keyID: id,
            bytes: stride(from: 0, to: hex.count, by: 2).compactMap { UInt8(String(hex[$0...$0 + 1]), radix: 16) })
        }
      }
    }

    struct Checkpoints: Decodable {
      let refused: [String]
      let taken: [Taken]

      struct Taken: Decodable {
        let text, origin, root: String
        let size: Int64
      }
    }

    init() throws {
      let file = try #require(Bundle.module.url(forResource: "notes", withExtension: "json", subdirectory: "Vectors"))
      self = try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
    }

    private enum CodingKeys: CodingKey { case notes, checkpoints }
  }

  @Test("what is no note, and what is no checkpoint, is refused; what is one says what it says")
  func vectors() throws {
    let vectors = try Vectors()
    for text in vectors.notes.refused {
      #expect(throws: NoteError.self, "\(text)") { try SignedNote(Array(text.utf8)) }
    }
    for one in vectors.notes.taken {
      let note = try SignedNote(Array(one.note.utf8))
      #expect(note.text == one.text && note.signatures == one.signatures.map(\.signature))
    }
    for text in vectors.checkpoints.refused {
      #expect(throws: NoteError.self, "\(text)") { try Checkpoint(text: text) }
    }
    for one in vectors.checkpoints.taken {
      let checkpoint = try Checkpoint(text: one.text)
      #expect(checkpoint.origin == one.origin && checkpoint.size == one.size && checkpoint.root.base64 == one.root)
    }
  }

  @Test("a text with empty lines is split at the last of them, and bytes beyond UTF-8 or the bound are refused")
  func split() throws {
    let note = try SignedNote(Array("a\n\nb\n\n\u{2014} name AAAAAAE=\n".utf8))
    #expect(note.text == "a\n\nb\n")
    #expect(note.signatures == [SignedNote.Signature(name: "name", keyID: 0, bytes: [1])])
    #expect(throws: NoteError.self) { try SignedNote([0xff] + Array("\n\n\u{2014} name AAAAAAE=\n".utf8)) }
    let long = String(repeating: "x", count: SignedNote.bytesMax)
    #expect(throws: NoteError.self) { try SignedNote(Array("\(long)\n\n\u{2014} name AAAAAAE=\n".utf8)) }
    let many = String(repeating: "\u{2014} name AAAAAAE=\n", count: SignedNote.signaturesMax + 1)
    #expect(throws: NoteError.self) { try SignedNote(Array("x\n\n\(many)".utf8)) }
  }

  @Test(
    "what is no key is refused, and a secret is not repeated",
    arguments: ["", "a+b", "name+00000000+AAAA", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"])
  func noKeys(_ text: String) {
    #expect(throws: NoteError.self) { try NoteVerifier(text) }
    let secret = "PRIVATE+KEY+\(text)"
    #expect { try NoteSigner(secret: secret) } throws: { text.isEmpty || !"\($0)".contains(text) }
    #expect(throws: NoteError.self) { try NoteSigner(name: "with space") }
  }

  @Test("a checkpoint is three lines, and what else there is stays")
  func checkpoint() throws {
    let root = MerkleHash.leaf([1])
    let checkpoint = Checkpoint(origin: "ledger.example/marketplace", size: 7, root: root)
    #expect(checkpoint.text == "ledger.example/marketplace\n7\n\(root.base64)\n")
    #expect(try Checkpoint(text: checkpoint.text) == checkpoint)
    let more = try Checkpoint(text: checkpoint.text + "said besides\n")
    #expect(more.extensions == ["said besides"])
    #expect(more.text == checkpoint.text + "said besides\n")
  }

  @Test("is believed with a signature of the log and enough witnesses, and with nothing forged")
  func policy() throws {
    let origin = "ledger.example/marketplace"
    let (old, new, stranger) = (
      try NoteSigner(name: origin), try NoteSigner(name: origin), try NoteSigner(name: "stranger")
    )
    let checkpoint = Checkpoint(origin: origin, size: 7, root: .leaf([1]))
    func note(_ signatures: SignedNote.Signature...) throws -> SignedNote {
      var note = try SignedNote(text: checkpoint.text)
      for signature in signatures { note.add(signature) }
      return note
    }
    let policy = try CheckpointPolicy(origin: origin, keys: [old.verifier, new.verifier])
    let signed = try new.signature(over: checkpoint.text)
    let strange = try stranger.signature(over: checkpoint.text)
    #expect(try policy.verified(note(strange, signed)) == checkpoint)
    #expect(throws: NoteError.self) { try policy.verified(note(strange)) }
    let forged = SignedNote.Signature(name: origin, keyID: old.verifier.keyID, bytes: signed.bytes)
    #expect(throws: NoteError.self) { try policy.verified(note(signed, forged)) }
    let elsewhere = try CheckpointPolicy(origin: "another", keys: [new.verifier])
    #expect(throws: NoteError.self) { try elsewhere.verified(note(signed)) }

    let witness = Curve25519.Signing.PrivateKey()
    let witnessKey = try Self.witnessKey("witness.example/w1", witness)
    let strict = try CheckpointPolicy(
      origin: origin, keys: [new.verifier], witnesses: [witnessKey], witnessesMin: 1)
    #expect(throws: NoteError.self) { try strict.verified(note(signed)) }
    let seen = try Self.cosignature(of: checkpoint.text, at: 1_764_000_000, by: witness, witnessKey)
    #expect(witnessKey.verdict(on: seen, over: checkpoint.text) == .good(at: 1_764_000_000))
    #expect(try strict.verified(note(signed, seen)) == checkpoint)
    #expect(throws: NoteError.self) { try strict.verified(note(signed, seen.changed())) }
    #expect(throws: NoteError.self) { try strict.verified(note(seen)) }

    #expect(throws: NoteError.self) { try CheckpointPolicy(origin: origin, keys: []) }
    #expect(throws: NoteError.self) { try CheckpointPolicy(origin: origin, keys: [new.verifier], witnessesMin: 1) }
    #expect(throws: NoteError.self) { try CheckpointPolicy(origin: origin, keys: [witnessKey]) }
    #expect(throws: NoteError.self) {
      try CheckpointPolicy(origin: origin, keys: [new.verifier], witnesses: [new.verifier], witnessesMin: 1)
    }
  }

  /// As C2SP tlog-cosignature defines it, written here once more.
  private static func witnessKey(_ name: String, _ key: Curve25519.Signing.PrivateKey) throws -> NoteVerifier {
    let typed = Data([4]) + key.publicKey.rawRepresentation
    let id = SHA256.hash(data: Data("\(name)\n".utf8) + typed).prefix(4).map { String(format: "%02x", $0) }.joined()
    return try NoteVerifier("\(name)+\(id)+\(typed.base64EncodedString())")
  }

  private static func cosignature(
    of text: String, at time: UInt64, by key: Curve25519.Signing.PrivateKey, _ verifier: NoteVerifier
  ) throws -> SignedNote.Signature {
    let signature = try key.signature(for: Data("cosignature/v1\ntime \(time)\n\(text)".utf8))
    return SignedNote.Signature(
      name: verifier.name, keyID: verifier.keyID, bytes: (0..<8).map { UInt8(time >> (56 - 8 * $0) & 0xff) } + signature
    )
  }
}

extension SignedNote.Signature {
  /// The same a second later.
  fileprivate func changed() -> SignedNote.Signature {
    var bytes = bytes
    bytes[7] ^= 1
    return SignedNote.Signature(name: name, keyID: keyID, bytes: bytes)
  }
}
