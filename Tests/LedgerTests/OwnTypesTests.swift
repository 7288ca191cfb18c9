import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@Suite("Types and projections of one's own")
struct OwnTypesTests {
  private static let example = URL(fileURLWithPath: #filePath).appending(path: "../../../ops/examples/leaderboard.sql")
    .standardized

  private static func fault(_ schema: String, _ value: String, _ test: TestLedger) async throws -> String? {
    try await test.sql("SELECT ledger.schema_fault($1::jsonb, $2::jsonb, 'data') AS fault", [schema, value]).first?
      .optionalString("fault")
  }

  @Test("a schema takes what it describes and refuses what it does not, keyword by keyword")
  func keywords() async throws {
    try await TestLedger.with { test async throws in
      let cases: [(schema: String, fits: [String], not: [String])] = [
        (#"{"type":"integer"}"#, ["1", "1.0", "1e3"], ["1.5", "\"1\"", "null", "true"]),
        (#"{"type":["string","null"]}"#, ["\"a\"", "null"], ["1", "{}"]),
        (#"{"enum":[1,"a",{"b":[2]}]}"#, ["1.0", "\"a\"", #"{"b":[2]}"#], ["2", #"{"b":[]}"#]),
        (#"{"const":{"a":1}}"#, [#"{"a":1}"#], ["{}"]),
        (#"{"minimum":0,"exclusiveMaximum":1}"#, ["0", "0.99", "\"text\""], ["1", "-0.1"]),
        (#"{"exclusiveMinimum":0,"maximum":1}"#, ["1", "0.1"], ["0", "1.1"]),
        (#"{"multipleOf":0.1}"#, ["0.3", "7"], ["0.35"]),
        (
          #"{"minLength":2,"maxLength":3,"pattern":"^[a-zäö]+$"}"#, ["\"äö\"", "\"abc\"", "1"],
          ["\"a\"", "\"abcd\"", "\"A1\""]
        ),
        (
          #"{"format":"date-time"}"#, ["\"2026-03-01T00:00:00Z\"", "\"2026-03-01T00:00:00.5+01:00\""],
          ["\"2026-03-01\"", "\"2026-13-01T00:00:00Z\""]
        ),
        (#"{"format":"uuid"}"#, ["\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\""], ["\"6ba7b810\""]),
        (#"{"format":"date"}"#, ["\"2026-03-01\""], ["\"2026-3-1\""]),
        (
          #"{"items":{"type":"integer"},"minItems":1,"maxItems":2,"uniqueItems":true}"#, ["[1]", "[1,2]"],
          ["[]", "[1,2,3]", "[1,1]", "[\"a\"]"]
        ),
        (
          #"{"required":["a"],"properties":{"a":{"type":"string"}},"additionalProperties":false}"#, [#"{"a":"x"}"#],
          ["{}", #"{"a":1}"#, #"{"a":"x","b":1}"#]
        ),
        (
          #"{"additionalProperties":{"type":"number"},"minProperties":1,"maxProperties":2}"#, [#"{"a":1}"#],
          ["{}", #"{"a":"x"}"#, #"{"a":1,"b":2,"c":3}"#]
        ),
        (#"{"anyOf":[{"type":"string"},{"minimum":5}]}"#, ["\"a\"", "6"], ["1"]),
        (#"{"oneOf":[{"minimum":5},{"maximum":7}]}"#, ["8", "1"], ["6"]),
        (#"{"allOf":[{"minimum":5},{"maximum":7}]}"#, ["6"], ["8", "1"]),
        (#"{"not":{"type":"string"}}"#, ["1"], ["\"a\""]),
        (
          #"{"properties":{"a":{"properties":{"b":{"type":"boolean"}}}}}"#, [#"{"a":{"b":true}}"#, "{}"],
          [#"{"a":{"b":1}}"#]
        ),
        ("true", ["1"], []), ("false", [], ["1"]), ("{}", ["1", "{}"], []),
      ]
      for (schema, fits, not) in cases {
        for value in fits { #expect(try await Self.fault(schema, value, test) == nil, "\(schema) \(value)") }
        for value in not { #expect(try await Self.fault(schema, value, test) != nil, "\(schema) \(value)") }
      }
      let deep = try await Self.fault(
        #"{"properties":{"a":{"items":{"required":["b"]}}}}"#, #"{"a":[{"b":1},{}]}"#, test)
      #expect(deep == "data.a[1] lacks b")
    }
  }

  @Test("what cannot be enforced is refused when it is set, and a schema is set once")
  func flaws() async throws {
    try await TestLedger.with { test async throws in
      for schema in [
        #"{"$ref":"x"}"#, #"{"type":"text"}"#, #"{"properties":[]}"#, #"{"properties":{"a":{"typ":"string"}}}"#,
        #"{"required":"a"}"#,
        #"{"minimum":"0"}"#, #"{"pattern":"("}"#, #"{"format":"email"}"#, #"{"anyOf":[{"type":1}]}"#, #"{"items":[1]}"#,
        "[]",
        #"{"type":[]}"#, #"{"anyOf":[]}"#, #"{"minLength":-1}"#, #"{"required":[1]}"#, #"{"pattern":"\\bfoo"}"#,
        #"{"multipleOf":0}"#, #"{"not":{"x":1}}"#, #"{"additionalProperties":{"y":1}}"#,
      ] {
        let state = try await test.state(of: "SELECT ledger.set_event_schema('Happened', 1::smallint, '\(schema)')")
        #expect(state == "LG400", "\(schema)")
      }
      #expect(try await test.state(of: "SELECT ledger.set_event_schema('Nothing', 1::smallint, '{}')") == "LG422")
      let early = NewEvent(stream: "s", id: UUID(), type: "Happened", data: "{}")
      _ = try await test.ledger.append([early], to: "dev01")
      try await test.sql("SELECT ledger.set_event_schema('Happened', 1::smallint, '{\"required\":[\"a\"]}')")
      try await test.sql("SELECT ledger.set_event_schema('Happened', 1::smallint, '{ \"required\": [\"a\"] }')")
      #expect(try await test.state(of: "SELECT ledger.set_event_schema('Happened', 1::smallint, '{}')") == "LG400")
      // Another version is another shape; a batch names the event, one event is refused as well.
      let fine = NewEvent(stream: "s", id: UUID(), type: "Happened", typeVersion: 2, data: "{}")
      let named = NewEvent(stream: "s", id: UUID(), type: "Happened", data: #"{"a":1}"#)
      let bare = NewEvent(stream: "s", id: UUID(), type: "Happened", data: "{}")
      _ = try await test.ledger.append([fine, named], to: "dev01")
      // What came before its schema is known still.
      #expect(try await test.ledger.append([early], to: "dev01").replayed == 1)
      #expect(try await test.ledger.append([early, fine], to: "dev01").replayed == 2)
      #expect(try await test.refusal(appending: [named, fine, bare]) == .invalidEvent(index: 2, byteOffset: nil))
      #expect(try await test.refusal(appending: [bare]) == .invalidEvent(index: 0, byteOffset: nil))
    }
  }

  @Test("lines of JSON are appended by a call too, their data as it stands, all or none")
  func lines() async throws {
    try await TestLedger.with { test async throws in
      let line =
        #"{"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","stream":"s","type":"Happened","data":{"b": 1.0,  "a":"ä"}}"#
      let other =
        #"{"id":"7ba7b810-9dad-11d1-80b4-00c04fd430c8","stream":"s","type":"Moved","occurred_at":"2026-03-01T00:00:00Z","expected_version":1,"data":{}}"#
      let call = "SELECT appended || ' ' || replayed AS line FROM ledger.append_lines('dev01', $1::text[]::json[])"
      // Of known ids nothing is expected.
      for wanted in ["2 0", "0 2"] {
        let told = try await test.sql(call, [[line, other]]).first?.string("line")
        #expect(told == wanted)
      }
      let events = try await test.ledger.read(workspace: "dev01").events
      #expect(events.map(\.data) == [#"{"b": 1.0,  "a":"ä"}"#, "{}"])
      #expect(events[1].occurredAt == Timestamp(rfc3339: "2026-03-01T00:00:00Z"))
      for wrong in [
        #"{"stream":"s","type":"Happened","data":{}}"#,
        #"{"id":"8ba7b810-9dad-11d1-80b4-00c04fd430c8","stream":"s","type":"Happened"}"#,
      ] { #expect(try await test.state(of: call, [[wrong]]) == "LG400", "\(wrong)") }
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 2)
    }
  }

  @Test(
    "the worked example: a schema, a grant, a file, a leaderboard that is rebuilt and checked, in fewer than forty lines"
  )
  func leaderboard() async throws {
    try await TestLedger.with(workspaces: ["dev01", "dev02"]) { test async throws in
      let text = try String(contentsOf: Self.example, encoding: .utf8)
      let lines = text.split(separator: "\n").filter { !$0.hasPrefix("--") }
      #expect(lines.count < 40)
      let role = "acme_" + UUID().uuidString.prefix(8).lowercased()
      try await test.pool.withSession { try $0.executeScript(text.replacing("acme_nightly", with: role)) }
      let job = PostgresPool(.init(conninfo: test.database.conninfo + " user=\(role)", connectionsMax: 1))
      let ledger = Ledger(job)
      func evaluated(_ model: String, _ version: Int, _ auc: String, type: String = "acme.Evaluated") -> NewEvent {
        NewEvent(
          stream: "evaluation/\(model)", id: UUID(), type: type,
          data: #"{"auc":\#(auc),"dataset":"icu","model":"\#(model)","version":\#(version)}"#)
      }
      _ = try await ledger.append(
        [evaluated("a", 1, "0.8"), evaluated("b", 1, "0.9"), evaluated("a", 1, "0.95")], to: "dev01")
      _ = try await ledger.append([evaluated("c", 2, "0.7")], to: "dev02")
      #expect(
        try await test.refusal(appending: [evaluated("a", 1, "1.5")], by: ledger)
          == .invalidEvent(index: 0, byteOffset: nil))
      #expect(
        try await test.refusal(appending: [evaluated("a", 1, "0.5", type: "Happened")], by: ledger) == .notAllowed)
      await job.close()
      func board() async throws -> [String] {
        try await test.sql("SELECT place || ' ' || model || ' ' || auc AS line FROM acme.leaderboard ORDER BY place")
          .map {
            try $0.string("line")
          }
      }
      #expect(try await board() == ["1 a 0.95", "2 b 0.9", "3 c 0.7"])
      func check(_ workspace: String) async throws -> [String] {
        try await test.sql("SELECT * FROM ledger.check_projection('leaderboard', $1)", [workspace]).map {
          try $0.string("difference")
        }
      }
      #expect(try await check("dev01") == [])
      try await test.sql("UPDATE acme.evaluation SET auc = 0.99 WHERE model = 'b'")
      #expect(try await check("dev01").sorted() == ["missing", "unfounded"])
      #expect(try await board().first == "1 b 0.99")
      #expect(try await test.number("SELECT ledger.rebuild_projection('leaderboard', 'dev01')") == 3)
      #expect(try await check("dev01") == [])
      #expect(try await board() == ["1 a 0.95", "2 b 0.9", "3 c 0.7"])
      for wrong in [
        "check_projection('leaderboard', 'dev09')", "check_projection('none', 'dev01')",
        "register_projection('x', 'acme.apply(text,bigint,bigint)', 'acme.reset(text)', '{}', '{acme.none}', '')",
        "register_projection('x', 'acme.none(text)', 'acme.reset(text)', '{}', '{acme.evaluation}', '')",
      ] { #expect(try await test.state(of: "SELECT ledger.\(wrong)")?.hasPrefix("LG4") == true, "\(wrong)") }
    }
  }
}
