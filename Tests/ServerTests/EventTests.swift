import Access
import Foundation
import HTTPTypes
import Ledger
import Logging
import Postgres
import TestSupport
import Testing

@testable import Server

@Suite("Events over HTTP")
struct EventTests {
  private static let stream = "evaluation/nightly"

  private func event(_ number: Int, _ more: String = "") -> String {
    #"{"id":"00000000-0000-4000-8000-\#(String(format: "%012d", number))","stream":"\#(Self.stream)","type":"acme.Evaluated","data":{"auc":0.\#(number)}\#(more)}"#
  }

  @Test("are appended once however often they are sent, and come back byte for byte")
  func appended() async throws {
    try await TestService.with { test, get in
      let token = try await test.token([.appendEvents, .readEvents])
      let path = "/v1/workspaces/dev01/events"
      let data = #"{"b" : 1.10e2,"a":"é\u00e9","n":12345678901234567890.5}"#
      let body = #"{"id":"11111111-1111-4111-8111-111111111111","stream":"s","type":"acme.Evaluated","data":\#(data)}"#
      let first = try await get.send(.post, path, token.json, body)
      #expect(first.status == 201, "\(first.text)")
      let sequence = try #require((try first.json()["events"] as? [[String: Any]])?.first?["sequence"] as? Int)
      #expect(first.headers[.location] == "/events/dev01/\(sequence)")
      let again = try await get.send(.post, path, token.json, body)
      #expect(try again.status == 200 && again.json()["replayed"] as? Int == 1)
      #expect(try (again.json()["events"] as? [[String: Any]])?.first?["sequence"] as? Int == sequence)
      let other = try await get.send(.post, path, token.json, body.replacing("1.10e2", with: "1.1e2"))
      #expect(try other.status == 409 && other.json()["code"] as? String == "same_id_other_content")
      let lines = #"{"id":"\#(UUID())","stream":"t","type":"acme.Evaluated","data":{"a":1,"# + "\r\n\r\n" + #""b":2}}"#
      #expect(try await get.send(.post, path, token.json, lines).status == 201)
      let written = try await test.sources.ledger.read(stream: "t", in: "dev01").events
      #expect(try EventForms.plain.text(written[0]).utf8.allSatisfy { $0 >= 0x20 }, "what follows an event is another")
      let page = try await get.send(.get, "/v1/workspaces/dev01/streams/s", token.fields)
      #expect(page.text.contains(#""data":"# + data), "\(page.text)")
      #expect(page.text.contains(#""principal":"acme_nightly""#))
    }
  }

  @Test("of other kinds, however many, hide nothing of what happened to models lately")
  func lately() async throws {
    try await TestService.with { test, get in
      let token = try await test.token([.appendEvents])
      let before = try await get("/changes", "application/json").json()["changes"] as? [[String: Any]] ?? []
      let events = (1...300).map { event($0) }.joined(separator: ",")
      let path = "/v1/workspaces/dev01/events"
      #expect(try await get.send(.post, path, token.json, #"{"events":[\#(events)]}"#).status == 201)
      #expect(try await test.sources.ledger.seal().last > 300)
      let after = try await get("/changes", "application/json").json()["changes"] as? [[String: Any]] ?? []
      #expect(after.count == before.count && !after.isEmpty, "\(before.count) before, \(after.count) after")
    }
  }

  @Test("of a batch are appended together, or none is, and what is wrong is named")
  func batches() async throws {
    try await TestService.with { test, get in
      let token = try await test.token([.appendEvents, .readEvents])
      let path = "/v1/workspaces/dev01/events"
      let good = try await get.send(.post, path, token.json, #"{"events":[\#(event(1)),\#(event(2))]}"#)
      #expect(try good.status == 201 && good.json()["appended"] as? Int == 2, "\(good.text)")
      for (body, status, code, pointer) in [
        (#"{"events":[\#(event(3)),\#(event(4).replacing("Evaluated", with: "Unheard"))]}"#, 422, "unknown_type", nil),
        (event(4).replacing("acme.Evaluated", with: "ModelExported"), 403, "not_allowed", nil),
        (#"{"events":[\#(event(3)),{"stream":"s"}]}"#, 400, "bad_event", "/events/1/type"),
        (#"{"events":[\#(event(3)),7]}"#, 400, "bad_event", "/events/1"),
        (#"{"events":[]}"#, 400, "bad_event", "/events"), (#"{"events":{}}"#, 400, "bad_event", "/events"),
        (#"{"events":[],"more":1}"#, 400, "bad_event", "/more"), ("[]", 400, "bad_event", ""),
        ("", 400, "bad_event", ""),
        (#"{"stream":"s","type":"acme.Evaluated","data":{}}"#, 422, "bad_event", "/id"),
        (event(5, #","expected_version":7"#), 412, "wrong_expected_version", "/expected_version"),
        (event(5, #","cause":"dev01/999999""#), 422, "unknown_cause", "/cause"),
        (event(5, #","type_version":"1""#), 400, "bad_event", "/type_version"),
        (event(5, #","occurred_at":"yesterday""#), 400, "bad_event", "/occurred_at"),
        (event(5, #","surprise":1"#), 400, "bad_event", "/surprise"),
        (event(5).replacing("{\"auc\":0.5}", with: "{\"a\":1,\"a\":2}"), 422, "bad_event", ""),
        (event(5).replacing("{\"auc\":0.5}", with: "[1]"), 422, "bad_event", "/data"),
        (String(repeating: "[", count: 100_000), 400, "bad_event", ""),
        (#"{"x":\#(String(repeating: "[", count: 100_000))"#, 422, "bad_event", ""),
      ] as [(String, Int, String, String?)] {
        let reply = try await get.send(.post, path, token.json, body)
        #expect(reply.status == status, "\(body.prefix(200)): \(reply.text)")
        #expect(reply.headers[.contentType] == "application/problem+json")
        #expect(try reply.json()["code"] as? String == code, "\(body.prefix(200)): \(reply.text)")
        let place = (try reply.json()["errors"] as? [[String: Any]])?.first?["pointer"] as? String
        #expect(place == pointer, "\(body.prefix(200)): \(reply.text)")
      }
      let page = try await get.send(.get, "/v1/workspaces/dev01/streams/evaluation%2Fnightly", token.fields).json()
      #expect((page["events"] as? [Any])?.count == 2)
      let large = #"{"a":"\#(String(repeating: "a", count: RequestBody.events.bytesMax))"}"#
      #expect(try await get.send(.post, path, token.json, large).status == 413)
      #expect(try await get.send(.post, path, token.fields, event(6)).status == 415)
    }
  }

  @Test("expect a version of their stream by the head of the request, and get ids from its key")
  func heads() async throws {
    try await TestService.with { test, get in
      let token = try await test.token([.appendEvents])
      let path = "/v1/workspaces/dev01/events"
      func send(_ body: String, _ name: String, _ value: String) async throws -> TestService.Reply {
        var fields = token.json
        fields[try #require(HTTPField.Name(name))] = value
        return try await get.send(.post, path, fields, body)
      }
      #expect(try await send(event(1), "If-None-Match", "*").status == 201)
      let late = try await send(event(2), "If-None-Match", "*")
      #expect(late.status == 412 && late.headers[.eTag] == "\"1\"")
      #expect(try await send(event(2), "If-Match", "\"1\"").status == 201)
      #expect(try await send(event(2), "If-Match", "\"1\"").status == 200, "the same again is the same")
      #expect(try await send(event(3), "If-Match", "\"1\"").status == 412)
      for wrong in ["1", "*", "W/\"1\"", "\"-1\"", "\"01\"", "\"99999999999999999999\""] {
        #expect(try await send(event(3), "If-Match", wrong).status == 400, "\(wrong)")
      }
      let nameless = #"{"stream":"k","type":"acme.Evaluated","data":{"a":1}}"#
      let batch = #"{"events":[\#(nameless),\#(nameless)]}"#
      #expect(try await send(batch, "Idempotency-Key", "night 1").status == 400, "a blank is not visible")
      let first = try await send(batch, "Idempotency-Key", "night-1")
      #expect(try first.status == 201 && first.json()["appended"] as? Int == 2)
      #expect(try await send(batch, "Idempotency-Key", "night-1").json()["replayed"] as? Int == 2)
      #expect(try await send(batch, "Idempotency-Key", "night-2").json()["appended"] as? Int == 2)
      let longer = #"{"events":[\#(nameless),\#(nameless),\#(nameless)]}"#
      for other in [nameless, nameless.replacing("1}", with: "2}"), longer] {
        let reply = try await send(other, "Idempotency-Key", "night-1")
        #expect(try reply.status == 409 && reply.json()["code"] as? String == "idempotency_key_reused")
      }
      // At once, and each with another number of events: one of them is the key's.
      let replies = try await withThrowingTaskGroup(of: TestService.Reply.self) { group in
        for sent in [nameless, batch, longer] {
          group.addTask {
            var fields = token.json
            fields[try #require(HTTPField.Name("Idempotency-Key"))] = "night-4"
            return try await get.send(.post, path, fields, sent)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(replies.map(\.status).sorted() == [201, 409, 409])
      let changed = batch.replacing("1}", with: "2}")
      #expect(
        try await send(changed, "Idempotency-Key", "night-1").json()["code"] as? String == "same_id_other_content")
      // An id of its own is another each time where whoever sends it makes it anew: the key would not help.
      for own in [event(9), #"{"events":[\#(nameless),\#(event(9))]}"#] {
        let reply = try await send(own, "Idempotency-Key", "night-3")
        #expect(try reply.status == 422 && reply.json()["code"] as? String == "bad_idempotency_key")
      }
    }
  }

  @Test("are read page by page without a gap, as CloudEvents too")
  func pages() async throws {
    try await TestService.with { test, get in
      let token = try await test.token([.readEvents], workspaces: ["*"])
      let all = try await test.sources.ledger.read(after: 0)
      for path in ["/v1/events", "/v1/workspaces/dev01/events"] {
        let wanted = all.events.filter { path == "/v1/events" || $0.workspace == "dev01" }.map { "\($0.reference)" }
        var (places, cursor, isLast) = ([String](), "", false)
        while !isLast {
          let page = try await get.send(
            .get, path + "?limit=7" + (cursor.isEmpty ? "" : "&cursor=\(cursor)"), token.fields)
          #expect(page.status == 200)
          let object = try page.json()
          for event in object["events"] as? [[String: Any]] ?? [] {
            let reference = EventReference(
              workspace: event["workspace"] as? String ?? "", sequence: (event["sequence"] as? Int).map(Int64.init) ?? 0
            )
            places.append("\(reference)")
          }
          (cursor, isLast) = (object["next"] as? String ?? "", object["last"] as? Bool ?? true)
        }
        #expect(places == wanted && !places.isEmpty)
        #expect(try await get.send(.get, path + "?cursor=nonsense", token.fields).status == 400)
        #expect(try await get.send(.get, path + "?limit=0", token.fields).status == 400)
        // What the log does not have yet is not waited for: it would be another log's.
        let (letter, last) = path == "/v1/events" ? ("p", all.events.count) : ("s", wanted.count)
        #expect(try await get.send(.get, path + "?cursor=\(letter)\(last)", token.fields).status == 200)
        let beyond = try await get.send(.get, path + "?cursor=\(letter)\(last + 1)", token.fields)
        #expect(try beyond.status == 404 && beyond.json()["code"] as? String == "cursor_beyond_end", "\(beyond.text)")
      }
      var following = token.fields
      following[.accept] = "text/event-stream"
      following[try #require(HTTPField.Name("Last-Event-ID"))] = "p\(all.events.count + 1)"
      let lost = try await get.send(.get, "/v1/events", following)
      #expect(try lost.status == 404 && lost.json()["code"] as? String == "cursor_beyond_end")
      let link = try #require(HTTPField.Name("Link"))
      var fields = token.fields
      fields[.accept] = "application/cloudevents-batch+json"
      let cloud = try await get.send(.get, "/v1/events?type=ModelExported&limit=1000", fields)
      #expect(cloud.headers[.contentType] == "application/cloudevents-batch+json" && cloud.headers[link] != nil)
      let events = try #require(try JSONSerialization.jsonObject(with: Data(cloud.text.utf8)) as? [[String: Any]])
      #expect(!events.isEmpty && events.allSatisfy { $0["type"] as? String == "ModelExported" })
      #expect(events.allSatisfy { $0["specversion"] as? String == "1.0" && $0["data"] is [String: Any] })
    }
  }

  @Test("are followed: first what was, then what comes, and after a break from where it was")
  func followed() async throws {
    try await TestService.with { test, get in
      let ledger = test.sources.ledger
      let feed = EventFeed(ledger, logger: .init(label: "test"))
      let all = try await ledger.read(after: 0).events.compactMap(\.position)
      var (seen, position) = ([Int64](), Int64(0))
      func step() async throws {
        guard case .events(let events, let through) = try await feed.step(after: position) else { return }
        seen += events.compactMap(\.event.position)
        position = through
      }
      while position < Int64(all.count) { try await step() }
      #expect(seen == all)
      let token = try await test.token([.appendEvents])
      for number in 1...300 {
        #expect(try await get.send(.post, "/v1/workspaces/dev01/events", token.json, event(number)).status == 201)
      }
      try await ledger.seal()
      let last = try await ledger.lastPosition()
      while position < last { try await step() }
      #expect(seen == Array(1...last))
      // Somebody who comes later reads from the database what is not kept, and goes on with what is.
      (seen, position) = ([], 3)
      while position < last { try await step() }
      #expect(seen == Array(4...last))
      await feed.end()
      // Of another that keeps few, somebody who was away meanwhile reads the rest from the database.
      let short = EventFeed(ledger, logger: .init(label: "test"), keptMax: 16)
      let start = try await short.newest()
      for number in 301...400 {
        #expect(try await get.send(.post, "/v1/workspaces/dev01/events", token.json, event(number)).status == 201)
        if number % 10 == 0 { try await ledger.seal() }
      }
      for origin in [start, start + 3, start + 90] {
        var (found, place) = ([Int64](), origin)
        while place < start + 100 {
          guard case .events(let events, let through) = try await short.step(after: place) else { continue }
          found += events.compactMap(\.event.position)
          place = through
        }
        #expect(found == Array(origin + 1...start + 100))
      }
      await short.end()
    }
  }

  @Test("that come at the same time go together, and each is told its own")
  func together() async throws {
    try await TestService.with { test, get in
      let (ann, bob) = (try await test.token([.appendEvents]), try await test.token([.appendEvents], principal: "bob"))
      let path = "/v1/workspaces/dev01/events"
      let replies = try await withThrowingTaskGroup(of: (Int, TestService.Reply).self) { group in
        for number in 0..<120 {
          group.addTask {
            // Every tenth is refused, every seventh is there already, and half of them come from somebody else.
            let body =
              number % 10 == 0 ? event(number, #","expected_version":100000"#) : event(number % 7 == 0 ? 7 : number)
            return (number, try await get.send(.post, path, number % 2 == 0 ? ann.json : bob.json, body))
          }
        }
        var found: [Int: TestService.Reply] = [:]
        for try await (number, reply) in group { found[number] = reply }
        return found
      }
      let statuses = replies.mapValues(\.status)
      #expect(statuses.filter { $0.key % 10 == 0 }.allSatisfy { $0.value == 412 }, "\(statuses)")
      let others = statuses.filter { $0.key % 10 != 0 && $0.key % 7 != 0 }
      #expect(others.allSatisfy { $0.value == 201 })
      let same = statuses.filter { $0.key % 10 != 0 && $0.key % 7 == 0 }.values.sorted()
      #expect(same.filter { $0 == 201 }.count == 1 && same.allSatisfy { $0 == 200 || $0 == 201 }, "\(same)")
      // What each was told is what is there: its own event at its own place, by whoever asked for it.
      var commits: Set<String> = []
      for (number, reply) in replies where number % 10 != 0 {
        let told = try reply.json()
        let one = try #require((told["events"] as? [[String: Any]])?.first)
        let sequence = try #require(one["sequence"] as? Int)
        let event = try #require(try await test.sources.ledger.event(Int64(sequence), of: "dev01"))
        let wanted = number % 7 == 0 ? 7 : number
        #expect(
          event.id.uuidString.hasSuffix(String(format: "%012d", wanted))
            && event.recordedAt.rfc3339 == told["recorded_at"] as? String)
        #expect(number % 7 == 0 || event.principal == (number % 2 == 0 ? "acme_nightly" : "bob"))
        #expect(one["replayed"] as? Bool == (reply.status == 200))
        commits.insert(event.recordedAt.rfc3339)
      }
      #expect(commits.count < others.count, "some went together")
    }
  }
}
