import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Ledger
import Logging
import NIOCore
import Postgres
import TestSupport

@testable import Server

/// The service over the sample history, in a database of its own.
struct TestService {
  let sample: SampleHistory
  let sources: ServiceSources
  let isCatalogOpen: Bool
  let providers: IdentityProviders

  /// The time there: in the middle of the year 2026.
  static let now = Timestamp(milliseconds: 1_782_000_000_000)

  static let files = [
    ServiceSources.ExportedFile(path: "model/MLmodel", size: 812, sha256: String(repeating: "ab", count: 32)),
    ServiceSources.ExportedFile(
      path: "model/<script>.pkl", size: 1_234_567, sha256: String(repeating: "cd", count: 32)),
  ]

  /// An answer, as it came.
  struct Reply {
    let status: Int
    let headers: HTTPFields
    let text: String

    func json() throws -> [String: Any] {
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
    }
  }

  /// Asks the service.
  struct Client: Sendable {
    let client: any TestClientProtocol

    /// Asks as a browser does, or with `accept`.
    func callAsFunction(_ path: String, _ accept: String) async throws -> Reply {
      try await send(.get, path, [.accept: accept])
    }

    func send(
      _ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields = [:], _ body: String? = nil
    ) async throws -> Reply {
      try await client.execute(
        uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }
      ) { response in
        Reply(status: response.status.code, headers: response.headers, text: String(buffer: response.body))
      }
    }
  }

  static func with(
    isCatalogOpen: Bool = true, webhooks: ServiceSources.Webhooks = .none,
    providers: IdentityProviders = IdentityProviders([]) { _ in Data() },
    _ body: @escaping @Sendable (TestService, Client) async throws -> Void
  ) async throws {
    let sample = try await SampleHistory.append()
    let sources = ServiceSources(
      catalog: Catalog(sample.pool), ledger: Ledger(sample.pool),
      registry: .init(address: "http://127.0.0.1:5000", workspace: nil),
      files: { _, _ in files },
      published: .init(
        origin: "test.example/log", keys: ["test.example/log+00000000+key"],
        checkpoint: { "test.example/log\n7\nroot\n" },
        inclusion: { "{\"position\":\($0)}" }, consistency: { "{\"earlier\":\($0),\"later\":\($1)}" }),
      metrics: { "marketplace_up 1\n" }, ownMetrics: { "" },
      webhooks: webhooks,
      obstacles: { [] })
    let service = TestService(
      sample: sample, sources: sources, isCatalogOpen: isCatalogOpen, providers: providers)
    do {
      try await service.run(body)
    } catch {
      await sample.pool.close()
      throw error
    }
    await sample.pool.close()
  }

  /// A token, and who shows it.
  struct Token {
    let token: AccessToken
    var fields: HTTPFields { [.authorization: "Bearer \(token.text)", .accept: "application/json"] }
    var json: HTTPFields { fields.merging([.contentType: "application/json"]) }
  }

  /// How far a workspace has come.
  func lastSequence(of workspace: String) async throws -> Int64 { try await sources.ledger.heads()[workspace] ?? 0 }

  /// Makes a token whose principal may append `acme.` types everywhere.
  func token(
    _ scopes: Set<Scope>, workspaces: [String] = ["dev01"], principal: String = "acme_nightly",
    expires: Timestamp = Timestamp(milliseconds: now.milliseconds + 3_600_000)
  ) async throws -> Token {
    try await sample.pool.withSession { session in
      _ = try session.query(
        "SELECT ledger.register_event_type('acme.Evaluated', 1::smallint, 'A model was evaluated.')")
      _ = try session.query("SELECT ledger.grant_append($1, '*', 'acme.')", [principal])
    }
    let wish = TokenBook.Wish(
      name: "a test", principal: principal, scopes: scopes, workspaces: workspaces, expires: expires)
    return Token(token: try await TokenBook(sources.ledger).create(wish))
  }

  private func run(_ body: @escaping @Sendable (TestService, Client) async throws -> Void) async throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let callers = Callers(tokens: TokenBook(sources.ledger), providers: providers)
    let guardian = Guardian(
      isCatalogOpen: isCatalogOpen, caller: { try await callers.caller(showing: $0, at: Self.now) })
    let service = CatalogService(sources, guardian: guardian, logger: logger, now: { Self.now })
    let application = Application(router: service.router(), services: service.services, logger: logger)
    try await application.test(.router) { client in
      try await body(self, Client(client: client))
    }
  }
}

extension HTTPFields {
  fileprivate func merging(_ others: HTTPFields) -> HTTPFields {
    var all = self
    for field in others { all[field.name] = field.value }
    return all
  }
}

/// What a browser says that it understands.
let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
