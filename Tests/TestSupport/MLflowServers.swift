import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
public import Registry

/// The MLflow servers that `ops/test` and `ops/servers` start, found through the environment.
public enum MLflowServers {
  /// An MLflow 3 with `--enable-workspaces`.
  public static var three: String? { ProcessInfo.processInfo.environment["MLFLOW3_URL"] }
  /// An MLflow 2.22.
  public static var two: String? { ProcessInfo.processInfo.environment["MLFLOW2_URL"] }
  /// An MLflow 3 with basic-auth.
  public static var authenticated: String? { ProcessInfo.processInfo.environment["MLFLOW_AUTH_URL"] }

  /// A workspace of the MLflow 3 server that nobody else uses.
  ///
  /// - Throws: when the server is not there or refuses.
  public static func freshWorkspace(_ prefix: String) async throws -> String {
    let name = "\(prefix)-\(UUID().uuidString.lowercased().prefix(18))"
    var request = HTTPClientRequest(url: "\(three ?? "")/api/3.0/mlflow/workspaces")
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    request.body = .bytes(ByteBuffer(string: "{\"name\":\"\(name)\"}"))
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    guard response.status.code == 201 else {
      throw RegistryError(
        .server, operation: "creating an MLflow workspace", status: Int(response.status.code),
        message: "the server refused")
    }
    return name
  }

  /// A registry on a fresh workspace of the MLflow 3 server.
  public static func registry(_ prefix: String = "w") async throws -> MLflowRegistry {
    try MLflowRegistry(
      MLflowRegistry.Configuration(url: three ?? "", mlflowWorkspace: try await freshWorkspace(prefix)))
  }
}
