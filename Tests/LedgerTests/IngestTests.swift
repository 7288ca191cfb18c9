import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@Suite("Appending a file")
struct IngestTests {
  /// Makes ids as a program does: the same facts, the same id.
  private static let makeID: EventSource.IDMaker = { facts in
    var hash: [UInt8] = Array(repeating: 0, count: 16)
    for (place, byte) in facts.joined(separator: "\u{0}").utf8.enumerated() {
      hash[place % 16] = hash[place % 16] &* 31 &+ byte &+ UInt8(place % 251)
    }
    return hash.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
  }

  private static func source(
    _ text: String, _ mapping: EventMapping = EventMapping(), for workspace: String = "dev01"
  ) throws -> EventSource {
    try source(Array(text.utf8), mapping, for: workspace)
  }

  private static func source(
    _ bytes: [UInt8], _ mapping: EventMapping = EventMapping(), for workspace: String = "dev01"
  ) throws -> EventSource {
    let path = FileManager.default.temporaryDirectory.appending(path: "ingest-\(UUID().uuidString)").path
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let file = try #require(FileHandle(forReadingAtPath: path))
    try FileManager.default.removeItem(atPath: path)
    return try EventSource(file, for: workspace, mapping: mapping, makeID: makeID)
  }

  private static func data(_ test: TestLedger) async throws -> [String] {
    try await test.ledger.read(workspace: "dev01", limit: 10_000).events.map { $0.data ?? "–" }
  }

  @Test("keeps data byte for byte, takes what 'events read' prints, and does nothing the second time")
  func events() async throws {
    try await TestLedger.with { test async throws in
      let lines = """
        {"stream":"s","type":"Happened","data":{"b": 1.50,  "a":"\\u00e4 / 🧬"}}

        { "data" : {} , "type_version":2, "type":"Happened","id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","stream":"t\\/1","occurred_at":"2026-03-01T00:00:00Z" }\r
        {"workspace":"dev01","sequence":9,"position":3,"version":4,"recorded_at":"x","principal":"y","run":null,"stream":"s","type":"Moved","cause":"dev01/1","expected_version":1,"data":{"last":true}}
        """
      for pass in 0..<2 {
        // What is expected of a stream holds for new events alone, and a mixed batch is refused whole.
        let report = try await test.ledger.ingest(try Self.source(lines), to: "dev01")
        #expect(report.lines == 3 && report.bad == [])
        #expect(report.appended == (pass == 0 ? 3 : 0) && report.replayed == (pass == 0 ? 0 : 3))
      }
      let events = try await test.ledger.read(workspace: "dev01").events
      #expect(events.map(\.data) == ["{\"b\": 1.50,  \"a\":\"\\u00e4 / 🧬\"}", "{}", "{\"last\":true}"])
      #expect(events[1].stream == "t/1" && events[1].typeVersion == 2 && events[1].occurredAt != nil)
      #expect(events[2].cause == EventReference(workspace: "dev01", sequence: 1) && events[2].version == 2)
    }
  }

  @Test("names each bad line with its number and why, and keeps the others")
  func badLines() async throws {
    try await TestLedger.with { test async throws in
      let good = (0..<40).map { #"{"stream":"s","type":"Happened","data":{"n":\#($0)}}"# }
      var lines = good
      let wrong: [(Int, String, String)] = [
        (3, "no json", "a"), (5, #"{"stream":"s","type":"Happened"}"#, "it lacks data"),
        (7, #"{"stream":"s","type":"Happened","data":[1]}"#, "JSON object"),
        (9, #"{"stream":"s","type":"Nothing","data":{}}"#, "not registered"),
        (11, #"{"stream":"s","type":"Happened","data":{"a":1,"a":2}}"#, "twice"),
        (13, #"{"stream":"s","type":"Happened","data":{},"colour":1}"#, "'colour' is no key"),
        (15, #"{"stream":"s","type":"Happened","data":{},"id":"x"}"#, "no UUID"),
        (17, #"{"stream":"s","type":"Happened","data":{},"workspace":"dev02"}"#, "not dev01"),
        (19, #"{"stream":"s","type":"Happened","data":{},"occurred_at":"yesterday"}"#, "no time"),
        (21, #"{"stream":"s","type":"Happened","data":{},"cause":"dev01/99"}"#, "cause"),
        (23, #"{"stream":"s","type":"Happened","data":{"n":500},"expected_version":900}"#, "version"),
        (25, "{\"stream\":\"\",\"type\":\"Happened\",\"data\":{}}", "stream"),
        (27, "{\"stream\":\"s\",\"type\":\"Happened\",\"data\":{\"x\":\"\\u0000\"}}", "NUL"),
      ]
      for (number, line, _) in wrong { lines.insert(line, at: number - 1) }
      let report = try await test.ledger.ingest(try Self.source(lines.joined(separator: "\n")), to: "dev01")
      #expect(report.bad.map(\.number) == wrong.map(\.0), "\(report.bad)")
      for (bad, (_, _, reason)) in zip(report.bad, wrong) { #expect(bad.reason.contains(reason), "\(bad)") }
      #expect(report.appended == 40 && report.lines == 53)
      #expect(Set(try await Self.data(test)) == Set((0..<40).map { #"{"n":\#($0)}"# }))
    }
  }

  @Test("all or nothing in one transaction, whoever finds the fault")
  func atomic() async throws {
    try await TestLedger.with { test async throws in
      let good = (0..<2_500).map { #"{"stream":"s","type":"Happened","data":{"n":\#($0)}}"# }
      for wrong in ["no json", #"{"stream":"s","type":"Nothing","data":{}}"#] {
        var lines = good
        lines.insert(wrong, at: 2_200)
        let report = try await test.ledger.ingestAtomically(try Self.source(lines.joined(separator: "\n")), to: "dev01")
        #expect(report.bad.map(\.number) == [2_201] && report.appended == 0, "\(report.bad)")
        #expect(try await test.number("SELECT count(*) FROM ledger.event") == 0)
      }
      for pass in 0..<2 {
        let report = try await test.ledger.ingestAtomically(try Self.source(good.joined(separator: "\n")), to: "dev01")
        #expect(report.bad == [] && report.appended == (pass == 0 ? 2_500 : 0))
      }
      #expect(try await test.ledger.check().isEmpty)
    }
  }

  @Test("ends after so many bad lines, and says so")
  func cutShort() async throws {
    try await TestLedger.with { test async throws in
      let lines = (0..<5_000).map { $0 % 2 == 0 ? "x" : #"{"stream":"s","type":"Nothing","data":{"n":\#($0)}}"# }
      let report = try await test.ledger.ingest(try Self.source(lines.joined(separator: "\n")), to: "dev01", badMax: 50)
      #expect(report.isCutShort && report.appended == 0 && report.bad.count >= 50)
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 0)
    }
  }

  @Test("a workspace that is not open, and who may not append, end it at once")
  func refused() async throws {
    try await TestLedger.with { test async throws in
      let line = #"{"stream":"s","type":"Happened","data":{}}"#
      let code = try await refusal {
        _ = try await test.ledger.ingest(try Self.source(line, for: "dev09"), to: "dev09")
      }
      #expect(code == .unknownWorkspace("dev09"))
    }
  }

  @Test("two of one id: the same twice is one event, another under the same id is a bad line")
  func ids() async throws {
    try await TestLedger.with { test async throws in
      let id = #""id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8""#
      let lines = [#"{"n":1}"#, #"{"n":1}"#, #"{"n":2}"#].map {
        #"{\#(id),"stream":"s","type":"Happened","data":\#($0)}"#
      }
      let report = try await test.ledger.ingest(try Self.source(lines.joined(separator: "\n")), to: "dev01")
      #expect(report.bad.map(\.number) == [3] && report.appended == 1 && report.replayed == 1, "\(report)")
      let second = try await test.ledger.ingest(try Self.source(lines.joined(separator: "\n")), to: "dev01")
      #expect(second.bad.map(\.number) == [3] && second.replayed == 2, "\(second)")
      let long = #"{"stream":"s","type":"acme.\#(String(repeating: "x", count: 300))","data":{}}"#
      #expect(try await test.ledger.ingest(try Self.source(long), to: "dev01").bad.map(\.number) == [1])
      #expect(try await Self.data(test) == [#"{"n":1}"#])
      let again = try await test.ledger.ingest(try Self.source(lines[2]), to: "dev01")
      #expect(again.bad.map(\.number) == [1])
    }
  }

  @Test("the last line that is looked at is the one with which it gives up, and what stands before it is kept")
  func badMax() async throws {
    try await TestLedger.with { test async throws in
      var lines = (0..<9).map { #"{"stream":"s","type":"Happened","data":{"n":\#($0)}}"# }
      lines += ["bad", lines[0], "bad"]
      let report = try await test.ledger.ingest(try Self.source(lines.joined(separator: "\n")), to: "dev01", badMax: 1)
      #expect(report.bad.map(\.number) == [10] && report.appended == 9 && report.lines == 10 && report.isCutShort)
    }
  }

  @Test("a type that is not granted is a bad line beside others, and by itself ends it")
  func grants() async throws {
    try await TestLedger.with { test async throws in
      let role = "ingest_" + UUID().uuidString.prefix(8).lowercased()
      try await test.sql("CREATE ROLE \(role) LOGIN IN ROLE ledger_writer")
      try await test.sql("SELECT ledger.grant_append('\(role)', 'dev01', 'Happ')")
      let pool = PostgresPool(.init(conninfo: test.database.conninfo + " user=\(role)", connectionsMax: 1))
      let lines = ["Happened", "Moved", "EventRedacted", "Happened"].enumerated().map {
        #"{"stream":"s","type":"\#($0.element)","data":{"n":\#($0.offset)}}"#
      }
      let report = try await Ledger(pool).ingest(try Self.source(lines.joined(separator: "\n")), to: "dev01")
      #expect(report.bad.map(\.number) == [2, 3] && report.appended == 2, "\(report)")
      let code = try await refusal { _ = try await Ledger(pool).ingest(try Self.source(lines[1]), to: "dev01") }
      #expect(code == .notAllowed)
      await pool.close()
    }
  }

  @Test("a thousand refused lines are found in reasonable time, and an atomic file names the line with the wrong cause")
  func manyRefused() async throws {
    try await TestLedger.with { test async throws in
      try await test.sql("SELECT ledger.set_event_schema('Happened', 1::smallint, '{\"required\":[\"a\"]}')")
      var lines = (0..<999).map { #"{"stream":"s","type":"Happened","data":{"n":\#($0)}}"# }
      lines.insert(#"{"stream":"s","type":"Happened","data":{"a":1}}"#, at: 500)
      let report = try await test.ledger.ingest(
        try Self.source(lines.joined(separator: "\n")), to: "dev01", badMax: 2_000)
      #expect(report.bad.count == 999 && report.appended == 1)
      let caused = (0..<6).map {
        #"{"stream":"s","type":"Moved","data":{"n":\#($0)}\#($0 == 4 ? #","cause":"dev01/99""# : "")}"#
      }
      let atomic = try await test.ledger.ingestAtomically(try Self.source(caused.joined(separator: "\n")), to: "dev01")
      #expect(atomic.bad.map(\.number) == [5], "\(atomic.bad)")
    }
  }

  @Test("what is no text where text is asked for, a byte order mark, and carriage returns where they stand")
  func strictness() async throws {
    try await TestLedger.with { test async throws in
      let lines = [
        "\u{FEFF}" + #"{"stream":"s","type":"Happened","data":{}}"#, #"{"stream":5,"type":"Happened","data":{}}"#,
        #"{"stream":"s","type":"Happened","cause":"dev01//1","data":{}}"#,
      ]
      let report = try await test.ledger.ingest(try Self.source(lines.joined(separator: "\n")), to: "dev01")
      #expect(report.bad.map(\.number) == [2, 3] && report.appended == 1, "\(report.bad)")
      let mapping = EventMapping(format: .csv, stream: "r", type: "Moved")
      let csv = "\u{FEFF}\"k\",\"v\"\r\na,\"x\r\"\nb,\"y\"\r\n\"c\"\r,z\nd,last\r"
      let records = try await test.ledger.ingest(try Self.source(csv, mapping), to: "dev01")
      #expect(records.bad.map(\.number) == [4], "\(records.bad)")
      let data = try await test.ledger.read(workspace: "dev01").events.filter { $0.type == "Moved" }.map(\.data)
      #expect(data == [#"{"k":"a","v":"x\r"}"#, #"{"k":"b","v":"y"}"#, #"{"k":"d","v":"last"}"#])
      let nulls = EventMapping(stream: "n/{k}", type: "Moved", key: ["k"])
      let told = try await test.ledger.ingest(
        try Self.source("{\"k\":null}\n{\"k\":1}\n{\"k\":\"1\"}", nulls), to: "dev01")
      #expect(told.bad.map(\.number) == [1] && told.appended == 2, "\(told)")
    }
  }

  @Test("a long line, one that is no UTF-8, and a file without a last newline")
  func strangeBytes() async throws {
    try await TestLedger.with { test async throws in
      let good = Array(#"{"stream":"s","type":"Happened","data":{"n":1}}"#.utf8)
      var bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 5 * 1_048_576)
      bytes += [0x0a] + good + [0x0a]
      bytes += Array(#"{"stream":"s","type":"Happened","data":{"n":""#.utf8) + [0xff] + Array("\"}}\n".utf8)
      bytes += Array(#"{"stream":"s","type":"Happened","data":{"n":2}}"#.utf8)
      let report = try await test.ledger.ingest(try Self.source(bytes), to: "dev01")
      #expect(report.bad.map(\.number) == [1, 3] && report.lines == 4 && report.appended == 2, "\(report)")
    }
  }

  @Test("records become data: comma-separated with numbers, and JSON; stream and id are made of their values")
  func records() async throws {
    try await TestLedger.with { test async throws in
      let csv = """
        \u{FEFF}model,dataset,auc,note,at\r
        sepsis,icu,0.910,"says ""fine"", mostly",2026-03-01T00:00:00Z\r
        falls,"two
        lines",1e-1,,2026-03-02T00:00:00Z\r

        los,icu,high,x,2026-03-02T00:00:00Z
        los,icu,0.5,x
        "los,icu,0.5
        """
      let mapping = EventMapping(
        format: .csv, stream: "evaluation/{model}", type: "Happened", key: ["model", "dataset"], occurredAt: "at",
        numbers: ["auc"])
      let report = try await test.ledger.ingest(try Self.source(csv, mapping), to: "dev01")
      #expect(report.bad.map(\.number) == [6, 7, 8], "\(report.bad)")
      let events = try await test.ledger.read(workspace: "dev01").events
      #expect(
        events.map(\.data) == [
          #"{"at":"2026-03-01T00:00:00Z","auc":0.910,"dataset":"icu","model":"sepsis","note":"says \"fine\", mostly"}"#,
          #"{"at":"2026-03-02T00:00:00Z","auc":1e-1,"dataset":"two\nlines","model":"falls"}"#,
        ])
      #expect(events.map(\.stream) == ["evaluation/sepsis", "evaluation/falls"])
      #expect(events[0].occurredAt == Timestamp(rfc3339: "2026-03-01T00:00:00Z"))

      let json = EventMapping(stream: "evaluation/{model}/{n}", type: "Moved", key: ["model"])
      let told = try await test.ledger.ingest(
        try Self.source("{\"model\":\"a\\u0062\",\"n\":7, \"x\":[1, 2]}\n{\"model\":\"c\"}", json), to: "dev01")
      #expect(told.bad.map(\.number) == [2] && told.appended == 1)
      let last = try #require(try await test.ledger.read(workspace: "dev01").events.last)
      #expect(last.stream == "evaluation/ab/7" && last.data == "{\"model\":\"a\\u0062\",\"n\":7, \"x\":[1, 2]}")
      // The same key is the same event; with another content it is refused.
      let again = try await test.ledger.ingest(
        try Self.source("{\"model\":\"ab\",\"n\":7,\"x\":[1, 2]}", json), to: "dev01")
      #expect(again.bad.map(\.number) == [1])
      for names in ["", "a,a\n1,2"] {
        let code = try await refusal { _ = try Self.source(names, mapping) }
        #expect(code == .invalidEvent(index: nil, byteOffset: nil), "\(names)")
      }
    }
  }
}
