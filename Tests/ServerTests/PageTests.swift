import Catalog
import Foundation
import HTTPTypes
import Ledger
import TestSupport
import Testing

@testable import Server

@Suite("The catalog's pages")
struct PageTests {
  @Test("every page is there, is small, needs nothing from elsewhere and lets nothing a source wrote be markup")
  func everyPage() async throws {
    try await TestService.with { test, get in
      let list = try await get("/models", browser)
      let linked = list.text.matches(of: /href="(\/models\/[^"?]+)"/).map { String($0.1) }
      #expect(linked.count == 4, "\(linked)")
      let pages =
        linked + [
          "/models", "/models?q=risk", "/models?workspace=dev01&order=newest", "/workspaces", "/changes", "/audit",
          "/models/dev01.readmission-risk/versions/1", "/models/dev01.readmission-risk/compare?a=1&b=2",
          "/events/dev01/1",
          "/changes?from=5&to=40", "/models?as_of=\(test.sample.seals[3])", "/workspaces?as_of=2026-01-01",
        ]
      for path in pages {
        let page = try await get(path, browser)
        #expect(page.status == 200, "\(path): \(page.text.prefix(2_000))")
        #expect(page.headers[.contentType] == "text/html; charset=utf-8", "\(path)")
        #expect(page.headers[.contentSecurityPolicy]?.contains("default-src 'none'") == true)
        #expect(page.text.utf8.count < 100_000)
        #expect(page.text.contains("<html lang=\"en\">") && page.text.contains("<main id=\"main\""), "\(path)")
        #expect(!page.text.contains("http-equiv") && !page.text.contains("style=\""), "\(path)")
        #expect(!page.text.unicodeScalars.contains("\u{202e}"), "\(path)")
        #expect(!page.text.contains("<script>.pkl") && !page.text.contains("DROP TABLE catalog; --'"), "\(path)")
        let scripts = page.text.matches(of: /<script([^>]*)>/)
        #expect(scripts.allSatisfy { $0.1.contains("src=\"/assets/copy-") }, "\(path)")
      }
    }
  }

  @Test("what a page refers to is there, for ever")
  func assets() async throws {
    try await TestService.with { _, get in
      let page = try await get("/models", browser)
      let paths = Set(page.text.matches(of: /(?:href|src)="(\/assets\/[^"]+)"/).map { String($0.1) })
      #expect(paths.count == 3)
      for path in paths {
        let asset = try await get(path, "*/*")
        #expect(asset.status == 200 && asset.headers[.cacheControl]?.contains("immutable") == true)
        #expect(!asset.text.contains("http://") || path.contains("icon"))
      }
    }
  }

  @Test("a model's page leads with what it does and how to load exactly it")
  func model() async throws {
    try await TestService.with { _, get in
      let page = try await get("/models/dev01.readmission-risk", browser).text
      let places = [
        "<h1>dev01.readmission-risk</h1>", "class=\"lead\"", "id=\"load\"", "id=\"facts\"", "id=\"files\"",
        "id=\"lineage\"", "id=\"versions\"", "id=\"timeline\"",
      ]
      .map { page.range(of: $0)?.lowerBound }
      #expect(places.allSatisfy { $0 != nil })
      #expect(places.compactMap(\.self) == places.compactMap(\.self).sorted())
      #expect(page.contains("models:/dev01.readmission-risk/1"))
      #expect(page.contains(String(repeating: "11", count: 32)))
      // The name that it had, the incarnation, and the name at the source lead there too.
      for name in ["dev01%2Freadmission-risk", "aaaaaaaa-0000-4000-8000-000000000001"] {
        #expect(try await get("/models/\(name)", browser).text.contains("<h1>dev01.readmission-risk</h1>"), "\(name)")
      }
    }
  }

  @Test("a page of the past says so, and every link from it stays there")
  func past() async throws {
    try await TestService.with { test, get in
      let position = test.sample.seals[2]
      let page = try await get("/models?as_of=\(position)&order=newest", browser).text
      #expect(page.contains("looking at the past") && page.contains("position \(position)"))
      let links = page.matches(of: /href="(\/models[^"]*)"/).map { String($0.1) }
      #expect(links.filter { !$0.contains("as_of=\(position)") }.count == 1, "only the way back to now: \(links)")
      #expect(try await !get("/models", browser).text.contains("looking at the past"))
      let unsealed = try await get("/models?as_of=1000000", browser)
      #expect(unsealed.status == 404 && unsealed.text.contains("sealed"))
      let nonsense = try await get("/models?as_of=yesterday", browser)
      #expect(nonsense.status == 400 && nonsense.text.contains("2026-03-01"))
    }
  }

  @Test("whoever does not accept pages gets the same as an object, and errors name what is wrong")
  func objects() async throws {
    try await TestService.with { test, get in
      for (path, schema) in [
        ("/models", "models/1"), ("/models/dev01.readmission-risk", "model/1"), ("/workspaces", "workspaces/1"),
        ("/changes", "changes/1"), ("/models/dev01.readmission-risk/versions/1", "catalog.explain/1"),
        ("/events/dev01/1", "event/1"), ("/audit", "audit/1"), ("/changes?from=5&to=40", "changes/1"),
        ("/models/dev01.readmission-risk/compare?a=1&b=2", "comparison/1"),
      ] {
        for accept in ["application/json", "*/*"] {
          let reply = try await get(path, accept)
          #expect(reply.status == 200 && reply.headers[.contentType] == "application/json", "\(path)")
          #expect(try reply.json()["schema"] as? String == "marketplace.\(schema)")
          #expect(reply.headers[.vary] == "accept")
        }
      }
      let list = try await get("/models?q=risk", "application/json").json()
      #expect(
        list["total"] as? Int == 1
          && (list["models"] as? [[String: Any]])?.first?["marketplace_name"] as? String == "dev01.readmission-risk")
      let model = try await get("/models/dev01.readmission-risk", "application/json").json()
      #expect((model["files"] as? [[String: Any]])?.count == 2 && (model["history"] as? [Any])?.isEmpty == false)
      for (path, status, code, field) in [
        ("/models/nobody", 404, "unknown_model", nil), ("/models?page=0", 400, "bad_parameter", "page"),
        ("/models?page=x", 400, "bad_parameter", "page"), ("/models?order=random", 400, "bad_parameter", "order"),
        ("/models?q=%ff", 400, "query_malformed", nil), ("/models?q=%00", 400, "query_malformed", nil),
        ("/models?as_of=99999999", 404, "position_not_sealed", "as_of"),
        ("/events/dev01/999", 404, "unknown_event", nil),
        ("/events/DEV01/1", 404, "unknown_event", nil), ("/nowhere", 404, "http_error", nil),
        ("/models/dev01.readmission-risk/versions/99", 404, "unknown_version", nil),
        ("/changes?from=40&to=5", 422, "bad_moment", "from"), ("/changes?page=0", 400, "bad_parameter", "page"),
        ("/models?as_of=6&as_of=7", 400, "asked_twice", "as_of"), ("/models?q=&q=a", 400, "asked_twice", "q"),
        ("/models/dev01.readmission-risk?before=0", 400, "bad_parameter", "before"),
        ("/changes?from=1&to=99999", 404, "position_not_sealed", "to"),
        ("/events/dev01/1?as_of=0", 404, "unknown_event", "as_of"), ("/models/%+5", 400, "path_malformed", nil),
        ("/v1/audit/proofs/0", 404, "not_in_the_log", nil),
        ("/models?q=\(String(repeating: "a", count: 9_000))", 414, "address_too_long", nil),
        ("/models?\(String(repeating: "a=b&", count: 300))", 400, "query_too_long", nil),
      ] as [(String, Int, String, String?)] {
        let reply = try await get(path, "application/json")
        #expect(reply.status == status, "\(path)")
        #expect(reply.headers[.contentType] == "application/problem+json", "\(path)")
        let problem = try reply.json()
        #expect(problem["code"] as? String == code && problem["status"] as? Int == status, "\(path)")
        #expect((problem["errors"] as? [[String: Any]])?.first?["parameter"] as? String == field, "\(path)")
      }
    }
  }

  @Test("the catalog moves with the log")
  func moves() async throws {
    try await TestService.with { test, get in
      let before = try await get("/models/dev01.readmission-risk", "application/json").json()
      #expect(before["entry"] != nil)
      let ledger = test.sources.ledger
      _ = try await ledger.append(
        [
          .init(
            stream: "model/aaaaaaaa-0000-4000-8000-000000000001", expectedVersion: nil, id: UUID(),
            type: "StageTransitioned",
            occurredAt: nil,
            data:
              #"{"created":1001,"from":"Production","model":"aaaaaaaa-0000-4000-8000-000000000001","name":"readmission-risk","not_after":1767300000000,"to":"Archived","version":1}"#,
            cause: nil)
        ], to: "dev01", run: nil)
      var state: String?
      for _ in 0..<5_000 where state != "withdrawal pending" {
        let list = try await get("/models?q=readmission", "application/json").json()
        state = (list["models"] as? [[String: Any]])?.first?["state"] as? String
      }
      #expect(state == "withdrawal pending", "\(state ?? "")")
    }
  }

  @Test("machines that watch get what they need")
  func health() async throws {
    try await TestService.with { _, get in
      #expect(try await get("/livez", "*/*").text == "ok\n")
      #expect(try await get("/readyz", "*/*").json()["ready"] as? Bool == true)
      _ = try await get("/models", browser)
      let metrics = try await get("/metrics", "*/*").text
      #expect(metrics.contains("marketplace_up 1\n"))
      #expect(metrics.contains("marketplace_http_requests_total{method=\"GET\",route=\"/models\",status=\"200\"} 1\n"))
      let feed = try await get("/changes.atom?as_of=40", "*/*").text
      #expect(feed.hasPrefix("<?xml version=\"1.0\"") && feed.contains("/changes.atom?as_of=40\"/>"))
      #expect(feed.contains("<link href=\"http://") && !feed.contains("<link href=\"https://"))
      let proxied: HTTPFields = [try #require(HTTPField.Name("X-Forwarded-Proto")): "https"]
      #expect(try await get.send(.get, "/changes.atom", proxied).text.contains("<link href=\"https://"))
      #expect(try await get("/v1/audit/consistency/3/7", "*/*").json()["later"] as? Int == 7)
      #expect(try await get("/v1/audit/consistency/7/3", "*/*").status == 422)
    }
  }

  @Test(
    "what changed between two moments comes page by page, and versions of a model come by the number before which they are"
  )
  func parts() async throws {
    try await TestService.with { _, get in
      let all = try await get("/changes?from=0", "application/json").json()
      let (count, changed) = (all["count"] as? Int, all["changed"] as? [[String: Any]])
      #expect(count == changed?.count && (count ?? 0) > 1 && all["pages"] as? Int == 1)
      let beyond = try await get("/changes?from=0&page=2", "application/json").json()
      #expect(beyond["page"] as? Int == 1 && (beyond["changed"] as? [Any])?.count == count)
      let model = try await get("/models/dev01.readmission-risk", "application/json").json()
      let versions = (model["versions"] as? [[String: Any]])?.compactMap { $0["version"] as? Int } ?? []
      #expect(versions.count > 1 && model["versions_count"] as? Int == versions.count && versions == versions.sorted())
      let earlier = try await get("/models/dev01.readmission-risk?before=2", "application/json").json()
      #expect((earlier["versions"] as? [[String: Any]])?.compactMap { $0["version"] as? Int } == [1])
      #expect(earlier["versions_count"] as? Int == versions.count)
      for path in ["/models?as_of=2999-01-01", "/audit?as_of=2999-01-01T00:00:00Z", "/changes?from=1&to=2999-01-01"] {
        let future = try await get(path, "application/json")
        #expect(try future.status == 404 && future.json()["code"] as? String == "moment_not_come")
      }
      let missing = try await get("/models/nobody?as_of=40", browser)
      #expect(missing.status == 404 && missing.text.contains("href=\"/models?as_of=40\""))
      let hidden = try await get("/models?q=a%E2%80%8Cb&owner=c%E2%80%8Cd", browser).text
      #expect(hidden.contains("value=\"a\u{200c}b\"") && hidden.contains("value=\"c\u{200c}d\""))
    }
  }
}
