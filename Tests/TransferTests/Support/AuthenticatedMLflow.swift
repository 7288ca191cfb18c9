import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Registry
import TestSupport
import Testing

/// The MLflow server with basic-auth: users of a test's own, and what they may see.
struct AuthenticatedMLflow: Sendable {
  static var isThere: Bool { MLflowServers.authenticated != nil && environment["MLFLOW_AUTH_PASSWORD"] != nil }

  private static var environment: [String: String] { ProcessInfo.processInfo.environment }
  private static var admin: (user: String, password: String) {
    (environment["MLFLOW_AUTH_USER"] ?? "admin", environment["MLFLOW_AUTH_PASSWORD"] ?? "")
  }

  /// The user's name.
  let user: String
  private let password: String

  /// A user that nobody else uses; it may read what nobody forbids.
  static func newUser() async throws -> AuthenticatedMLflow {
    let made = AuthenticatedMLflow(
      user: "user-\(UUID().uuidString.prefix(8))".lowercased(), password: UUID().uuidString)
    try await call("api/2.0/mlflow/users/create", ["username": made.user, "password": made.password])
    return made
  }

  /// The registry as the administrator sees it.
  static func administrator() throws -> MLflowRegistry { try registry(admin.user, admin.password) }

  /// The registry as the user sees it.
  func registry() throws -> MLflowRegistry { try Self.registry(user, password) }

  /// Forbids the user to see registered models.
  func forbid(_ models: [String]) async throws {
    for model in models { try await Self.call("api/3.0/mlflow/users/permissions/grant", grant(model)) }
  }

  /// Takes the prohibition back.
  func allow(_ models: [String]) async throws {
    for model in models { try await Self.call("api/3.0/mlflow/users/permissions/revoke", grant(model)) }
  }

  private func grant(_ model: String) -> [String: String] {
    ["username": user, "resource_type": "registered_model", "resource_id": model, "permission": "DENY"]
  }

  private static func registry(_ user: String, _ password: String) throws -> MLflowRegistry {
    try MLflowRegistry(
      .init(url: MLflowServers.authenticated ?? "", credentials: .basic(user: user, password: password)))
  }

  private static func call(_ path: String, _ content: [String: String]) async throws {
    var request = HTTPClientRequest(url: "\(MLflowServers.authenticated ?? "")/\(path)")
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    let secret = Data("\(admin.user):\(admin.password)".utf8).base64EncodedString()
    request.headers.add(name: "Authorization", value: "Basic \(secret)")
    request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(content)))
    let response = try await HTTPClient.test.execute(request, timeout: .seconds(60))
    let said = String(buffer: try await response.body.collect(upTo: 1 << 20))
    guard response.status.code / 100 == 2 else {
      throw RegistryError(.refused, operation: path, status: Int(response.status.code), message: said)
    }
  }
}
