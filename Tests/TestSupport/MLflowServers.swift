import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
public import Registry
import Synchronization
import Testing

/// The MLflow servers that `ops/test` and `ops/servers` start, found through the environment.
public enum MLflowServers {
  /// An MLflow 3 with `--enable-workspaces`. There are several, since a server does one thing at a time: they are given
  /// to tests in turn, and a test keeps the one that it got.
  public static var three: String? {
    guard let test = Test.current else { return allThree.first }
    return given.withLock { given in
      if let server = given[test.id] { return server }
      let server = allThree.isEmpty ? nil : allThree[given.count % allThree.count]
      given[test.id] = server
      return server
    }
  }

  private static let allThree: [String] = {
    let environment = ProcessInfo.processInfo.environment
    return (environment["MLFLOW3_URLS"] ?? environment["MLFLOW3_URL"] ?? "").split(separator: " ").map(String.init)
  }()
  private static let given = Mutex<[Test.ID: String]>([:])

  /// An MLflow 2.22.
  public static var two: String? { ProcessInfo.processInfo.environment["MLFLOW2_URL"] }
  /// An MLflow 3 with basic-auth.
  public static var authenticated: String? { ProcessInfo.processInfo.environment["MLFLOW_AUTH_URL"] }

  /// An MLflow 3 without a proxy: artifacts lie in a bucket of ``S3Server/rclone``, below ``bucketRoot``.
  public static var bucket: String? { ProcessInfo.processInfo.environment["MLFLOW_BUCKET_URL"] }
  /// `s3://bucket/prefix`
  public static var bucketRoot: String { ProcessInfo.processInfo.environment["MLFLOW_BUCKET_ROOT"] ?? "" }
  /// An MLflow 3 whose proxy keeps artifacts in a bucket of ``S3Server/moto``, and signs addresses past itself.
  public static var signing: String? { ProcessInfo.processInfo.environment["MLFLOW_SIGNING_URL"] }

  /// A workspace of an MLflow 3 server that nobody else uses.
  ///
  /// - Throws: when the server is not there or refuses.
  public static func freshWorkspace(_ prefix: String, at server: String? = three) async throws -> String {
    let name = "\(prefix)-\(UUID().uuidString.lowercased().prefix(18))"
    var request = HTTPClientRequest(url: "\(server ?? "")/api/3.0/mlflow/workspaces")
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    request.body = .bytes(ByteBuffer(string: "{\"name\":\"\(name)\"}"))
    let response = try await HTTPClient.test.execute(request, timeout: .seconds(60))
    guard response.status.code == 201 else {
      throw RegistryError(
        .server, operation: "creating an MLflow workspace", status: Int(response.status.code),
        message: "the server refused")
    }
    return name
  }

  /// A registry on a fresh workspace of an MLflow 3 server.
  public static func registry(
    _ prefix: String = "w", at server: String? = three, change: (inout MLflowRegistry.Configuration) -> Void = { _ in }
  ) async throws -> MLflowRegistry {
    var configuration = MLflowRegistry.Configuration(
      url: server ?? "", mlflowWorkspace: try await freshWorkspace(prefix, at: server))
    change(&configuration)
    return try MLflowRegistry(configuration)
  }
}
