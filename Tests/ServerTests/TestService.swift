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

  /// Asks as a browser does, or with `accept`.
  typealias Client = @Sendable (_ path: String, _ accept: String) async throws -> Reply

  static func with(_ body: @escaping @Sendable (TestService, Client) async throws -> Void) async throws {
    let sample = try await SampleHistory.append()
    let sources = ServiceSources(
      catalog: Catalog(sample.pool), ledger: Ledger(sample.pool),
      registry: .init(address: "http://127.0.0.1:5000", workspace: nil),
      files: { _, _ in files },
      published: .init(
        origin: "test.example/log", keys: ["test.example/log+00000000+key"],
        checkpoint: { "test.example/log\n7\nroot\n" },
        inclusion: { "{\"position\":\($0)}" }), metrics: { "marketplace_up 1\n" }, sealingMetrics: { "" },
      obstacles: { [] })
    let service = TestService(sample: sample, sources: sources)
    do {
      try await service.run(body)
    } catch {
      await sample.pool.close()
      throw error
    }
    await sample.pool.close()
  }

  private func run(_ body: @escaping @Sendable (TestService, Client) async throws -> Void) async throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let router = CatalogService(sources, logger: logger, now: { Timestamp(microseconds: 0) }).router()
    let application = Application(router: router, logger: logger)
    try await application.test(.router) { client in
      try await body(self) { path, accept in
        try await client.execute(uri: path, method: .get, headers: [.accept: accept]) { response in
          Reply(status: response.status.code, headers: response.headers, text: String(buffer: response.body))
        }
      }
    }
  }
}

/// What a browser says that it understands.
let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
