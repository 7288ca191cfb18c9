import Ledger
import Postgres
import Testing

@Suite struct AppendOnlyTests {
  private static let statements = [
    "DELETE FROM ledger.event",
    "UPDATE ledger.event SET data = '{}'",
    "UPDATE ledger.event SET data = NULL, salt = NULL",
    "UPDATE ledger.event SET type = 'Moved', data = NULL, salt = NULL WHERE sequence = 1",
    "TRUNCATE ledger.event",
    "TRUNCATE ledger.event CASCADE",
    "TRUNCATE ledger.event_00, ledger.event_01, ledger.event_02, ledger.event_03",
    "DELETE FROM ledger.seal", "UPDATE ledger.seal SET sealed_at = now()", "TRUNCATE ledger.seal",
    "DELETE FROM ledger.seal_run", "UPDATE ledger.seal_run SET count = 2", "TRUNCATE ledger.seal_run",
    "DELETE FROM ledger.workspace", "TRUNCATE ledger.workspace",
  ]

  @Test(
    "nobody changes what is recorded: not the owner, not a superuser, not with triggers switched off for replication",
    arguments: ["SET ROLE ledger_owner", "RESET ROLE", "SET session_replication_role = replica"])
  func refused(_ setting: String) async throws {
    try await TestLedger.with { test async throws in
      _ = try await test.ledger.append([happened(), happened()], to: "dev01")
      try await test.ledger.seal()
      for statement in Self.statements {
        let state = try await test.state(ofScript: "BEGIN; \(setting); \(statement); COMMIT")
        #expect(state == "LG403", "\(statement)")
      }
      for partition in 0..<16 {
        let table = "ledger.event_" + (partition < 10 ? "0" : "") + "\(partition)"
        #expect(try await test.state(ofScript: "BEGIN; \(setting); TRUNCATE \(table); COMMIT") == "LG403")
      }
      #expect(try await test.number("SELECT count(*) FROM ledger.event WHERE data IS NOT NULL") == 2)
    }
  }

  @Test("redaction empties data and salt, is an event itself, keeps the leaf, and happens once")
  func redaction() async throws {
    try await TestLedger.with { test async throws in
      let secret = happened("p", data: #"{"name":"Jane"}"#)
      _ = try await test.ledger.append([happened(), secret], to: "dev01")
      try await test.ledger.seal()
      let before = try await test.ledger.read().events
      #expect(try await test.number("SELECT ledger.redact('dev01', 2, 'asked by \"Jane\"')") == 3)
      try await test.ledger.seal()
      let after = try await test.ledger.read().events
      #expect(after[1].data == nil)
      #expect(after[1].salt == nil)
      #expect(after.prefix(2).map(\.leaf) == before.map(\.leaf))
      #expect(after[2].type == "EventRedacted")
      #expect(after[2].stream == "redactions")
      #expect(after[2].cause == EventReference(workspace: "dev01", sequence: 2))
      #expect(after[2].data == #"{"reason":"asked by \"Jane\"","sequence":2,"stream":"p"}"#)
      // The same event again is still known, whatever its data was.
      #expect(try await test.ledger.append([secret], to: "dev01").sequences == [2])
      for call in [
        "redact('dev01', 2, 'x')", "redact('dev01', 3, 'x')", "redact('dev01', 9, 'x')",
        "redact('dev01', 1, '')",
      ] {
        #expect(try await test.state(ofScript: "SELECT ledger.\(call)") == "LG400")
      }
      #expect(
        try await test.state(ofScript: "UPDATE ledger.event SET data = NULL, salt = NULL WHERE sequence = 1")
          == "LG403")
      #expect(try await test.number("SELECT last_sequence FROM ledger.head") == 3)
    }
  }

  @Test("nobody appends EventRedacted by hand")
  func handmade() async throws {
    try await TestLedger.with { test async throws in
      let event = NewEvent(
        stream: "redactions", id: happened().id, type: "EventRedacted", data: #"{"sequence":1}"#)
      #expect(try await test.refusal(appending: [event]) == .notAllowed)
      #expect(
        try await test.refusal(appending: [happened(), event]) == .notAllowed)
    }
  }
}
