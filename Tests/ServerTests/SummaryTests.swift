import Access
import Foundation
import HTTPTypes
import Ledger
import TestSupport
import Testing

@testable import Server

@Suite("Exports, imports and runs, for programs")
struct SummaryTests {
  @Test("exports and imports are read page by page, at any moment")
  func pages() async throws {
    try await TestService.with { test, get in
      for (kind, states) in [("exports", ["live", "invalidated", "failed"]), ("imports", ["live", "lost", "failed"])] {
        let path = "/v1/workspaces/dev01/\(kind)"
        let whole = try await get(path, "*/*").json()
        let rows = whole[kind] as? [[String: Any]] ?? []
        #expect(whole["schema"] as? String == "marketplace.\(kind)/1" && whole["last"] as? Bool == true)
        #expect(rows.count > 1)
        var (cursor, read) = ("", [String]())
        while true {
          let page = try await get("\(path)?limit=1&cursor=\(cursor)", "*/*").json()
          read += (page[kind] as? [[String: Any]] ?? []).compactMap { $0["event"] as? String }
          cursor = try #require(page["next"] as? String)
          if page["last"] as? Bool == true { break }
        }
        #expect(read == rows.compactMap { $0["event"] as? String })
        // Each is in one state, and of one model.
        var found = 0
        for state in states {
          let some = try await get("\(path)?state=\(state)", "*/*").json()[kind] as? [[String: Any]] ?? []
          #expect(some.allSatisfy { $0["state"] as? String == state })
          found += some.count
        }
        #expect(found == rows.count)
        let model = rows[0]["model"] as? String ?? ""
        let its = try await get("\(path)?model=\(model)", "*/*").json()[kind] as? [[String: Any]] ?? []
        #expect(its.count == rows.count { $0["model"] as? String == model })
        let past = try await get("\(path)?as_of=\(test.sample.seals[0])", "*/*").json()
        #expect((past[kind] as? [[String: Any]])?.count ?? 0 < rows.count)
        #expect(past["as_of"] as? String == "\(test.sample.seals[0])")
        for (query, status) in [
          ("state=nearly", 400), ("model=sepsis", 400), ("limit=0", 400), ("limit=1001", 400), ("cursor=v1", 400),
          ("as_of=x", 400), ("as_of=99999", 404),
        ] {
          #expect(try await get("\(path)?\(query)", "*/*").status == status, "\(query)")
        }
      }
      #expect(try await get("/v1/workspaces/nowhere/exports", "*/*").status == 404)
      let failed =
        try await get(
          "/v1/workspaces/dev01/exports?state=failed&as_of=\(test.sample.seals[4])", "*/*"
        ).json()["exports"] as? [[String: Any]]
      #expect(failed?.first?["reason"] as? String == "size-mismatch: MLmodel: 640 of 812 bytes")
      #expect(failed?.first?["retriable"] as? Bool == true)
    }
  }

  @Test("runs are told with what they appended, the last first")
  func runs() async throws {
    try await TestService.with { test, get in
      let token = try await test.token([.readEvents], workspaces: ["dev01", "dev02"])
      let path = "/v1/workspaces/dev01/runs"
      func read(_ query: String = "") async throws -> (runs: [[String: Any]], next: String?) {
        let page = try await get.send(.get, path + query, token.fields).json()
        return (page["runs"] as? [[String: Any]] ?? [], page["next"] as? String)
      }
      // What the sample history has was appended by no run.
      #expect(try await read().runs.isEmpty)
      let ids = [UUID(), UUID(), UUID()]
      var first: [Int64] = []
      for (number, id) in ids.enumerated() {
        let events = (0...number).map { place in
          NewEvent(
            stream: "runs", expectedVersion: nil, id: UUID(), type: place == 0 ? "acme.Evaluated" : "WorkspaceObserved",
            occurredAt: nil, data: place == 0 ? "{}" : Self.observed, cause: nil)
        }
        first.append(try await test.lastSequence(of: "dev01") + 1)
        _ = try await test.sources.ledger.append(events, to: "dev01", run: id)
      }
      let all = try await read()
      #expect(all.next == nil)
      #expect(all.runs.map { $0["run"] as? String } == ids.reversed().map { $0.uuidString.lowercased() })
      #expect(all.runs.compactMap { $0["first"] as? Int64 } == Array(first.reversed()))
      #expect(all.runs[0]["events"] as? [String: Int] == ["acme.Evaluated": 1, "WorkspaceObserved": 2])
      let newest = try await read("?limit=2")
      let oldest = try await read("?limit=2&cursor=\(newest.next ?? "")")
      #expect((newest.runs + oldest.runs).count == 3 && newest.next == "r\(first[1])" && oldest.next == nil)
      for (other, status) in [
        ("/v1/workspaces/nowhere/runs", 403), (path + "?cursor=s1", 400), (path + "?limit=101", 400),
      ] {
        #expect(try await get.send(.get, other, token.fields).status == status, "\(other)")
      }
      #expect(try await get(path, "*/*").status == 401)
    }
  }

  @Test("no run is passed over where runs overlap, or where much was appended by none")
  func overlapping() async throws {
    try await TestService.with { test, _ in
      _ = try await test.token([.readEvents])
      let ledger = test.sources.ledger
      func append(_ run: UUID?, _ count: Int = 1) async throws {
        let events = (0..<count).map { _ in
          NewEvent(
            stream: "runs", expectedVersion: nil, id: UUID(), type: "acme.Evaluated", occurredAt: nil, data: "{}",
            cause: nil)
        }
        _ = try await ledger.append(events, to: "dev01", run: run)
      }
      let (long, short, early) = (UUID(), UUID(), UUID())
      try await append(early)
      for run in [long, short, long, nil] { try await append(run) }
      try await append(nil, 30)
      for lookedMax in [4, 7, 31, 1_000] {
        for limit in 1...3 {
          var (found, before, events) = ([UUID](), Int64?.none, [UUID: Int]())
          repeat {
            let page = try await ledger.runs(of: "dev01", before: before, limit: limit, lookedMax: lookedMax)
            found += page.runs.map(\.run)
            for run in page.runs { events[run.run] = max(events[run.run] ?? 0, run.events.values.reduce(0, +)) }
            if let next = page.before { #expect(next < before ?? .max) }
            before = page.before
          } while before != nil
          #expect(Set(found) == [long, short, early], "\(lookedMax), \(limit)")
          #expect(events[early] == 1 && events[short] == 1 && 1...2 ~= events[long] ?? 0)
        }
      }
    }
  }

  private static let observed =
    #"{"changes":0,"models":1,"observed_from":1782000000000,"observed_to":1782000001000,"outcome":"complete","versions":1}"#
}
