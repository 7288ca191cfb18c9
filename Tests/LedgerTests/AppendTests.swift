import Foundation
import Ledger
import Postgres
import Testing

@Suite struct AppendTests {
  @Test("sequences and versions count from 1, in the order of the call")
  func order() async throws {
    try await TestLedger.with { test async throws in
      let one = try await test.ledger.append([happened("a", expecting: 0)], to: "dev01")
      #expect(one.sequences == [1])
      let many = try await test.ledger.append(
        [happened("a", expecting: 1), happened("b", expecting: 0), happened("a", expecting: 2)], to: "dev01")
      #expect(many.sequences == [2, 3, 4])
      #expect(many.appended == 3)
      #expect(many.recordedAt > one.recordedAt)
      let events = try await test.ledger.read(workspace: "dev01").events
      #expect(events.map(\.version) == [1, 2, 1, 3])
      #expect(events.map(\.nth) == [0, 0, 1, 2])
      #expect(Set(events.dropFirst().map(\.recordedAt)).count == 1)
    }
  }

  @Test(
    "the same events again return their sequences, alone and in a batch, even when the stream has moved on")
  func replay() async throws {
    try await TestLedger.with { test async throws in
      let batch = [happened("a", expecting: 0), happened("b"), happened("a", expecting: 1)]
      let first = try await test.ledger.append(batch, to: "dev01")
      _ = try await test.ledger.append([happened("a")], to: "dev01")
      let again = try await test.ledger.append(batch, to: "dev01")
      #expect(again.sequences == first.sequences)
      #expect((again.appended, again.replayed) == (0, 3))
      #expect(again.recordedAt == first.recordedAt)
      let one = try await test.ledger.append([batch[2]], to: "dev01")
      #expect(one.sequences == [3])
      #expect((one.appended, one.replayed) == (0, 1))
      #expect(one.recordedAt == first.recordedAt)
      #expect(try await test.number("SELECT last_sequence FROM ledger.head") == 4)
      #expect(try await test.ledger.append([happened("b", expecting: 1)], to: "dev01").sequences == [5])
    }
  }

  @Test("run, principal, times and cause are not content: with them changed it is the same event")
  func contentOnly() async throws {
    try await TestLedger.with { test async throws in
      var event = happened("a")
      _ = try await test.ledger.append([event, happened("b")], to: "dev01", run: UUID())
      event.occurredAt = .init(milliseconds: 1)
      event.cause = EventReference(workspace: "dev01", sequence: 2)
      try await test.sql("SELECT ledger.grant_append('somebody', '*', '')")
      #expect(try await test.ledger.append([event], to: "dev01", as: "somebody").replayed == 1)
    }
  }

  @Test(
    "the same id with other content is refused and names the original",
    arguments: ["stream", "type", "version", "data"])
  func otherContent(_ part: String) async throws {
    try await TestLedger.with { test async throws in
      let event = happened("a")
      _ = try await test.ledger.append([event], to: "dev01")
      var other = event
      switch part {
      case "stream": other.stream = "b"
      case "type": other.type = "Moved"
      case "version": other.typeVersion = 2
      default: other.data = #"{"a": 1}"#
      }
      let changed = other
      let expected = LedgerError.Code.sameIDOtherContent(id: event.id, sequence: 1)
      #expect(try await test.refusal(appending: [changed]) == expected)
      #expect(
        try await test.refusal(appending: [happened("c"), changed]) == expected)
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 1)
      #expect(try await test.number("SELECT last_sequence FROM ledger.head") == 1)
    }
  }

  @Test("an id twice in one call counts once if the content is the same, and is refused if not")
  func twiceInACall() async throws {
    try await TestLedger.with { test async throws in
      let event = happened("a")
      let result = try await test.ledger.append([event, happened("b"), event], to: "dev01")
      #expect(result.sequences == [1, 2, 1])
      #expect((result.appended, result.replayed) == (2, 1))
      let id = UUID()
      let code = try await test.refusal(appending: [happened("a", id: id), happened("a", id: id, data: "{}")])
      #expect(code == .sameIDOtherContent(id: id, sequence: nil))
    }
  }

  @Test("a wrong expected version names stream, expected and actual")
  func wrongVersion() async throws {
    try await TestLedger.with { test async throws in
      _ = try await test.ledger.append([happened("a"), happened("a")], to: "dev01")
      let expected = LedgerError.Code.wrongExpectedVersion(stream: "a", expected: 1, actual: 2)
      #expect(
        try await test.refusal(appending: [happened("a", expecting: 1)])
          == expected)
      #expect(
        try await test.refusal(appending: [happened("b"), happened("a", expecting: 1)]) == expected)
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 2)
      #expect(try await test.ledger.append([happened("b", expecting: 0)], to: "dev01").sequences == [3])
    }
  }

  @Test(
    "known and new ids in one batch: without expected versions the new ones are appended, with one it is refused"
  )
  func mixed() async throws {
    try await TestLedger.with { test async throws in
      let known = happened("a")
      _ = try await test.ledger.append([known], to: "dev01")
      let result = try await test.ledger.append([happened("b"), known, happened("a")], to: "dev01")
      #expect(result.sequences == [2, 1, 3])
      #expect((result.appended, result.replayed) == (2, 1))
      let code = try await test.refusal(appending: [known, happened("a", expecting: 2)])
      #expect(code == .wrongExpectedVersion(stream: "a", expected: 2, actual: 2))
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 3)
    }
  }

  @Test("unknown workspace, type and cause are refused by name")
  func unknown() async throws {
    try await TestLedger.with { test async throws in
      #expect(
        try await test.refusal(appending: [happened()], to: "dev02")
          == .unknownWorkspace("dev02"))
      let untyped = NewEvent(stream: "a", id: UUID(), type: "Unheard", data: "{}")
      #expect(
        try await test.refusal(appending: [untyped])
          == .unknownType(type: "Unheard", version: 1))
      #expect(
        try await test.refusal(appending: [happened(), untyped])
          == .unknownType(type: "Unheard", version: 1))
      for cause in [("dev01", 1), ("dev01", 0), ("dev09", 1)] {
        let reference = EventReference(workspace: cause.0, sequence: Int64(cause.1))
        #expect(
          try await test.refusal(appending: [happened(cause: reference)])
            == .unknownCause(reference))
        #expect(
          try await test.refusal(appending: [happened(), happened(cause: reference)])
            == .unknownCause(reference))
      }
      let code = try await refusal { try await test.ledger.openWorkspace("Dev 1") }
      #expect(code == .invalidEvent(index: nil, byteOffset: nil))
    }
  }

  @Test("recorded_at increases from append to append even when the clock steps back")
  func clockStepsBack() async throws {
    try await TestLedger.with { test async throws in
      try await test.sql("UPDATE ledger.head SET last_recorded_at = clock_timestamp() + interval '1 hour'")
      let first = try await test.ledger.append([happened()], to: "dev01").recordedAt
      let second = try await test.ledger.append([happened(), happened()], to: "dev01").recordedAt
      let third = try await test.ledger.append([happened()], to: "dev01").recordedAt
      #expect(second.microseconds == first.microseconds + 1)
      #expect(third.microseconds == second.microseconds + 1)
    }
  }

  @Test("what was appended is read back field by field, bytes included")
  func readBack() async throws {
    try await TestLedger.with { test async throws in
      _ = try await test.ledger.append([happened("a")], to: "dev01")
      let run = UUID()
      let data = #" {"b" : 1.50, "a":"ü🐘\u00e9", "c": [ ] } "#
      let event = NewEvent(
        stream: "model/ü", id: UUID(), type: "Happened", typeVersion: 2,
        occurredAt: .init(microseconds: 1_700_000_000_123_456), data: data,
        cause: EventReference(workspace: "dev01", sequence: 1))
      try await test.sql("SELECT ledger.grant_append('somebody else', '*', '')")
      for events in [[event], [event, happened("b")]] {
        _ = try await test.ledger.append(events, to: "dev01", run: run, as: "somebody else")
      }
      let read = try await test.ledger.read(stream: "model/ü", in: "dev01").events
      let recorded = try #require(read.first)
      #expect(read.count == 1)
      #expect(recorded.data == data)
      #expect(recorded.occurredAt == event.occurredAt)
      #expect(recorded.run == run)
      #expect(recorded.principal == "somebody else")
      #expect(recorded.cause == event.cause)
      #expect(recorded.typeVersion == 2)
      #expect(recorded.salt?.count == 16)
      #expect(recorded.position == nil)
      #expect(
        try await test.number(
          "SELECT count(*) FROM ledger.event WHERE data_hash = sha256(salt || convert_to(data::text, 'UTF8'))"
        )
          == 3)
    }
  }

  @Test("a long list is split only when the caller asks")
  func split() async throws {
    try await TestLedger.with { test async throws in
      let events = (0..<25).map { happened("s", expecting: Int64($0)) }
      let result = try await test.ledger.append(events, to: "dev01", inBatchesOf: 10)
      #expect(result.sequences == Array(1...25))
      #expect(try await test.number("SELECT count(DISTINCT recorded_at) FROM ledger.event") == 3)
      let tooMany = Array(repeating: happened(), count: EventRules.batchEventsMax + 1)
      #expect(
        try await test.refusal(appending: tooMany)
          == .invalidEvent(index: nil, byteOffset: nil))
      #expect(
        try await test.refusal(appending: [])
          == .invalidEvent(index: nil, byteOffset: nil))
    }
  }
}
