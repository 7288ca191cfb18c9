import Foundation
import Ledger
import Postgres
import Storage
import Synchronization
import Testing
import Transparency

@testable import Audit

@Suite("Publishing the log")
struct PublishTests {
  @Test("it grows by any number, as the leaves in PostgreSQL come to, and nothing that stands is written again")
  func grows() async throws {
    try await AuditedLedger.with { test in
      #expect(try await test.publish().checkpoint.size == 0)
      #expect(try test.files().isEmpty)
      var before: [String: Data] = [:]
      for (added, workspace) in [
        (1, "dev01"), (254, "dev02"), (1, "dev01"), (1, "dev02"), (443, "dev01"), (68, "dev02"),
      ] {
        try await test.append(added, to: workspace)
        let outcome = try await test.publish()
        #expect(outcome.added == Int64(added))
        #expect(outcome.checkpoint.root == (try await test.root(of: Int(outcome.checkpoint.size))))
        let files = try test.files()
        for (path, bytes) in before where path != "checkpoint" { #expect(files[path] == bytes, "\(path)") }
        #expect(files["checkpoint"] == files["checkpoints/\(outcome.checkpoint.size)"])
        for tile in Tile.added(to: outcome.checkpoint.size) { #expect(files[tile.path] != nil, "\(tile.path)") }
        before = files
      }
      #expect(try await test.log.sizes().sizes == [1, 255, 256, 257, 700, 768])
      let again = try await test.publish()
      #expect(again.added == 0 && again.checkpoint.size == 768)
      #expect(try test.files() == before)
      let report = try await test.verify()
      #expect(report.findings == [] && report.entries == 768 && report.checkpoints == 6 && report.unpublished == 0)
    }
  }

  @Test("tiles are full and complete however the leaves come")
  func growth() {
    let leaves = (0..<70_000).map { Array("leaf \($0)".utf8) }
    var growth = Growth(open: .init(), entries: [])
    var tiles: [String: [UInt8]] = [:]
    var place = 0
    for step in [1, 254, 3, 4_096, 60_000, 1_181, 4_465] {
      for (tile, bytes) in growth.append(Array(leaves[place..<place + step])) {
        #expect(tiles.updateValue(bytes, forKey: tile.path) == nil)
      }
      place += step
    }
    for (tile, bytes) in growth.rest() { tiles[tile.path] = bytes }
    #expect(place == leaves.count)
    #expect(Set(tiles.keys) == Set(Tile.added(to: 70_000).map(\.path)))
    let hashes = leaves.map { MerkleHash.leaf($0) }
    #expect(growth.frontier.root == AuditedLedger.root(hashes[...]))
    let level2 = Tile.hashes(in: tiles["tile/2/000.p/1"] ?? [])
    #expect(level2 == [AuditedLedger.root(hashes[..<65_536])])
    let level1 = Tile.hashes(in: tiles["tile/1/001.p/17"] ?? [])
    #expect(level1?.last == AuditedLedger.root(hashes[(256 + 16) * 256..<(256 + 17) * 256]))
    #expect(Tile.entries(in: tiles["tile/entries/273.p/112"] ?? [])?.last == leaves.last)
  }

  @Test("several at once publish one log")
  func together() async throws {
    try await AuditedLedger.with { test in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<3 {
          group.addTask {
            for _ in 0..<8 {
              try await test.append(11, to: number == 0 ? "dev01" : "dev02")
              try await test.publish()
            }
          }
        }
        try await group.waitForAll()
      }
      let report = try await test.verify()
      #expect(report.findings == [] && report.entries == 264 && report.unpublished == 0)
      #expect(try await test.log.sizes().sizes.last == 264)
    }
  }

  @Test("what died before the checkpoint was written is gone on from")
  func resumed() async throws {
    try await AuditedLedger.with { test in
      try await test.append(300)
      try await test.publish()
      try await test.append(300)
      try await test.publish()
      // As if it had died before its checkpoint, and before the newest was replaced.
      let root = test.folder.appending(path: PublishedLog.folder)
      try FileManager.default.removeItem(at: root.appending(path: "checkpoints/600"))
      try FileManager.default.removeItem(at: root.appending(path: "checkpoint"))
      try FileManager.default.copyItem(
        at: root.appending(path: "checkpoints/300"), to: root.appending(path: "checkpoint"))
      try await test.ledger.notePublication(of: AuditedLedger.origin, size: 300)
      try await test.append(5)
      #expect(try await test.publish().added == 305)
      #expect(try await test.verify().findings == [])
    }
  }

  @Test("whoever lost the lock replaces nothing: somebody else may have published more since")
  func lockLost() async throws {
    try await AuditedLedger.with { test in
      try await test.append(300)
      try await test.publish()
      let before = try #require(try await test.log.newest())
      try await test.append(5)
      try await test.publish()
      let later = try #require(try await test.log.newest())
      try await PostgresPublicationLocks(test.pool).alone { lock in
        try await lock.confirm()
        try await test.pool.withSession { session in
          _ = try session.query(
            """
            SELECT pg_terminate_backend(pid, 10000) FROM pg_locks
            WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """)
        }
        await #expect(throws: PostgresError.self) { try await lock.confirm() }
      }
      let head = test.folder.appending(path: PublishedLog.folder).appending(path: "checkpoint")
      try Data(before.encoded).write(to: head)
      let asked = Mutex(0)
      let lost = PublicationLock {
        let times = asked.withLock { asked in
          asked += 1
          return asked
        }
        guard times < 2 else { throw PostgresError(.connectionLost, "the lock is lost") }
      }
      await #expect(throws: PostgresError.self) { try await test.log.put(later, of: 305, holding: lost) }
      #expect(try await test.log.newest()?.text == before.text)
      try await test.publish()
      #expect(try await test.log.newest()?.text == later.text)
    }
  }

  @Test("a database that was set back publishes nothing")
  func behind() async throws {
    try await AuditedLedger.with { test in
      try await test.append(300)
      try await test.publish()
      let restored = try await AuditedLedger.make(sharing: test)
      try await restored.append(20)
      let files = try test.files()
      #expect(try await auditCode { try await restored.publish() } == .behind)
      // It went on by itself, and is larger by now, where somebody sealed it.
      try await restored.append(400)
      #expect(try await auditCode { try await restored.publish() } == .behind)
      try await restored.ledger.seal()
      #expect(try await auditCode { try await restored.publish() } == .forked)
      #expect(try test.files() == files)
      let report = try await restored.verify()
      #expect(report.findings.map(\.kind) == [.forked] && report.findings.first?.position == 1)
      await restored.pool.close()
    }
  }

  @Test("damage to what was published is told, and nothing is published over it")
  func damaged() async throws {
    try await AuditedLedger.with { test in
      try await test.append(300)
      try await test.publish()
      try await test.append(1)
      let root = test.folder.appending(path: PublishedLog.folder)
      for path in ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44", "checkpoint"] {
        let file = root.appending(path: path)
        let sound = try Data(contentsOf: file)
        var damaged = sound
        damaged[damaged.count - 1] ^= 1
        try damaged.write(to: file)
        #expect(try await auditCode { try await test.publish() } == .published, "\(path)")
        try FileManager.default.removeItem(at: file)
        if path != "checkpoint" {
          #expect(try await auditCode { try await test.publish() } == .published, "\(path)")
        }
        try sound.write(to: file)
      }
      #expect(try await test.publish().added == 1)
    }
  }

  @Test("a store that has less than was published is not taken for it, unless it is said to be lost")
  func away() async throws {
    try await AuditedLedger.with { test in
      try await test.append(300)
      let first = try await test.publish().checkpoint
      #expect(first.sealedAt != nil)
      try await test.append(10)
      let second = try await test.publish().checkpoint
      let root = test.folder.appending(path: PublishedLog.folder)
      let files = FileManager.default
      try files.moveItem(at: root, to: test.folder.appending(path: "aside"))
      try await test.append(1)
      #expect(try await auditCode { try await test.publish() } == .away)
      #expect(try await auditCode { try await test.publisher().seal() } == .away)
      // An older copy of the store.
      try files.copyItem(at: test.folder.appending(path: "aside"), to: root)
      try files.removeItem(at: root.appending(path: "checkpoints/310"))
      try files.removeItem(at: root.appending(path: "checkpoint"))
      try files.copyItem(at: root.appending(path: "checkpoints/300"), to: root.appending(path: "checkpoint"))
      #expect(try await auditCode { try await test.publish() } == .published)
      #expect(try await test.ledger.lastPosition() == 310)
      try files.removeItem(at: root)
      let anew = try await test.publisher().publish(anew: true)
      #expect(anew.checkpoint.size == 311 && anew.added == 311)
      #expect(try await test.verify().findings == [])
      #expect(try await test.root(of: 310) == second.root)
      try await test.append(1)
      #expect(try await test.publish().added == 1)
    }
  }

  @Test("what was sealed and is gone is told, not waited for")
  func gone() async throws {
    try await AuditedLedger.with { test in
      try await test.append(10)
      try await test.ledger.seal()
      try await test.tamper("DELETE FROM ledger.event WHERE sequence = 10;")
      #expect(try await auditCode { try await test.publish() } == .forked)
    }
  }

  @Test("a newest checkpoint that was put back, or is gone, hides nothing from the next publication")
  func headGone() async throws {
    try await AuditedLedger.with { test in
      try await test.append(300)
      try await test.publish()
      let head = test.folder.appending(path: PublishedLog.folder).appending(path: "checkpoint")
      try FileManager.default.removeItem(at: head)
      let restored = try await AuditedLedger.make(sharing: test)
      try await restored.append(50)
      #expect(try await auditCode { try await restored.publish() } == .behind)
      await restored.pool.close()
      #expect(try await test.publish().added == 0)
      #expect(try Data(contentsOf: head) == (try test.files()["checkpoints/300"]))
      try await test.append(1)
      #expect(try await test.publish().checkpoint.size == 301)
    }
  }

  @Test("a key takes over from another, and who knows neither believes nothing")
  func rotation() async throws {
    try await AuditedLedger.with { test in
      try await test.append(3)
      try await test.publish()
      let next = try NoteSigner(name: AuditedLedger.origin)
      let both = try CheckpointPolicy(origin: AuditedLedger.origin, keys: [test.signer.verifier, next.verifier])
      try await test.append(3)
      #expect(try await test.publisher(signers: [test.signer, next], policy: both).publish().added == 3)
      try await test.append(3)
      #expect(try await test.publisher(signers: [next], policy: both).publish().added == 3)
      #expect(try await LogVerification(of: test.log, policy: both).run(LedgerEntries(test.ledger)).findings == [])

      try await test.append(1)
      #expect(try await auditCode { try await test.publish() } == .published)
      let stranger = try NoteSigner(name: AuditedLedger.origin)
      #expect(
        try await auditCode { _ = try await test.publisher(signers: [stranger], policy: both).publish() } == .key)
      let report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.checkpoint, .checkpoint])
    }
  }
}
