import Access
import Foundation
import HTTPTypes
import Ledger
import Marketplace
import Postgres
import TestSupport
import Testing

@testable import Server

@Suite("Who may")
struct AccessTests {
  @Test("a stranger is told nothing, whoever has a token what is wrong with it")
  func refusals() async throws {
    try await TestService.with { test, get in
      let path = "/v1/workspaces/dev01/events"
      let reader = try await test.token([.readEvents])
      let late = try await test.token([.readEvents], expires: Timestamp(milliseconds: TestService.now.milliseconds - 1))
      let revoked = try await test.token([.readEvents])
      _ = try await TokenBook(test.sources.ledger).revoke(revoked.token.id, reason: "left in a notebook")
      let (id, text) = (reader.token.id, reader.token.text)
      let otherEnd = text.hasSuffix("A") ? "B" : "A"
      var told: Set<String> = []
      for shown in [
        "", "mpt_", "mpt_\(id)", "mpt_\(id)_", String(text.dropLast()), text.dropLast() + otherEnd, text + "A",
        "mpt_aaaaaaaaaaaa_" + text.split(separator: "_", maxSplits: 2)[2], text.uppercased(),
        String(repeating: "a", count: 9_000),
        "mpt_\u{e4}\(id)_x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.",
      ] {
        let reply = try await get.send(.get, path, [.authorization: "Bearer \(shown)"])
        #expect(reply.status == 401, "\(shown.prefix(80))")
        #expect(reply.headers[.wwwAuthenticate]?.hasPrefix("Bearer realm=\"marketplace\"") == true)
        if !shown.isEmpty { told.insert(try reply.json()["detail"] as? String ?? "") }
      }
      #expect(told == ["This is no token of this service."])
      for (token, code) in [(late, "token_expired"), (revoked, "token_revoked")] {
        let reply = try await get.send(.get, path, token.fields)
        #expect(try reply.status == 401 && reply.json()["code"] as? String == code)
      }
      let none = try await get.send(.get, path)
      #expect(try none.status == 401 && none.json()["code"] as? String == "unauthenticated")
      #expect(none.headers[.wwwAuthenticate] == "Bearer realm=\"marketplace\"")
      for wrong in ["Basic \(Data("x".utf8).base64EncodedString())", "Basic ???", "Digest \(text)", text, "Bearer"] {
        #expect(try await get.send(.get, path, [.authorization: wrong]).status == 401, "\(wrong)")
      }
      #expect(try await get.send(.get, path, reader.fields).status == 200)
    }
  }

  @Test("a token reaches its scopes and its workspaces, whether others are there or not")
  func reach() async throws {
    try await TestService.with { test, get in
      let (reader, writer) = (try await test.token([.readEvents]), try await test.token([.appendEvents]))
      let event = #"{"id":"\#(UUID())","stream":"s","type":"acme.Evaluated","data":{}}"#
      #expect(try await get.send(.post, "/v1/workspaces/dev01/events", reader.json, event).status == 403)
      #expect(try await get.send(.get, "/v1/workspaces/dev01/events", writer.fields).status == 403)
      for workspace in ["marketplace", "dev02", "nowhere"] {
        let path = "/v1/workspaces/\(workspace)/events"
        let (read, sent) = (
          try await get.send(.get, path, reader.fields), try await get.send(.post, path, writer.json, event)
        )
        #expect(read.status == 403 && sent.status == 403)
        #expect(try read.json()["code"] as? String == "workspace_not_allowed")
      }
      #expect(try await get.send(.get, "/v1/events?workspace=dev02", reader.fields).status == 403)
      let page = try await get.send(.get, "/v1/events?limit=1000", reader.fields).json()
      let places = (page["events"] as? [[String: Any]] ?? []).compactMap { $0["workspace"] as? String }
      #expect(Set(places) == ["dev01"])
      let everywhere = try await test.token([.readEvents, .appendEvents], workspaces: ["*"])
      #expect(try await get.send(.get, "/v1/workspaces/nowhere/events", everywhere.fields).status == 404)
      let sent = try await get.send(.post, "/v1/workspaces/nowhere/events", everywhere.json, event)
      #expect(try sent.status == 404 && sent.json()["code"] as? String == "unknown_workspace")
      // What the ledger did not grant to the principal, no token gives.
      let core = event.replacing("acme.Evaluated", with: "TokenCreated")
      #expect(try await get.send(.post, "/v1/workspaces/marketplace/events", everywhere.json, core).status == 403)
    }
  }

  @Test("a closed catalog asks a program for a token, and a browser for a password")
  func closed() async throws {
    try await TestService.with(isCatalogOpen: false) { test, get in
      let reader = try await test.token([.readEvents])
      let catalog = try await test.token([.catalog], workspaces: [])
      let paths = [
        "/models", "/models/dev01.readmission-risk", "/workspaces", "/changes", "/changes.atom", "/audit",
        "/events/dev01/1", "/v1/audit/checkpoint", "/v1/audit/proofs/1",
        "/models/dev01.readmission-risk/versions/1", "/models/dev01.readmission-risk/compare?a=1&b=2",
        "/v1/workspaces/dev01/exports", "/v1/workspaces/dev01/imports",
      ]
      for path in paths {
        #expect(try await get(path, "*/*").status == 401, "\(path)")
        #expect(try await get.send(.head, path).status == 401, "\(path)")
        #expect(try await get.send(.get, path, reader.fields).status == 403, "\(path)")
        #expect(try await get.send(.get, path, catalog.fields).status == 200, "\(path)")
      }
      // What the catalog is not made of shows its envelope alone.
      let made = try await get.send(
        .get, "/events/marketplace/\(try await test.lastSequence(of: "marketplace"))", catalog.fields)
      #expect(try made.status == 200 && made.json()["type"] as? String == "TokenCreated" && made.json()["data"] == nil)
      let page = try await get("/models", browser)
      #expect(page.status == 401 && page.headers[.wwwAuthenticate]?.hasPrefix("Basic realm=") == true)
      let password = Data("anybody:\(catalog.token.text)".utf8).base64EncodedString()
      let shown = try await get.send(.get, "/models", [.authorization: "Basic \(password)", .accept: browser])
      #expect(shown.status == 200 && shown.text.contains("<html"))
      for path in ["/livez", "/readyz", "/metrics", "/openapi.yaml"] {
        #expect(try await get(path, "*/*").status == 200, "\(path)")
      }
    }
  }

  @Test("an address says which methods it takes")
  func methods() async throws {
    try await TestService.with { test, get in
      let token = try await test.token([.readEvents])
      for (path, allowed) in [
        ("/models", "GET, HEAD, OPTIONS"), ("/v1/workspaces/dev01/events", "GET, HEAD, POST, OPTIONS"),
      ] {
        for method in [HTTPRequest.Method.put, .delete, .patch, .trace] {
          let reply = try await get.send(method, path, token.fields)
          #expect(reply.status == 405 && reply.headers[.allow] == allowed, "\(method) \(path)")
        }
        let options = try await get.send(.options, path)
        #expect(options.status == 204 && options.headers[.allow] == allowed)
      }
      let head = try await get.send(.head, "/models")
      #expect(head.status == 200 && head.text.isEmpty && head.headers[.contentLength] != "0")
    }
  }

  @Test("tokens are kept as history, and nothing kept gives one back")
  func kept() async throws {
    try await TestService.with { test, _ in
      let ledger = test.sources.ledger
      let book = TokenBook(ledger)
      let wish = TokenBook.Wish(
        name: "nightly", principal: "ann", scopes: [.catalog, .readEvents], workspaces: ["dev02", "dev01"],
        expires: Timestamp(milliseconds: TestService.now.milliseconds + 1_000))
      let token = try await book.create(wish)
      let caller = try await book.caller(showing: token.text, at: TestService.now)
      #expect(caller.principal == "ann" && caller.scopes == [.catalog, .readEvents])
      #expect(caller.workspaces.contains("dev01") && !caller.workspaces.contains("dev03"))
      await #expect(throws: AccessRefusal.self) {
        try await book.caller(showing: token.text, at: Timestamp(milliseconds: TestService.now.milliseconds + 1_000))
      }
      let events = try await ledger.read(stream: "token/\(token.id)", in: "marketplace").events
      #expect(events.count == 1 && events[0].type == "TokenCreated")
      let secret = token.text.split(separator: "_", maxSplits: 2)[2]
      #expect(events.allSatisfy { $0.data?.contains(secret) == false })
      #expect(try await book.revoke(token.id, reason: "done")?.revokedAt != nil)
      #expect(try await book.revoke(token.id, reason: "again")?.reason == "done", "once is enough")
      #expect(try await book.revoke("aaaaaaaaaaaa", reason: nil) == nil)
      let all = try await book.all()
      #expect(all.map(\.created.token) == [token.id] && !all[0].isValid(at: TestService.now))
      // Another process, which did not read it before, does not let it in any more.
      let refusal = await #expect(throws: AccessRefusal.self) {
        try await TokenBook(ledger).caller(showing: token.text, at: TestService.now)
      }
      #expect(refusal?.code == .revoked)
      // Who empties what was said about a token takes it back, too.
      let other = try await book.create(wish)
      let sequence = try #require(
        try await ledger.read(stream: "token/\(other.id)", in: "marketplace").events.first?.sequence)
      try await test.sample.pool.withSession { session in
        _ = try session.query("SELECT ledger.redact('marketplace', $1, 'a name')", [sequence])
      }
      let redacted = await #expect(throws: AccessRefusal.self) {
        try await TokenBook(ledger).caller(showing: other.text, at: TestService.now)
      }
      #expect(redacted?.code == .invalid)
      // Whoever empties that a token was revoked does not give it back.
      let third = try await book.create(wish)
      _ = try await book.revoke(third.id, reason: "somebody's name")
      let revoked = try #require(
        try await ledger.read(stream: "token/\(third.id)", in: "marketplace").events.last?.sequence)
      try await test.sample.pool.withSession { session in
        _ = try session.query("SELECT ledger.redact('marketplace', $1, 'a name')", [revoked])
      }
      let still = await #expect(throws: AccessRefusal.self) {
        try await TokenBook(ledger).caller(showing: third.text, at: TestService.now)
      }
      #expect(still?.code == .revoked)
      // What somebody else leaves in its stream, however much, changes nothing.
      let fourth = try await book.create(wish)
      let junk = (0..<1_200).map { _ in
        NewEvent(stream: "token/\(fourth.id)", id: UUID(), type: "ModelRenamed", data: "{}")
      }
      _ = try await ledger.append(junk, to: "marketplace")
      #expect(try await book.revoke(fourth.id, reason: nil)?.revokedAt != nil)
    }
  }
}
