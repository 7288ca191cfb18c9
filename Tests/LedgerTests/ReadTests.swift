import Foundation
import Ledger
import Postgres
import Testing

@Suite struct ReadTests {
  private func fill(_ test: TestLedger) async throws {
    for round in 0..<10 {
      var events = (0..<5).map { happened("s\($0 % 2)", data: #"{"n":\#(round * 5 + $0)}"#) }
      events[1].type = "Moved"
      _ = try await test.ledger.append(events, to: round % 3 == 0 ? "dev02" : "dev01")
      if round == 6 { try await test.ledger.seal() }
    }
  }

  @Test("pages of any size give every event once, in order", arguments: [1, 7, 1_000])
  func pages(_ limit: Int) async throws {
    try await TestLedger.with(workspaces: ["dev01", "dev02"]) { test async throws in
      try await fill(test)
      try await test.ledger.seal()
      var sequences: [Int64] = []
      var bySequence: SequenceCursor = 0
      while true {
        let page = try await test.ledger.read(workspace: "dev01", after: bySequence, limit: limit)
        sequences += page.events.map(\.sequence)
        bySequence = page.next
        if page.isLast { break }
      }
      #expect(sequences == Array(1...30))
      var versions: [Int64] = []
      var byVersion: VersionCursor = 0
      while true {
        let page = try await test.ledger.read(stream: "s1", in: "dev02", after: byVersion, limit: limit)
        versions += page.events.map(\.version)
        byVersion = page.next
        if page.isLast { break }
      }
      #expect(versions == Array(1...8))
      for types in [nil, ["Moved"], ["Moved", "Happened"], ["Unheard"]] {
        var positions: [Int64] = []
        var byPosition: PositionCursor = 0
        while true {
          let page = try await test.ledger.read(after: byPosition, types: types, limit: limit)
          positions += page.events.compactMap(\.position)
          byPosition = page.next
          if page.isLast { break }
        }
        #expect(positions == positions.sorted())
        #expect(Set(positions).count == positions.count)
        #expect(positions.count == (types == nil || types?.count == 2 ? 50 : types == ["Moved"] ? 10 : 0))
        #expect(byPosition == 50)
      }
    }
  }

  @Test("a workspace is read to its end before it is sealed, the global order only as far as it is sealed")
  func unsealed() async throws {
    try await TestLedger.with(workspaces: ["dev01", "dev02"]) { test async throws in
      try await fill(test)
      #expect(try await test.ledger.read(workspace: "dev01").events.count == 30)
      #expect(try await test.ledger.read(workspace: "dev01", types: ["Moved"]).events.count == 6)
      let page = try await test.ledger.read()
      #expect(page.events.count == 35)
      #expect(page.next == 35)
      let part = try await test.ledger.read(after: 10, through: 13)
      #expect(part.events.map(\.position) == [11, 12, 13])
      #expect(part.isLast)
      #expect(try await test.ledger.read(after: 13, through: 13).events == [])
    }
  }
}
