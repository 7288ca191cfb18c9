import Crypto
import Foundation
import Ledger
import Testing
import Transparency

@testable import Audit

@Suite("Witnesses of the log")
struct WitnessTests {
  /// A key as C2SP tlog-cosignature defines it, and what it signs.
  private struct Witness {
    let key = Curve25519.Signing.PrivateKey()
    let verifier: NoteVerifier

    init(_ name: String) throws {
      let typed = Data([4]) + key.publicKey.rawRepresentation
      let id = SHA256.hash(data: Data("\(name)\n".utf8) + typed).prefix(4).map { String(format: "%02x", $0) }.joined()
      verifier = try NoteVerifier("\(name)+\(id)+\(typed.base64EncodedString())")
    }

    /// The checkpoint with its line below.
    func cosigned(_ note: SignedNote, at time: UInt64 = 1_764_000_000) throws -> SignedNote {
      let signature = try key.signature(for: Data("cosignature/v1\ntime \(time)\n\(note.text)".utf8))
      var note = note
      note.add(
        SignedNote.Signature(
          name: verifier.name, keyID: verifier.keyID,
          bytes: (0..<8).map { UInt8(time >> (56 - 8 * $0) & 0xff) } + signature
        ))
      return note
    }
  }

  @Test("proofs and exports rest on the newest checkpoint that enough of them have signed, and on none without")
  func required() async throws {
    try await AuditedLedger.with { test in
      let (first, second, stranger) = (
        try Witness("w.example/1"), try Witness("w.example/2"), try Witness("w.example/3")
      )
      let policy = try CheckpointPolicy(
        origin: AuditedLedger.origin, keys: test.policy.keys, witnesses: [first.verifier, second.verifier],
        witnessesMin: 2)
      let proofs = LogProofs(of: test.log, policy: policy)
      let export = LogExport(of: test.ledger, log: test.log, policy: policy, segments: test.segments)
      try await test.append(300)
      try await test.publish()
      let signed = try #require(try await test.log.newest())
      let files = try test.files()
      #expect(try await auditCode { _ = try await proofs.inclusion(of: 7) } == .unwitnessed)
      #expect(try await auditCode { _ = try await export.run { _ in } } == .unwitnessed)
      let verification = LogVerification(of: test.log, policy: policy, segments: test.segments)
      let alone = try await verification.run(LedgerEntries(test.ledger))
      #expect(alone.findings.map(\.kind) == [.checkpoint] && alone.unwitnessed == 300)

      // A whole note, then lines alone; a stranger's is left out.
      let byFirst = try first.cosigned(signed)
      let one = try await test.log.take(byFirst.encoded, policy: policy)
      #expect(one.names == ["w.example/1"] && one.count == 1 && one.checkpoint.size == 300)
      #expect(try await auditCode { _ = try await proofs.inclusion(of: 7) } == .unwitnessed)
      let both = try stranger.cosigned(second.cosigned(signed))
      let lines = String(decoding: both.encoded, as: UTF8.self).split(separator: "\n").suffix(2).joined(separator: "\n")
      let two = try await test.log.take(Array("\(lines)\n".utf8), policy: policy)
      #expect(two.names == ["w.example/2"] && two.count == 2)
      // Again, and at another time: what stands is not written again.
      _ = try await test.log.take(try first.cosigned(signed, at: 1_800_000_000).encoded, policy: policy)
      let after = try test.files()
      #expect(files.allSatisfy { after[$0.key] == $0.value } && after.count == files.count + 2)

      let proof = try await proofs.inclusion(of: 7)
      #expect(try policy.verified(proof.checkpoint).size == 300)
      try await test.append(100)
      try await test.publish()
      #expect(try await proofs.inclusion(of: 300).checkpoint == proof.checkpoint)
      #expect(try await auditCode { _ = try await proofs.inclusion(of: 301) } == .unknown)
      #expect(try await auditCode { _ = try await proofs.consistency(from: 300, to: 400) } == .unwitnessed)
      #expect(try await export.run { _ in }.size == 300)
      let later = try await verification.run(LedgerEntries(test.ledger))
      #expect(later.findings == [] && later.witnessed == 300 && later.unwitnessed == 100 && later.unpublished == 0)

      let newest = try #require(try await test.log.newest())
      _ = try await test.log.take(try second.cosigned(first.cosigned(newest)).encoded, policy: policy)
      #expect(try policy.verified(try await proofs.consistency(from: 300, to: 400).later).size == 400)
      #expect(try await proofs.inclusion(of: 301).position == 301)
    }
  }

  @Test("what is forged, of another log, or signed by nobody who is known is not taken")
  func refused() async throws {
    try await AuditedLedger.with { test in
      let (witness, stranger) = (try Witness("w.example/1"), try Witness("w.example/1"))
      let policy = try CheckpointPolicy(
        origin: AuditedLedger.origin, keys: test.policy.keys, witnesses: [witness.verifier], witnessesMin: 1)
      func take(_ bytes: [UInt8]) async throws -> AuditError.Code? {
        try await auditCode { _ = try await test.log.take(bytes, policy: policy) }
      }
      try await test.append(5)
      try await test.publish()
      let signed = try #require(try await test.log.newest())
      let files = try test.files()
      #expect(try await take(signed.encoded) == .unwitnessed)
      #expect(try await take(try stranger.cosigned(signed).encoded) == .unwitnessed)
      #expect(try await take(Array("nothing of the kind\n".utf8)) == .unreadable)
      let good = try #require(try witness.cosigned(signed).signatures.last)
      var forged = signed
      forged.add(
        SignedNote.Signature(name: good.name, keyID: good.keyID, bytes: good.bytes.dropLast() + [good.bytes.last! ^ 1]))
      #expect(try await take(forged.encoded) == .published)
      let other = Checkpoint(origin: AuditedLedger.origin, size: 5, root: .leaf([1]))
      var another = try SignedNote(text: other.text)
      another.add(try test.signer.signature(over: other.text))
      #expect(try await take(try witness.cosigned(another).encoded) == .unknown)
      #expect(try test.files() == files)
    }
  }
}
