import Foundation
import Ledger
import Postgres
import Testing

/// A text, what is wrong with it, and where the Swift check finds it; nil for what is accepted.
struct DoorCase: Sendable {
  var name: String
  var data: String
  var byteOffset: Int?

  init(_ name: String, _ data: String, at byteOffset: Int? = nil) {
    self.name = name
    self.data = data
    self.byteOffset = byteOffset
  }

  private static func nested(_ depth: Int) -> String {
    #"{"a":"# + String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1) + "}"
  }

  static let all: [DoorCase] = [
    DoorCase("nothing", "", at: 0),
    DoorCase("a number", "1", at: 0),
    DoorCase("an array", "[1]", at: 0),
    DoorCase("null", "null", at: 0),
    DoorCase("an object that does not end", #"{"a":1"#, at: 6),
    DoorCase("a string that does not end", #"{"a":"x"#, at: 7),
    DoorCase("something after the object", #"{"a":1}x"#, at: 7),
    DoorCase("two objects", "{},{}", at: 2),
    DoorCase("a trailing comma", #"{"a":1,}"#, at: 7),
    DoorCase("a leading zero", #"{"a":01}"#, at: 6),
    DoorCase("NaN", #"{"a":NaN}"#, at: 5),
    DoorCase("a raw control character", "{\"a\":\"\n\"}", at: 6),
    DoorCase("an unknown escape", #"{"a":"\x"}"#, at: 6),
    DoorCase("a short escape", #"{"a":"\u12"}"#, at: 10),
    DoorCase("NUL", #"{"a":"\u0000"}"#, at: 6),
    DoorCase("NUL in a key", #"{"\u0000":1}"#, at: 2),
    DoorCase("a lone high surrogate", #"{"a":"\ud800"}"#, at: 6),
    DoorCase("a lone low surrogate", #"{"a":"\udc00"}"#, at: 6),
    DoorCase("surrogates the wrong way round", #"{"a":"\udc00\ud800"}"#, at: 6),
    DoorCase("a key twice", #"{"a":1,"b":2,"a":3}"#, at: 13),
    DoorCase("a key twice, once escaped", #"{"a":1,"\u0061":2}"#, at: 7),
    DoorCase("a key twice with spaces", "{\"a\" :1,\t\"a\"\n:2}", at: 9),
    DoorCase("a key twice, deep", #"{"x":[{"y":{"a":":","a":"::"}}]}"#, at: 20),
    DoorCase("an empty key twice", #"{"":1,"":2}"#, at: 6),
    DoorCase("1e400000", #"{"a":1e400000}"#, at: 5),
    DoorCase("-1E-309 in an array", #"{"a":[1, -1E-309]}"#, at: 9),
    DoorCase("an exponent of 30 digits", #"{"a":1e+\#(String(repeating: "9", count: 30))}"#, at: 5),
    DoorCase("41 digits", #"{"a":\#(String(repeating: "9", count: 41))}"#, at: 5),
    DoorCase("41 digits with a point", #"{"a":0.\#(String(repeating: "9", count: 40))}"#, at: 5),
    DoorCase("65 levels", nested(65), at: 68),
    DoorCase("10 MB of nesting", String(repeating: "[", count: 10_000_000), at: EventRules.dataBytesMax),
    DoorCase("1 MB of nesting", #"{"a":"# + String(repeating: "[", count: 1_000_000), at: 68),
    DoorCase(
      "a byte too many", #"{"a":"\#(String(repeating: "x", count: EventRules.dataBytesMax - 7))"}"#,
      at: EventRules.dataBytesMax),

    DoorCase("an empty object", "{}"),
    DoorCase("spaces around", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n"),
    DoorCase("64 levels", nested(64)),
    DoorCase(
      "as many bytes as there may be",
      #"{"a":"\#(String(repeating: "x", count: EventRules.dataBytesMax - 8))"}"#),
    DoorCase("40 digits", #"{"a":-\#(String(repeating: "9", count: 40))}"#),
    DoorCase("1e308 and 1E-308", #"{"a":[1e308,1E-308,1e+0000308,0.1e5]}"#),
    DoorCase(
      "what looks like numbers, in strings", #"{"a":" ,1e999 \#(String(repeating: "9", count: 99))"}"#),
    DoorCase("brackets in strings", #"{"a":"\#(String(repeating: "[{", count: 100))"}"#),
    DoorCase("quotes and backslashes", #"{"a\"":"\\","a\\":"\"\\\"","b":"\/\b\f\n\r\t"}"#),
    DoorCase("colons and escapes in strings", #"{"a":"::","b":"\u003a","c":"\\u0000"}"#),
    DoorCase("a surrogate pair", #"{"a":"\ud83d\udc18 🐘"}"#),
    DoorCase("one key at two levels", #"{"a":{"a":[{"a":1},{"a":2}]}}"#),
    DoorCase("keys that differ in case and form", "{\"a\":1,\"A\":2,\"\u{e9}\":3,\"e\u{301}\":4}"),
    DoorCase("words", #"{"a":[true,false,null,-0,0.5]}"#),
  ]
}

@Suite struct DoorTests {
  @Test("Swift and SQL refuse the same texts, Swift at the byte")
  func data() async throws {
    try await TestLedger.with { test async throws in
      for door in DoorCase.all { try await check(door, test) }
    }
  }

  private func check(_ door: DoorCase, _ test: TestLedger) async throws {
    let inSQL = try await test.stateOfData(door.data)
    #expect(inSQL == (door.byteOffset == nil ? nil : "LG400"), "\(door.name)")
    let events = [happened("s"), happened("s", data: door.data)]
    let inSwift = try await test.refusal(appending: events)
    let expected = door.byteOffset.map { LedgerError.Code.invalidEvent(index: 1, byteOffset: $0) }
    #expect(inSwift == expected, "\(door.name)")
  }

  @Test("a batch is refused in SQL with the index of the event and the reason")
  func batch() async throws {
    try await TestLedger.with { test async throws in
      let rows = try await test.sql(
        "SELECT f.* FROM unnest($1::text[]) WITH ORDINALITY AS d (data, nth), ledger.data_fault(d.data) f ORDER BY nth",
        [[#"{"a":1,"a":2}"#, #"{"a":"\u0000"}"#, #"{"a":"\ud800"}"#, "{", #"{"a":1e999}"#, "[]"]])
      let reasons = try rows.map { try $0.string("reason") }
      #expect(
        reasons
          == ["duplicate_key", "nul", "lone_surrogate", "malformed", "number_out_of_bounds", "not_an_object"])
      let code = try await test.state(
        of: """
          SELECT ledger.append('dev01', ARRAY['a','b'], NULL, ARRAY[gen_random_uuid(), gen_random_uuid()],
            ARRAY['Happened','Happened'], NULL, NULL, ARRAY['{}','{"a":1,"a":1}'], NULL, NULL, NULL, NULL)
          """)
      #expect(code == "LG400")
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 0)
    }
  }

  @Test("among hundreds of flat events the same texts are refused as alone")
  func flat() async throws {
    try await TestLedger.with { test async throws in
      let more = [
        DoorCase("a known key twice", #"{"name":"a","name":"b"}"#, at: 12),
        DoorCase("41 digits under a known key", #"{"files":\#(String(repeating: "9", count: 41))}"#, at: 9),
        DoorCase("a known key in a known key", #"{"name":{"name":{}}}"#),
        DoorCase("known keys in another order", #"{"version":1,"name":"\"quoted\""}"#),
      ]
      for door in DoorCase.all + more where door.data.utf8.count < 10_000 {
        let state = try await test.state(ofFlatBatchWith: [door.data])
        #expect(state == (door.byteOffset == nil ? nil : "LG400"), "\(door.name)")
      }
      let halves = try await test.state(ofFlatBatchWith: [#"{"name":"x"#, #"y"}"#])
      #expect(halves == "LG400")
    }
  }

  @Test("what is not JSON is refused before an unknown workspace, cause or version is")
  func order() async throws {
    try await TestLedger.with { test async throws in
      let unknown = try await test.state(ofFlatBatchWith: [#"{"name":"}"#], to: "nowhere")
      #expect(unknown == "LG400")
      let cause = try await test.state(ofFlatBatchWith: [#"{"name":"}"#], cause: 7)
      #expect(cause == "LG400")
      let version = try await test.state(ofFlatBatchWith: [#"{"name":"}"#], expected: 7)
      #expect(version == "LG400")
      let well = try await test.state(ofFlatBatchWith: ["{}"], expected: 7)
      #expect(well == "LG412")
    }
  }

  @Test(
    "the names of streams are checked in Swift and in SQL",
    arguments: [
      "", "a\nb", "a\u{7f}", "a\u{85}", String(repeating: "ü", count: 257),
    ])
  func streams(_ stream: String) async throws {
    try await TestLedger.with { test async throws in
      #expect(
        try await test.refusal(appending: [happened(stream)]) == .invalidEvent(index: 0, byteOffset: nil))
      let one = "ledger.append_one('dev01', $1, NULL, gen_random_uuid(), 'Happened', NULL, NULL, '{}'"
      #expect(try await test.state(of: "SELECT \(one), NULL, NULL, NULL, NULL)", [stream]) == "LG400")
      let many = """
        ledger.append('dev01', ARRAY['s', $1::text], NULL, ARRAY[gen_random_uuid(), gen_random_uuid()],
                      ARRAY['Happened', 'Happened'], NULL, NULL, ARRAY['{}', '{}']
        """
      #expect(try await test.state(of: "SELECT \(many), NULL, NULL, NULL, NULL)", [stream]) == "LG400")
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 0)
    }
  }

  @Test(
    "times outside the years 1 to 9999 are refused in SQL",
    arguments: [
      "infinity", "-infinity", "0044-03-15 BC", "10000-01-01",
    ])
  func times(_ time: String) async throws {
    try await TestLedger.with { test async throws in
      let call = "ledger.append_one('dev01', 's', NULL, gen_random_uuid(), 'Happened', NULL, '\(time)', '{}'"
      #expect(try await test.state(of: "SELECT \(call), NULL, NULL, NULL, NULL)") == "LG400")
      var event = happened()
      event.occurredAt = Timestamp(milliseconds: 253_402_300_800_000)
      #expect(try await test.refusal(appending: [event]) == .invalidEvent(index: 0, byteOffset: nil))
    }
  }

  @Test(
    "a batch that is empty, too long, or misses something is refused in SQL",
    arguments: [
      "ARRAY[]::text[], NULL, ARRAY[]::uuid[], ARRAY[]::text[], NULL, NULL, ARRAY[]::text[]",
      "ARRAY['s'], NULL, ARRAY[gen_random_uuid()], ARRAY['Happened'], NULL, NULL, ARRAY['{}','{}']",
      "ARRAY['s'], NULL, ARRAY[NULL]::uuid[], ARRAY['Happened'], NULL, NULL, ARRAY['{}']",
      "ARRAY['s'], ARRAY[1,2], ARRAY[gen_random_uuid()], ARRAY['Happened'], NULL, NULL, ARRAY['{}']",
      "ARRAY['s'], ARRAY[-1], ARRAY[gen_random_uuid()], ARRAY['Happened'], NULL, NULL, ARRAY['{}']",
      "ARRAY['s'], NULL, ARRAY[gen_random_uuid()], ARRAY['Happened'], NULL, NULL, ARRAY[NULL]::text[]",
      "NULL, NULL, NULL, NULL, NULL, NULL, NULL",
      """
      array_fill('s'::text, ARRAY[10001]), NULL, array_fill(gen_random_uuid(), ARRAY[10001]),
      array_fill('Happened'::text, ARRAY[10001]), NULL, NULL, array_fill('{}'::text, ARRAY[10001])
      """,
    ])
  func shapes(_ arguments: String) async throws {
    try await TestLedger.with { test async throws in
      let call = "ledger.append('dev01', \(arguments), NULL, NULL, NULL, NULL)"
      #expect(try await test.state(of: "SELECT \(call)") == "LG400")
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 0)
    }
  }
}

extension TestLedger {
  /// What appending these texts is refused with, after so many flat events that they are checked in one step.
  fileprivate func state(
    ofFlatBatchWith texts: [String], to workspace: String = "dev01", cause: Int64? = nil, expected: Int64? = nil
  ) async throws -> String? {
    let flat = #"{"models":1,"reason":"\#(String(repeating: "x", count: 200))"}"#
    let data = [String](repeating: flat, count: 400) + texts
    return try await state(
      of: """
        SELECT ledger.append($1, array_fill('s'::text, ARRAY[n]), array_fill($2::bigint, ARRAY[n]),
          ARRAY(SELECT gen_random_uuid() FROM generate_series(1, n)), array_fill('WorkspaceObserved'::text, ARRAY[n]), NULL,
          NULL, $3::text[], array_fill($4::text, ARRAY[n]), array_fill($5::bigint, ARRAY[n]), NULL, NULL)
        FROM cardinality($3::text[]) n
        """,
      [workspace, expected, data, cause.map { _ in "dev01" }, cause])
  }
}
