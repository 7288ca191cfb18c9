import Foundation
import Ledger
import Postgres
import Testing

@Suite struct SealTests {
  @Test("sealing gives positions 1 to m, each workspace in its own order, and nothing twice")
  func positions() async throws {
    try await TestLedger.with(workspaces: ["dev01", "dev02"]) { test async throws in
      #expect(try await test.ledger.seal().sealed == nil)
      _ = try await test.ledger.append([happened(), happened(), happened()], to: "dev02")
      _ = try await test.ledger.append([happened()], to: "dev01")
      let first = try await test.ledger.seal()
      #expect(first.sealed == 1...4)
      #expect(try await test.ledger.seal() == (nil, 4))
      _ = try await test.ledger.append([happened(), happened()], to: "dev02")
      #expect(try await test.ledger.seal().sealed == 5...6)
      let events = try await test.ledger.read().events
      #expect(events.map(\.position) == [1, 2, 3, 4, 5, 6])
      let ofSecond = events.filter { $0.workspace == "dev02" }.map(\.sequence)
      #expect(ofSecond == [1, 2, 3, 4, 5])
      #expect(try await test.ledger.cut(at: 6) == ["dev01": 1, "dev02": 5])
      #expect(try await test.ledger.cut(at: 2) == ["dev01": 1, "dev02": 1])
      #expect(try await test.ledger.cut(at: 0) == [:])
      let byWorkspace = try await test.ledger.read(workspace: "dev02").events
      #expect(byWorkspace.map(\.position) == [2, 3, 4, 5, 6])
    }
  }

  @Test("a cause has a smaller position than its effect, also when clocks step back")
  func causes() async throws {
    try await TestLedger.with(workspaces: ["a", "b", "c"]) { test async throws in
      // The clocks of the workspaces disagree: by time, every effect would come before its cause.
      try await test.sql(
        "UPDATE ledger.head SET last_recorded_at = clock_timestamp() + interval '2 hours' WHERE workspace = 'c'"
      )
      try await test.sql(
        "UPDATE ledger.head SET last_recorded_at = clock_timestamp() + interval '1 hour' WHERE workspace = 'b'"
      )
      // A ball that goes round c, b, a, c, … with bystanders, sealed in between now and then.
      var last: EventReference?
      for round in 0..<60 {
        let workspace = ["c", "b", "a"][round % 3]
        let result = try await test.ledger.append(
          [happened(), happened(cause: last), happened()], to: workspace)
        last = EventReference(workspace: workspace, sequence: result.sequences[1])
        if round % 17 == 16 { try await test.ledger.seal() }
      }
      try await test.ledger.seal()
      #expect(
        try await test.number(
          """
          SELECT count(*) FROM ledger.events e JOIN ledger.events c
            ON c.workspace = e.cause_workspace AND c.sequence = e.cause_sequence
          WHERE c.position < e.position
          """) == 59)
      try await test.expectOrder(events: 180)
    }
  }

  @Test("random causes across workspaces, appended at once by many and sealed meanwhile, keep their order")
  func randomCauses() async throws {
    let workspaces = (0..<5).map { "w\($0)" }
    try await TestLedger.with(workspaces: workspaces) { test async throws in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<6 {
          group.addTask {
            var random = SystemRandomNumberGenerator()
            for _ in 0..<40 {
              let heads = try await test.sql(
                "SELECT workspace, last_sequence FROM ledger.head WHERE last_sequence > 0")
              var cause: EventReference?
              if let head = heads.randomElement(using: &random) {
                cause = EventReference(
                  workspace: try head.string("workspace"),
                  sequence: Int64.random(
                    in: max(1, try head.int64("last_sequence") - 3)...(try head.int64("last_sequence"))))
              }
              _ = try await test.ledger.append(
                [happened("s\(writer)"), happened("s\(writer)", cause: cause)],
                to: workspaces[Int.random(in: 0..<5)])
              if Int.random(in: 0..<10) == 0 { try await test.ledger.seal() }
            }
          }
        }
        try await group.waitForAll()
      }
      try await test.ledger.seal()
      try await test.expectOrder(events: 480)
    }
  }

  @Test("as of a time is the last seal at or before it, and sealed_at increases when the clock steps back")
  func asOf() async throws {
    try await TestLedger.with { test async throws in
      _ = try await test.ledger.append([happened()], to: "dev01")
      try await test.ledger.seal()
      // A seal of the future stands for a clock that has stepped back since.
      try await test.sql(
        "INSERT INTO ledger.seal (first_position, last_position, sealed_at) SELECT 2, 2, clock_timestamp() + interval '1 hour'"
      )
      try await test.sql("INSERT INTO ledger.seal_run VALUES (2, 'dev01', 2, 1)")
      try await test.sql("UPDATE ledger.sealed SET sequence = 2")
      _ = try await test.ledger.append([happened(), happened()], to: "dev01")
      #expect(try await test.ledger.seal().sealed == 3...3)
      let seals = try await test.sql(
        "SELECT last_position, sealed_at FROM ledger.seal ORDER BY last_position")
      let times = try seals.map { try $0.timestamp("sealed_at") }
      #expect(times == times.sorted())
      #expect(times[2].microseconds == times[1].microseconds + 1)
      for (index, time) in times.enumerated() {
        #expect(try await test.ledger.position(at: time) == Int64(index + 1))
        #expect(
          try await test.ledger.position(at: Timestamp(microseconds: time.microseconds - 1)) == Int64(index))
      }
    }
  }
}

extension TestLedger {
  /// Sequences, versions and positions without gap or double, each workspace in order, causes first.
  func expectOrder(events: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let faults = try await sql(
      """
      SELECT 'events' AS fault WHERE (SELECT count(*) FROM ledger.event) <> $1
      UNION ALL SELECT 'sequence of ' || workspace FROM ledger.event GROUP BY workspace
        HAVING min(sequence) <> 1 OR max(sequence) <> count(*)
      UNION ALL SELECT 'head of ' || h.workspace FROM ledger.head h
        WHERE h.last_sequence <> (SELECT count(*) FROM ledger.event e WHERE e.workspace = h.workspace)
      UNION ALL SELECT 'version of ' || workspace || ' ' || stream FROM ledger.event GROUP BY workspace, stream
        HAVING min(version) <> 1 OR max(version) <> count(*)
      UNION ALL SELECT 'stream ' || s.workspace || ' ' || s.stream FROM ledger.stream s
        WHERE s.version <> (SELECT count(*) FROM ledger.event e WHERE e.workspace = s.workspace AND e.stream = s.stream)
      UNION ALL SELECT 'positions' FROM ledger.events
        HAVING count(*) > 0 AND (min(position) <> 1 OR max(position) <> count(*) OR count(DISTINCT position) <> count(*))
      UNION ALL SELECT 'order in ' || workspace FROM (
          SELECT workspace, sequence, version, position, recorded_at, stream, nth,
                 lag(position) OVER w AS position_before, lag(recorded_at) OVER w AS recorded_before,
                 lag(version) OVER (PARTITION BY workspace, stream ORDER BY sequence) AS version_before
          FROM ledger.events WINDOW w AS (PARTITION BY workspace ORDER BY sequence)) e
        WHERE position <= position_before OR version <= version_before
           OR (recorded_at > recorded_before) <> (nth = 0) AND recorded_before IS NOT NULL
      UNION ALL SELECT 'cause of ' || e.workspace || ' ' || e.sequence FROM ledger.events e
        LEFT JOIN ledger.events c ON c.workspace = e.cause_workspace AND c.sequence = e.cause_sequence
        WHERE e.cause_workspace IS NOT NULL AND (c.position < e.position) IS NOT TRUE
      """, [events])
    let names = try faults.map { try $0.string("fault") }
    #expect(names == [], sourceLocation: sourceLocation)
  }
}
