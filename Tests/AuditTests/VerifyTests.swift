import Foundation
import Ledger
import Postgres
import Storage
import Testing
import Transparency

@testable import Audit

@Suite("Verifying the log")
struct VerifyTests {
  /// Three checkpoints, of 100, 300 and 500 events, and some that no checkpoint holds.
  private static func with(_ body: (AuditedLedger) async throws -> Void) async throws {
    try await AuditedLedger.with { test in
      for (count, workspace) in [(100, "dev01"), (200, "dev02"), (200, "dev01")] {
        try await test.append(count, to: workspace)
        try await test.publish()
      }
      try await test.append(7)
      try await test.ledger.seal()
      try await body(test)
    }
  }

  @Test(
    "names the first position that is wrong, and how",
    arguments: [
      ("edited", 250, "UPDATE ledger.event SET principal = 'mallory' WHERE workspace = 'dev02' AND sequence = 150;"),
      (
        "edited", 301,
        """
        UPDATE ledger.event SET data = '{"number":-1}', data_hash = sha256(salt || convert_to('{"number":-1}', 'UTF8'))
        WHERE workspace = 'dev01' AND sequence = 101;
        """
      ),
      ("deleted", 120, "DELETE FROM ledger.event WHERE workspace = 'dev02' AND sequence = 20;"),
      ("deleted", 101, "DELETE FROM ledger.event WHERE workspace = 'dev02';"),
      (
        "deleted", 120,
        """
        DELETE FROM ledger.event WHERE workspace = 'dev02' AND sequence = 20;
        UPDATE ledger.event SET sequence = -sequence WHERE workspace = 'dev02' AND sequence > 20;
        UPDATE ledger.event SET sequence = -1 - sequence WHERE workspace = 'dev02' AND sequence < 0;
        """
      ),
      (
        // The last of a checkpoint: what has its place was published under the next one only.
        "deleted", 300,
        """
        DELETE FROM ledger.event WHERE workspace = 'dev02' AND sequence = 200;
        UPDATE ledger.seal_run SET count = 199 WHERE position = 101;
        UPDATE ledger.seal_run SET position = position - 1 WHERE position > 300;
        UPDATE ledger.seal SET last_position = last_position - 1 WHERE last_position = 507;
        """
      ),
      (
        "reordered", 300,
        """
        UPDATE ledger.seal_run SET count = 199 WHERE position = 101;
        UPDATE ledger.seal_run SET position = 302, first_sequence = 102, count = 199 WHERE position = 301;
        INSERT INTO ledger.seal_run (position, workspace, first_sequence, count)
        VALUES (300, 'dev01', 101, 1), (301, 'dev02', 200, 1);
        """
      ),
      (
        "inserted", 120,
        """
        UPDATE ledger.event SET sequence = -sequence WHERE workspace = 'dev02' AND sequence >= 20;
        UPDATE ledger.event SET sequence = 1 - sequence WHERE workspace = 'dev02' AND sequence < 0;
        INSERT INTO ledger.event (workspace, sequence, stream, version, id, type, type_version, recorded_at, principal,
                                  data, salt, data_hash, nth)
        VALUES ('dev02', 20, 'new', 1, gen_random_uuid(), 'Happened', 1, now(), 'mallory', '{}', '\\x00',
                sha256('\\x00'::bytea || '{}'), 0);
        """
      ),
      (
        "reordered", 120,
        """
        UPDATE ledger.event SET sequence = 100000 WHERE workspace = 'dev02' AND sequence = 20;
        UPDATE ledger.event SET sequence = 20 WHERE workspace = 'dev02' AND sequence = 21;
        UPDATE ledger.event SET sequence = 21 WHERE workspace = 'dev02' AND sequence = 100000;
        """
      ),
      (
        "truncated", 301,
        """
        DELETE FROM ledger.seal WHERE last_position > 300;
        DELETE FROM ledger.seal_run WHERE position > 300;
        """
      ),
      (
        "forked", 500,
        "UPDATE ledger.event SET id = gen_random_uuid() WHERE workspace = 'dev01' AND sequence = 300;"
      ),
    ])
  func tampered(_ kind: String, _ position: Int, _ statements: String) async throws {
    try await Self.with { test in
      #expect(try await test.verify().findings == [])
      #expect(try await test.verify().unpublished == 7)
      try await test.tamper("ALTER TABLE ledger.event DROP CONSTRAINT event_sequence_check; " + statements)
      let report = try await test.verify()
      #expect(report.findings.map(\.kind.rawValue) == [kind], "\(report.findings)")
      #expect(report.findings.first?.position == Int64(position), "\(report.findings)")
    }
  }

  @Test("data that was changed beneath its hash is found, redacted data is not missed")
  func data() async throws {
    try await Self.with { test in
      _ = try await test.pool.withSession { session in
        try session.query("SELECT ledger.redact('dev02', 33, 'a name')")
      }
      try await test.ledger.seal()
      #expect(try await test.verify().findings == [])
      try await test.tamper(
        "UPDATE ledger.event SET data = '{\"number\":-1}' WHERE workspace = 'dev02' AND sequence IN (34, 36);")
      let report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.data, .data])
      #expect(report.findings.map(\.position) == [134, 136])
      #expect(report.checkpoints == 3)
    }
  }

  @Test("checkpoints that nobody should believe are named")
  func checkpoints() async throws {
    try await Self.with { test in
      let root = test.folder.appending(path: PublishedLog.folder)
      let other = try NoteSigner(name: AuditedLedger.origin)
      var forged = try SignedNote(
        text: Checkpoint(origin: AuditedLedger.origin, size: 300, root: .empty).text)
      forged.add(try other.signature(over: forged.text))
      try Data(forged.encoded).write(to: root.appending(path: "checkpoints/300"))
      try Data("no note".utf8).write(to: root.appending(path: "checkpoints/100"))
      var report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.checkpoint, .checkpoint])
      #expect(report.findings.allSatisfy { $0.message.contains("100 events") || $0.message.contains("300 events") })
      #expect(report.checkpoints == 1)

      // A second history, signed by the log's own key.
      var split = try SignedNote(text: Checkpoint(origin: AuditedLedger.origin, size: 500, root: .empty).text)
      split.add(try test.signer.signature(over: split.text))
      try Data(split.encoded).write(to: root.appending(path: "checkpoint"))
      report = try await test.verify()
      #expect(report.findings.last?.message.contains("two checkpoints of 500 events") == true)

      try FileManager.default.removeItem(at: root.appending(path: "checkpoint"))
      report = try await test.verify()
      #expect(report.findings.last?.message.contains("newest checkpoint is missing") == true)
      try FileManager.default.removeItem(at: root.appending(path: "checkpoints"))
      #expect(try await auditCode { _ = try await test.verify() } == .unpublished)
    }
  }

  @Test("a newest checkpoint that was set back or damaged is named, and the others are held against all the same")
  func head() async throws {
    try await Self.with { test in
      let root = test.folder.appending(path: PublishedLog.folder)
      let head = root.appending(path: "checkpoint")
      try Data(contentsOf: root.appending(path: "checkpoints/300")).write(to: head)
      var report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.checkpoint] && report.findings.first?.position == 300)
      try Data("no note".utf8).write(to: head)
      report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.checkpoint] && report.checkpoints == 3)
      try Data(repeating: 0x41, count: 80 * 1_048_576).write(to: head)
      report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.checkpoint] && report.checkpoints == 3)
    }
  }

  @Test(
    "whatever is wrong with a published tile is named, with the first position it is wrong about",
    arguments: [
      ("tile/entries/000", "flip 2", 1), ("tile/entries/001.p/44", "flip 2", 257), ("tile/0/000", "flip 3200", 101),
      ("tile/0/001.p/244", "flip 32", 258), ("tile/1/000.p/1", "flip 0", 1), ("tile/entries/000", "remove", 1),
      ("tile/0/000", "remove", 1), ("tile/1/000.p/1", "remove", 1), ("tile/entries/000", "cut", 1),
      ("tile/0/000", "grow", 1), ("tile/entries/007", "make", nil), ("tile/0/001.p/256", "make", nil),
      ("tile/entries/000.p/x", "make", nil), ("checkpoints/12a", "make", nil),
    ] as [(String, String, Int?)])
  func tiles(_ path: String, _ harm: String, _ position: Int?) async throws {
    try await Self.with { test in
      let file = test.folder.appending(path: PublishedLog.folder).appending(path: path)
      if harm == "make" {
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data("x".utf8).write(to: file)
      } else if harm == "remove" {
        try FileManager.default.removeItem(at: file)
      } else {
        var bytes = try Data(contentsOf: file)
        switch harm {
        case "cut": bytes.removeLast()
        case "grow": bytes += Data(repeating: 0, count: 32)
        default: bytes[Int(harm.dropFirst(5)) ?? 0] ^= 1
        }
        try FileManager.default.removeItem(at: file)
        try bytes.write(to: file)
      }
      let report = try await test.verify()
      #expect(report.findings.count == 1, "\(report.findings)")
      #expect(report.findings.first?.kind == (path.hasPrefix("checkpoints") ? .checkpoint : .published))
      #expect(report.findings.first?.position == position.map(Int64.init), "\(report.findings)")
    }
  }

  @Test("an event that is not the published one is named by its hash where the published entry is damaged too")
  func both() async throws {
    try await Self.with { test in
      let file = test.folder.appending(path: PublishedLog.folder).appending(path: "tile/entries/000.p/100")
      var bytes = try Data(contentsOf: file)
      bytes[2] ^= 1
      try FileManager.default.removeItem(at: file)
      try bytes.write(to: file)
      try await test.tamper(
        "UPDATE ledger.event SET principal = 'mallory' WHERE workspace = 'dev01' AND sequence = 70;")
      let report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.differs, .published], "\(report.findings)")
      #expect(report.findings.map(\.position) == [70, 1])
    }
  }

  @Test(
    "an event that is not the published one is named where a published hash is damaged too: the entries are as signed")
  func hashBeside() async throws {
    try await Self.with { test in
      let file = test.folder.appending(path: PublishedLog.folder).appending(path: "tile/0/000.p/100")
      var bytes = try Data(contentsOf: file)
      bytes[32 * 40] ^= 1
      try FileManager.default.removeItem(at: file)
      try bytes.write(to: file)
      try await test.tamper(
        "UPDATE ledger.event SET principal = 'mallory' WHERE workspace = 'dev01' AND sequence = 70;")
      let report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.edited, .published], "\(report.findings)")
      #expect(report.findings.map(\.position) == [70, 41])
    }
  }

  @Test("checkpoints that were taken away with the newest one are missed: the database knows how far it published")
  func setBack() async throws {
    try await Self.with { test in
      let root = test.folder.appending(path: PublishedLog.folder)
      try FileManager.default.removeItem(at: root.appending(path: "checkpoints/500"))
      try FileManager.default.removeItem(at: root.appending(path: "checkpoint"))
      try FileManager.default.copyItem(
        at: root.appending(path: "checkpoints/300"), to: root.appending(path: "checkpoint"))
      let report = try await test.verify()
      #expect(
        report.findings.first?.kind == .checkpoint && report.findings.first?.position == 300, "\(report.findings)")
      #expect(report.findings.first?.message.contains("500 events were published") == true)
    }
  }

  @Test("data that is gone without a redaction is named; a redaction that has no position yet is known")
  func missing() async throws {
    try await Self.with { test in
      _ = try await test.pool.withSession { session in
        try session.query("SELECT ledger.redact('dev02', 33, 'a name')")
      }
      #expect(try await test.verify().findings == [])
      try await test.tamper(
        "UPDATE ledger.event SET data = NULL, salt = NULL WHERE workspace = 'dev02' AND sequence = 35;")
      let report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.missing] && report.findings.first?.position == 135)
    }
  }

  @Test("positions were given when their checkpoints say, and those between in their order")
  func sealTimes() async throws {
    try await AuditedLedger.with { test in
      for isPublished in [true, false, true, true] {
        try await test.append(5)
        if isPublished { try await test.publish() } else { try await test.ledger.seal() }
      }
      #expect(try await test.verify().findings == [])
      for (change, position) in [
        ("sealed_at = sealed_at - interval '30 days' WHERE last_position = 5", 5),
        ("sealed_at = sealed_at + interval '1 microsecond' WHERE last_position = 20", 20),
        ("sealed_at = sealed_at + interval '1 day' WHERE last_position = 10", 10),
        ("last_position = 16 WHERE last_position = 15", 15),
      ] {
        let kept = try await test.pool.withSession { session in
          try session.query("SELECT last_position, sealed_at::text AS at FROM ledger.seal").map {
            (try $0.int64("last_position"), try $0.string("at"))
          }
        }
        try await test.tamper("UPDATE ledger.seal SET \(change);")
        let report = try await test.verify()
        #expect(report.findings.first?.kind == .sealed, "\(change): \(report.findings)")
        #expect(report.findings.contains { $0.position == Int64(position) }, "\(change): \(report.findings)")
        try await test.tamper("UPDATE ledger.seal SET last_position = 15 WHERE last_position = 16;")
        for (last, at) in kept {
          try await test.tamper("UPDATE ledger.seal SET sealed_at = '\(at)' WHERE last_position = \(last);")
        }
        #expect(try await test.verify().findings == [])
      }
      // Without any, what was known as of a time would be nothing.
      try await test.tamper("DELETE FROM ledger.seal;")
      let report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.sealed, .sealed, .sealed], "\(report.findings)")
      #expect(report.findings.map(\.position) == [5, 15, 20])
    }
  }

  @Test("another history of which the published log does not know the end is told, with its first position")
  func split() async throws {
    try await Self.with { test in
      let other = try await AuditedLedger.make()
      for (count, workspace) in [(100, "dev01"), (200, "dev02"), (150, "dev01")] {
        try await other.append(count, to: workspace)
        try await other.ledger.seal()
      }
      let text = Checkpoint(origin: AuditedLedger.origin, size: 450, root: try await other.root(of: 450)).text
      var note = try SignedNote(text: text)
      note.add(try test.signer.signature(over: note.text))
      let report = try await LogVerification(of: test.log, policy: test.policy)
        .run(LedgerEntries(other.ledger), with: note)
      #expect(report.findings.map(\.kind) == [.forked] && report.findings.first?.position == 1, "\(report.findings)")
      await other.pool.close()
    }
  }

  @Test("every event and every pair of checkpoints is proven by what is published alone")
  func proofs() async throws {
    try await Self.with { test in
      let proofs = LogProofs(of: test.log, policy: test.policy)
      let newest = try await test.root(of: 500)
      for position in [1, 2, 99, 100, 255, 256, 257, 300, 301, 499, 500] as [Int64] {
        let proof = try await proofs.inclusion(of: position)
        #expect(
          MerkleProof.isIncluded(.leaf(proof.leaf), at: position - 1, in: 500, root: newest, proof: proof.hashes))
      }
      let sizes: [Int64] = [100, 300, 500]
      for earlier in sizes {
        for later in sizes where earlier <= later {
          let proof = try await proofs.consistency(from: earlier, to: later)
          #expect(
            MerkleProof.isConsistent(
              earlier, root: try await test.root(of: Int(earlier)), with: later,
              root: try await test.root(of: Int(later)), proof: proof.hashes))
        }
      }
      for position in [0, 501, -1] as [Int64] {
        #expect(try await auditCode { _ = try await proofs.inclusion(of: position) } == .unknown)
      }
      #expect(try await auditCode { _ = try await proofs.consistency(from: 300, to: 100) } == .unknown)
      #expect(try await auditCode { _ = try await proofs.consistency(from: 100, to: 301) } == .unknown)
    }
  }

  /// A Python with pymerkle and sigstore.
  private static var python: String? { ProcessInfo.processInfo.environment["AUDIT_PYTHON"] }

  private struct Proofs: Encodable {
    struct Inclusion: Encodable { var index, size: Int64, hashes: [String] }
    struct Consistency: Encodable { var earlier, later: Int64, hashes: [String] }
    var key: String
    var sizes: [Int64]
    var inclusion: [Inclusion] = []
    var consistency: [Consistency] = []
  }

  @Test("pymerkle and sigstore have the same roots and proofs", .enabled(if: Self.python != nil))
  func others() async throws {
    try await Self.with { test in
      let log = LogProofs(of: test.log, policy: test.policy)
      var proofs = Proofs(key: test.signer.verifier.text, sizes: try await test.log.sizes().sizes)
      for position in [1, 2, 3, 77, 255, 256, 257, 300, 444, 499, 500] as [Int64] {
        let proof = try await log.inclusion(of: position)
        proofs.inclusion.append(.init(index: position - 1, size: 500, hashes: proof.hashes.map(\.base64)))
      }
      for earlier in proofs.sizes {
        for later in proofs.sizes where earlier < later {
          let proof = try await log.consistency(from: earlier, to: later)
          proofs.consistency.append(.init(earlier: earlier, later: later, hashes: proof.hashes.map(\.base64)))
        }
      }
      let file = test.folder.appending(path: "proofs.json")
      try JSONEncoder().encode(proofs).write(to: file)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: try #require(Self.python))
      process.arguments = [
        "-B", URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "others.py").path,
        test.folder.appending(path: PublishedLog.folder).path, file.path,
      ]
      try process.run()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
  }
}
