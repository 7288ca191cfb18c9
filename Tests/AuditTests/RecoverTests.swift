import Foundation
import Ledger
import Postgres
import Testing
import Transparency

@testable import Audit

@Suite("Recovering the log")
struct RecoverTests {
  /// What a restore of an older backup leaves: nothing after a position, and no trace of it.
  private static func setBack(_ test: AuditedLedger, to position: Int64) async throws {
    try await test.tamper(
      """
      CREATE TEMPORARY TABLE kept AS SELECT workspace, max(sequence) AS sequence FROM ledger.events
        WHERE position <= \(position) GROUP BY workspace;
      DELETE FROM ledger.event e WHERE e.sequence > coalesce((SELECT k.sequence FROM kept k WHERE k.workspace = e.workspace), 0);
      DELETE FROM ledger.seal_run WHERE position > \(position);
      UPDATE ledger.seal_run SET count = \(position) + 1 - position WHERE position + count > \(position) + 1;
      DELETE FROM ledger.seal WHERE first_position > \(position);
      UPDATE ledger.seal SET last_position = \(position), sealed_at = sealed_at - interval '100 microseconds' WHERE last_position > \(position);
      UPDATE ledger.head h SET last_sequence = coalesce((SELECT k.sequence FROM kept k WHERE k.workspace = h.workspace), 0);
      UPDATE ledger.sealed s SET sequence = coalesce((SELECT k.sequence FROM kept k WHERE k.workspace = s.workspace), 0);
      DELETE FROM ledger.stream;
      INSERT INTO ledger.stream SELECT workspace, stream, max(version) FROM ledger.event GROUP BY workspace, stream;
      DROP TABLE kept;
      """)
  }

  /// Some publications of two workspaces, one event redacted, and the export of all.
  private static func with(_ body: (AuditedLedger, _ export: String) async throws -> Void) async throws {
    try await AuditedLedger.with { test in
      for (count, workspace) in [(100, "dev01"), (200, "dev02"), (900, "dev01")] {
        try await test.append(count, to: workspace)
        try await test.publish()
      }
      _ = try await test.pool.withSession { session in
        try session.query("SELECT ledger.redact('dev01', 50, 'a name'), ledger.redact('dev01', 600, 'another')")
      }
      try await test.publish()
      try await body(test, try await test.export().file)
    }
  }

  private static func recovery(_ test: AuditedLedger) -> LogRecovery {
    LogRecovery(of: test.ledger, log: test.log, policy: test.policy, locks: PostgresPublicationLocks(test.pool))
  }

  private static func dump(_ test: AuditedLedger) async throws -> [String] {
    try await test.pool.withSession { session in
      try session.query("SELECT e::text AS line FROM ledger.events e ORDER BY workspace, sequence").map {
        try $0.string("line")
      }
    }
  }

  @Test(
    "every event comes back to its position as it was, wherever the log was cut, and the log goes on",
    arguments: [0, 1, 57, 100, 299, 1_201] as [Int64])
  func comesBack(cut: Int64) async throws {
    try await Self.with { test, export in
      let before = try await Self.dump(test)
      try await Self.setBack(test, to: cut)
      #expect(try await auditCode { try await test.publish() } == .behind)
      let report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.truncated] && report.findings.first?.position == cut + 1)

      let outcome = try await Self.recovery(test).run(from: try ExportedEntries(path: export, keepsContent: true))
      #expect(outcome.recovered == 1_202 - cut && outcome.checkpoint.size == 1_202 && outcome.newest.size == 1_202)
      #expect(try await Self.dump(test) == before)
      #expect(try await test.verify().findings == [])
      try await test.append(3, to: "dev02")
      #expect(try await test.publish().added == 3)
      #expect(try await test.verify().findings == [])
      let again = try await Self.recovery(test).run(from: try ExportedEntries(path: export, keepsContent: true))
      #expect(again.recovered == 0 && again.workspaces == [])
    }
  }

  @Test("events that were appended here again, not sealed, are recognized; others are refused, and nothing is written")
  func wentOn() async throws {
    try await Self.with { test, export in
      // The cut lies within dev01's events; those after it are there, without a position.
      try await test.tamper(
        """
        DELETE FROM ledger.seal_run WHERE position > 1000;
        UPDATE ledger.seal_run SET count = 1001 - position WHERE position + count > 1001;
        DELETE FROM ledger.seal WHERE first_position > 1000;
        UPDATE ledger.seal SET last_position = 1000, sealed_at = sealed_at - interval '100 microseconds' WHERE last_position > 1000;
        UPDATE ledger.sealed SET sequence = 800 WHERE workspace = 'dev01';
        """)
      let entries = try ExportedEntries(path: export, keepsContent: true)
      #expect(try await Self.recovery(test).run(from: entries).recovered == 202)
      #expect(try await test.verify().findings == [])

      try await Self.setBack(test, to: 1_000)
      try await test.append(1, to: "dev01")
      let before = try await Self.dump(test)
      #expect(try await auditCode { _ = try await Self.recovery(test).run(from: entries) } == .forked)
      #expect(try await Self.dump(test) == before)
    }
  }

  @Test("tiles of a publication that was killed before it signed, of events that a restore took, are put aside")
  func unsigned() async throws {
    try await AuditedLedger.with { test in
      try await test.append(300)
      try await test.publish()
      let signed = try test.files()
      try await test.append(500)
      try await test.publish()
      // It was killed after its tiles, and the database was set back to before their events.
      let root = test.folder.appending(path: PublishedLog.folder)
      for path in ["checkpoints/800", "checkpoint"] {
        try FileManager.default.removeItem(at: root.appending(path: path))
      }
      try #require(signed["checkpoint"]).write(to: root.appending(path: "checkpoint"))
      try await Self.setBack(test, to: 310)
      try await test.tamper("UPDATE ledger.publication SET size = 300")
      try await test.append(490)
      let left = try test.files()
      #expect(try await auditCode { try await test.publish() } == .unsigned)
      #expect(try test.files()["checkpoint"] == signed["checkpoint"])
      let found = try await test.verify()
      #expect(!found.findings.isEmpty && found.findings.allSatisfy { $0.kind == .published })
      #expect(found.findings.allSatisfy { $0.message.contains("audit seal --put-aside") })

      let outcome = try await test.publisher().publish(putsAside: true)
      #expect(outcome.checkpoint.size == 800 && outcome.aside > 0)
      #expect(try await test.verify().findings == [])
      let after = try test.files()
      #expect(signed.allSatisfy { $0.key == "checkpoint" || after[$0.key] == $0.value })
      // What lay there is kept.
      let aside = after.filter { $0.key.hasPrefix("unsigned/") }.map(\.value)
      #expect(aside.count == outcome.aside)
      #expect(
        left.filter { $0.key.hasPrefix("tile/") && signed[$0.key] == nil }.allSatisfy { aside.contains($0.value) })
      try await test.append(3)
      #expect(try await test.publisher().publish(putsAside: true).aside == 0)
    }
  }

  @Test("an export that was changed, or is of another log, gives nothing")
  func doctored() async throws {
    try await Self.with { test, export in
      let text = try String(contentsOfFile: export, encoding: .utf8)
      try await Self.setBack(test, to: 700)
      let before = try await Self.dump(test)
      for (old, new) in [("\"number\\\":7}", "\"number\\\":8}"), ("\"dev01\",900,", "\"dev01\",901,")] {
        #expect(text.contains(old))
        try text.replacing(old, with: new, maxReplacements: 1).write(toFile: export, atomically: true, encoding: .utf8)
        let code = try await auditCode {
          _ = try await Self.recovery(test).run(from: try ExportedEntries(path: export, keepsContent: true))
        }
        #expect(code == .published)
      }
      #expect(try await Self.dump(test) == before)
    }
  }

  @Test("an export from before the loss gives what it has, and it is said what is missing still")
  func olderExport() async throws {
    try await AuditedLedger.with { test in
      try await test.append(300)
      try await test.publish()
      let export = try await test.export().file
      try await test.append(300)
      try await test.publish()
      try await Self.setBack(test, to: 200)
      let outcome = try await Self.recovery(test).run(from: try ExportedEntries(path: export, keepsContent: true))
      #expect(outcome.recovered == 100 && outcome.newest.size == 600)
      #expect(try await auditCode { try await test.publish() } == .behind)
      #expect(try await test.verify().findings.first?.position == 301)
    }
  }

  @Test("nobody but the owner takes events back, and a leaf that is not that of its place is refused")
  func door() async throws {
    try await Self.with { test, export in
      let page = try await ExportedEntries(path: export, keepsContent: true).entries(after: 0, limit: 3)
      let events = page.map { Ledger.RecoveredEvent(leaf: $0.leaf, salt: $0.content?.salt, data: $0.content?.data) }
      await #expect(throws: LedgerError.self) { _ = try await test.ledger.recover(events) }
      try await Self.setBack(test, to: 0)
      await #expect(throws: LedgerError.self) { _ = try await test.ledger.recover(Array(events.dropFirst())) }
      var changed = events
      changed[1].data = "{}"
      await #expect(throws: LedgerError.self) { _ = try await test.ledger.recover(changed) }
      try await test.pool.withSession { session in
        try session.executeScript(
          "DO $$ BEGIN CREATE ROLE recover_tester LOGIN IN ROLE ledger_writer; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        )
        #expect(
          try session.query(
            "SELECT has_function_privilege('recover_tester', 'ledger.recover(text[], bytea[], text[], timestamptz)', 'execute') AS may"
          ).first?.bool("may") == false)
      }
      #expect(try await test.ledger.recover(events) == 3)
    }
  }

  @Test("what is lost for good is named by the new log: how much of the old one is kept, and what it was")
  func succession() async throws {
    try await Self.with { test, _ in
      let old = try #require(try await test.log.newest())
      try await Self.setBack(test, to: 700)
      let succession = LogSuccession(of: test.ledger, old: test.log, policy: test.policy)
      let predecessor = try await succession.predecessor()
      #expect(predecessor.kept == 700 && predecessor.lostFrom == 701 && predecessor.size == 1_202)
      #expect(predecessor.root == (try Checkpoint(text: old.text)).root.base64)
      // It went on by itself: what is kept is what both have.
      try await test.append(600)
      try await test.ledger.seal()
      #expect(try await succession.predecessor().kept == 700)
    }
  }

  @Test("a log that has everything has no successor")
  func whole() async throws {
    try await Self.with { test, _ in
      let code = try await auditCode {
        _ = try await LogSuccession(of: test.ledger, old: test.log, policy: test.policy).predecessor()
      }
      #expect(code == .unknown)
    }
  }

  @Test("what was redacted after the backup is redacted again, be it in the backup or not")
  func redacted() async throws {
    try await AuditedLedger.with { test in
      try await test.append(100)
      try await test.publish()
      let backup = try await test.pool.withSession { session in
        try session.query(
          "SELECT data::text AS data, encode(salt, 'hex') AS salt FROM ledger.event WHERE sequence = 50"
        ).map {
          (try $0.string("data"), try $0.string("salt"))
        }
      }
      _ = try await test.pool.withSession { session in
        try session.query("SELECT ledger.redact('dev01', 50, 'a name')")
      }
      try await test.publish()
      let export = try await test.export().file
      try await Self.setBack(test, to: 100)
      let (data, salt) = try #require(backup.first)
      try await test.tamper(
        "UPDATE ledger.event SET data = '\(data)', salt = decode('\(salt)', 'hex') WHERE workspace = 'dev01' AND sequence = 50;"
      )
      #expect(
        try await Self.recovery(test).run(from: try ExportedEntries(path: export, keepsContent: true)).recovered == 1)
      let left = try await test.pool.withSession { session in
        try session.query("SELECT FROM ledger.event WHERE sequence = 50 AND data IS NOT NULL").count
      }
      #expect(left == 0)
      #expect(try await test.verify().findings == [])
    }
  }

  @Test(
    "a newest checkpoint that is missing or was set back does not stand in the way; damaged tiles do not let a fork in")
  func damagedStorage() async throws {
    try await Self.with { test, export in
      let root = test.folder.appending(path: PublishedLog.folder)
      let head = root.appending(path: "checkpoint")
      try await Self.setBack(test, to: 700)
      try Data(contentsOf: root.appending(path: "checkpoints/300")).write(to: head)
      try Data("x".utf8).write(to: root.appending(path: "checkpoints/stray"))
      let outcome = try await Self.recovery(test).run(from: try ExportedEntries(path: export, keepsContent: true))
      #expect(outcome.recovered == 502 && outcome.newest.size == 1_202)

      // The same export with one event altered throughout, and the tiles gone that would say which.
      try await Self.setBack(test, to: 700)
      for tile in ["entries/003", "0/003"] {
        try FileManager.default.removeItem(at: root.appending(path: "tile/\(tile)"))
      }
      let before = try await Self.dump(test)
      let text = try String(contentsOfFile: export, encoding: .utf8)
      try text.replacing("\"dev01\",600,", with: "\"dev01\",600 ,", maxReplacements: 1)
        .write(toFile: export, atomically: true, encoding: .utf8)
      let code = try await auditCode {
        _ = try await Self.recovery(test).run(from: try ExportedEntries(path: export, keepsContent: true))
      }
      #expect(code == .published)
      #expect(try await Self.dump(test) == before)
    }
  }
}
