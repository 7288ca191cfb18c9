import Foundation
public import Storage

/// The object stores that `ops/test` and `ops/servers` start, found through the environment.
public enum S3Server: String, Sendable, CaseIterable {
  /// `rclone serve s3`: verifies signatures, ignores conditions.
  case rclone = "S3_RCLONE_URL"
  /// `moto_server`: honours conditions, verifies no signature.
  case moto = "S3_MOTO_URL"

  private static let environment = ProcessInfo.processInfo.environment

  /// Those that are there.
  public static var available: [S3Server] { allCases.filter { $0.url != nil } }

  /// Its address.
  public var url: String? { Self.environment[rawValue] }

  /// rclone's address with TLS, and the authority that signed its certificate.
  public static var encrypted: (url: String, caFile: String)? {
    guard let url = environment["S3_RCLONE_TLS_URL"], let file = environment["S3_CA_FILE"] else { return nil }
    return (url, file)
  }

  /// The key that the servers know.
  public static var credentials: S3Credentials {
    S3Credentials(
      accessKeyID: environment["S3_ACCESS_KEY_ID"] ?? "", secretAccessKey: environment["S3_SECRET_ACCESS_KEY"] ?? "")
  }

  /// Effects that never pause and are otherwise real.
  public static var hurried: StorageEffects {
    StorageEffects(sleep: { _ in }, random: { .random(in: 0..<1) }, now: { Date().timeIntervalSince1970 })
  }

  /// A configuration for a bucket; the server is not asked.
  public func configuration(bucket: String, prefix: String = "") -> S3Configuration {
    var configuration = S3Configuration(
      url: prefix.isEmpty ? "s3://\(bucket)" : "s3://\(bucket)/\(prefix)", credentials: .fixed(Self.credentials),
      effects: Self.hurried)
    configuration.endpoint = url
    return configuration
  }

  /// A store in a bucket of its own.
  public func storage(
    prefix: String = "", change: (inout S3Configuration) -> Void = { _ in }
  ) async throws -> S3Storage {
    let bucket = "b-\(UUID().uuidString.lowercased())"
    var configuration = configuration(bucket: bucket, prefix: prefix)
    try await S3Storage(configuration).createBucket()
    change(&configuration)
    return try S3Storage(configuration)
  }
}
