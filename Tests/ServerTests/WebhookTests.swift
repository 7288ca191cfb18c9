import Crypto
import Foundation
import HTTPTypes
import Ledger
import Postgres
import Synchronization
import Testing

@testable import Server

@Suite("Webhooks of registries")
struct WebhookTests {
  private static let seconds = TestService.now.milliseconds / 1_000
  private static let path = "/v1/workspaces/dev01/webhook"
  // As MLflow tells that an alias was set.
  private static let body =
    #"{"entity": "model_version_alias", "action": "created", "timestamp": "2026-06-21T00:00:00+00:00", "data": {"name": "m", "alias": "champion", "version": "2"}}"#

  private static func fields(
    _ secret: String, id: String = "4d1c", time: Int64 = seconds, body: String = body, prefix: String = ""
  ) -> HTTPFields {
    let code = HMAC<SHA256>.authenticationCode(
      for: Data("\(id).\(time).\(body)".utf8), using: SymmetricKey(data: Data(secret.utf8)))
    var fields: HTTPFields = [.contentType: "application/json"]
    for (name, value) in [
      ("X-MLflow-Delivery-Id", id), ("X-MLflow-Timestamp", "\(time)"),
      ("X-MLflow-Signature", "\(prefix)v1,\(Data(code).base64EncodedString())"),
    ] {
      if let name = HTTPField.Name(name) { fields[name] = value }
    }
    return fields
  }

  @Test("a signed one is a hint, once; anything else is nothing, and nothing of it is in the log")
  func hints() async throws {
    let hinted = Mutex<[String]>([])
    let webhooks = ServiceSources.Webhooks(
      secrets: { $0 == "dev01" ? ["old secret", "new secret"] : [] }, hint: { id in hinted.withLock { $0.append(id) } })
    try await TestService.with(webhooks: webhooks) { test, get in
      let before = try await test.sources.ledger.heads()
      func send(_ fields: HTTPFields, _ path: String = Self.path, _ body: String = Self.body) async throws
        -> TestService.Reply
      {
        try await get.send(.post, path, fields, body)
      }
      let first = try await send(Self.fields("new secret"))
      #expect(try first.status == 202 && first.json()["replayed"] as? Bool == false)
      let again = try await send(Self.fields("new secret"))
      #expect(try again.status == 202 && again.json()["replayed"] as? Bool == true)
      #expect(try await send(Self.fields("old secret", id: "5e2d", prefix: "v1,AAAA v2,x ")).status == 202)
      #expect(hinted.withLock { $0 } == ["dev01", "dev01"])

      let many = String(repeating: "v1,AAAA ", count: WebhookRoutes.signaturesMax)
      let refused: [(HTTPFields, String, String)] = [
        (Self.fields("another"), Self.path, Self.body), (Self.fields(""), Self.path, Self.body),
        (Self.fields("new secret"), Self.path, Self.body + " "),
        (Self.fields("new secret"), "/v1/workspaces/dev02/webhook", Self.body),
        (Self.fields("new secret"), "/v1/workspaces/nowhere/webhook", Self.body),
        (Self.fields("new secret", id: ""), Self.path, Self.body),
        (Self.fields("new secret", id: String(repeating: "a", count: 201)), Self.path, Self.body),
        (Self.fields("new secret", prefix: many), Self.path, Self.body),
        (Self.fields("new secret", time: .min), Self.path, Self.body),
        (Self.fields("new secret", time: .max), Self.path, Self.body),
        (Self.fields("new secret", time: Self.seconds - 301), Self.path, Self.body),
        (Self.fields("new secret", time: Self.seconds + 301), Self.path, Self.body),
        ([.contentType: "application/json"], Self.path, Self.body),
      ]
      for (fields, path, body) in refused {
        let reply = try await send(fields, path, body)
        #expect(try reply.status == 401 && reply.json()["code"] as? String == "bad_signature", "\(fields)")
      }
      let large = String(repeating: "a", count: RequestBody.webhook.bytesMax + 1)
      // Told alike of every workspace, so that nobody learns which ones there are.
      for path in [Self.path, "/v1/workspaces/dev02/webhook", "/v1/workspaces/nowhere/webhook"] {
        #expect(try await send(Self.fields("new secret", body: large), path, large).status == 413)
      }
      #expect(try await get.send(.get, Self.path).status == 405)
      #expect(hinted.withLock { $0.count } == 2)
      #expect(try await test.sources.ledger.heads() == before)
    }
  }
}
