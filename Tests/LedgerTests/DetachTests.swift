import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@Suite("Detached data")
struct DetachTests {
  /// Three streams of `Happened`, of which the type may be detached by `kind`, all sealed.
  private static func with(_ by: String? = "kind", _ body: (TestLedger, [NewEvent]) async throws -> Void) async throws {
    try await TestLedger.with { test async throws in
      try await test.sql("SELECT ledger.let_detach('Happened', $1)", [by])
      var events: [NewEvent] = []
      for number in 0..<12 {
        events.append(happened("s\(number % 2)", data: #"{"kind":"\#(number % 3 == 0 ? "a" : "b")","n":\#(number)}"#))
      }
      events.append(NewEvent(stream: "s0", id: UUID(), type: "Moved", data: "{}"))
      _ = try await test.ledger.append(events, to: "dev01")
      try await test.ledger.seal()
      try await body(test, events)
    }
  }

  private static func without(_ test: TestLedger) async throws -> [Int64] {
    try await test.ledger.read(workspace: "dev01").events.filter(\.isDetached).map(\.sequence)
  }

  @Test("leaves the newest event of each stream, type and value, and everything else about an event")
  func detach() async throws {
    try await Self.with { test, _ async throws in
      let before = try await test.ledger.read(workspace: "dev01").events
      #expect(try await test.ledger.detach(1...13, in: "dev01", segment: 0) == 8)
      // Of s0 stay 6 (a) and 10 (b), of s1 9 (a) and 11 (b), each with its number plus one as its sequence.
      #expect(try await Self.without(test) == [1, 2, 3, 4, 5, 6, 8, 9])
      let after = try await test.ledger.read(workspace: "dev01").events
      #expect(after.prefix(13).map(\.leaf) == before.map(\.leaf) && after.prefix(13).map(\.salt) == before.map(\.salt))
      #expect(after[13].type == "DataDetached" && after[13].stream == "segments" && after.count == 14)
      let said = try #require(after[13].data)
      #expect(said.contains(#""events":8,"first":1,"last":13,"segment":0"#))
      // Again, nothing is left to do, and nothing is said.
      #expect(try await test.ledger.detach(1...13, in: "dev01", segment: 0) == 0)
      #expect(try await test.number("SELECT count(*) FROM ledger.event") == 14)
      #expect(try await test.ledger.check().isEmpty)
    }
  }

  @Test("of any value with an empty key, of none without one, and never of what is not sealed")
  func bounds() async throws {
    try await Self.with("") { test, _ async throws in
      #expect(try await test.ledger.detach(1...4, in: "dev01", segment: 0) == 4)
      #expect(try await test.ledger.detach(1...13, in: "dev01", segment: 0) == 6)
      #expect(try await Self.without(test) == Array(1...10))
      for call in [
        "'dev01', 1, 20, 0", "'dev01', 0, 3, 0", "'dev01', 3, 2, 0", "'dev01', 1, 2, -1", "'dev01', 1, 2, null",
      ] {
        #expect(try await test.state(of: "SELECT ledger.detach(\(call))") == "LG400", "\(call)")
      }
      #expect(try await test.state(of: "SELECT ledger.detach('dev09', 1, 2, 0)") == "LG404")
      #expect(try await test.state(of: "SELECT ledger.let_detach('Nothing', '')") == "LG422")
      // What a projection is made anew from stays, and so does what the ledger says of itself, which nobody else says.
      for type in ["ModelDescribed", "StageTransitioned", "EventRedacted", "DataDetached"] {
        #expect(try await test.state(of: "SELECT ledger.let_detach('\(type)', '')") == "LG400", "\(type)")
      }
      for type in ["DataDetached", "DataAttached"] {
        let forged = NewEvent(stream: "segments", id: UUID(), type: type, data: #"{"first":1,"last":99}"#)
        #expect(try await test.refusal(appending: [forged]) == .notAllowed)
        #expect(try await test.refusal(appending: [happened(), forged]) == .notAllowed)
      }
      // The last of its kind that has data may not be redacted while those that it replaced have none.
      #expect(try await test.state(of: "SELECT ledger.redact('dev01', 11, 'a name')") == "LG400")
    }
    try await Self.with(nil) { test, _ async throws in
      #expect(try await test.ledger.detach(1...13, in: "dev01", segment: 0) == 0)
    }
  }

  @Test("is still compared when an id comes again")
  func ids() async throws {
    try await Self.with { test, events async throws in
      _ = try await test.ledger.detach(1...13, in: "dev01", segment: 0)
      #expect(try await test.ledger.append([events[0]], to: "dev01").sequences == [1])
      #expect(try await test.ledger.append(Array(events[0...2]), to: "dev01").sequences == [1, 2, 3])
      var other = events[0]
      other.data = #"{"kind":"a","n":99}"#
      let refused = try await refusal { _ = try await test.ledger.append([other], to: "dev01") }
      guard case .sameIDOtherContent? = refused else { return #expect(Bool(false), "\(String(describing: refused))") }
      let both = try await refusal { _ = try await test.ledger.append([events[1], other], to: "dev01") }
      guard case .sameIDOtherContent? = both else { return #expect(Bool(false), "\(String(describing: both))") }
    }
  }

  @Test("comes back as it was and not otherwise, and not once it was redacted")
  func attach() async throws {
    try await Self.with { test, events async throws in
      _ = try await test.ledger.detach(1...13, in: "dev01", segment: 0)
      #expect(try await test.number("SELECT ledger.redact('dev01', 2, 'a name')") == 15)
      let data = (0..<9).map { (sequence: Int64($0 + 1), text: events[$0].data) }
      var wrong = data
      wrong[3].text += " "
      let refused = try await refusal { _ = try await test.ledger.attach(wrong, in: "dev01") }
      guard case .invalidEvent? = refused else { return #expect(Bool(false), "\(String(describing: refused))") }
      let lost = try await Self.without(test).count
      #expect(lost == 7)
      #expect(try await test.ledger.attach(data, in: "dev01") == 7)
      #expect(try await test.ledger.attach(data, in: "dev01") == 0)
      let after = try await test.ledger.read(workspace: "dev01").events
      #expect(after.prefix(9).map(\.data) == [events[0].data, nil] + events[2...8].map(\.data))
      #expect(after.last?.type == "DataAttached" && after.last?.data == #"{"events":7,"first":1,"last":9}"#)
      // What is attached may go again, by another word of the log.
      #expect(try await test.ledger.detach(1...13, in: "dev01", segment: 0) == 7)
    }
  }

  @Test("goes in no other way: not by hand, not with its salt, not before the log says so")
  func byHand() async throws {
    try await Self.with { test, _ async throws in
      let statements = [
        "UPDATE ledger.event SET data = NULL WHERE sequence = 1",
        "UPDATE ledger.event SET data = NULL, salt = NULL WHERE sequence = 1",
        "UPDATE ledger.event SET data = NULL, salt = '\\x00' WHERE sequence = 1",
        "UPDATE ledger.event SET data = '{}' WHERE sequence = 1",
      ]
      for statement in statements { #expect(try await test.state(ofScript: statement) == "LG403", "\(statement)") }
      _ = try await test.ledger.detach(1...4, in: "dev01", segment: 0)
      let later = [
        "UPDATE ledger.event SET data = NULL WHERE sequence = 13",
        "UPDATE ledger.event SET data = '{}' WHERE sequence = 1",
        "UPDATE ledger.event SET salt = NULL WHERE sequence = 1",
        "UPDATE ledger.event SET salt = '\\x00' WHERE sequence = 1",
      ]
      for statement in later { #expect(try await test.state(ofScript: statement) == "LG403", "\(statement)") }
    }
  }
}
