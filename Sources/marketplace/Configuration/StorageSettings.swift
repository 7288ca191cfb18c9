import Foundation
import Storage

/// Where exports lie, as it is written: an address alone, or with what else is needed to get there.
struct StorageSettings: Decodable {
  var url: String?
  var endpoint: String?
  var region: String?
  var path_style: Bool?
  var ca_file: String?
  var sse: String?
  var sse_kms_key_id: String?
  var checksums: Bool?
  var concurrency: Int?
  var credentials: Credentials?
  static let keys: Set<String> = [
    "url", "endpoint", "region", "path_style", "ca_file", "sse", "sse_kms_key_id", "checksums", "concurrency",
    "credentials",
  ]

  /// Where credentials come from. Secrets themselves stand elsewhere.
  struct Credentials: Decodable {
    var command: String?
    var file: String?
    var profile: String?
    static let keys: Set<String> = ["command", "file", "profile"]
  }

  private enum CodingKeys: String, CodingKey {
    case url
    case endpoint
    case region
    case path_style
    case ca_file
    case sse
    case sse_kms_key_id
    case checksums
    case concurrency
    case credentials
  }

  /// `storage: address`, or `storage: {url: address, …}`.
  init(from decoder: any Decoder) throws {
    if let text = try? decoder.singleValueContainer().decode(String.self) {
      self.init()
      url = text
      return
    }
    try self.init(besidesURL: decoder)
    url = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .url)
  }

  /// Everything but the address.
  fileprivate init(besidesURL decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    endpoint = try values.decodeIfPresent(String.self, forKey: .endpoint)
    region = try values.decodeIfPresent(String.self, forKey: .region)
    path_style = try values.decodeIfPresent(Bool.self, forKey: .path_style)
    ca_file = try values.decodeIfPresent(String.self, forKey: .ca_file)
    sse = try values.decodeIfPresent(String.self, forKey: .sse)
    sse_kms_key_id = try values.decodeIfPresent(String.self, forKey: .sse_kms_key_id)
    checksums = try values.decodeIfPresent(Bool.self, forKey: .checksums)
    concurrency = try values.decodeIfPresent(Int.self, forKey: .concurrency)
    credentials = try values.decodeIfPresent(Credentials.self, forKey: .credentials)
  }

  /// Nothing written.
  init() {}
}

/// A bucket in which a registry keeps artifacts that its server does not stand in front of: as `storage` is written, but
/// for the name of its address.
struct ArtifactSettings: Decodable {
  var uri: String
  var store: StorageSettings
  static let keys: Set<String> = StorageSettings.keys.subtracting(["url"]).union(["uri"])

  private enum CodingKeys: String, CodingKey { case uri }

  init(from decoder: any Decoder) throws {
    uri = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .uri)
    store = try StorageSettings(besidesURL: decoder)
  }
}

extension Settings {
  /// The external storage, of whatever kind its address names.
  ///
  /// - Throws: ``Failure`` or `StorageError` for what is not understood; nothing is asked of the store yet.
  func storage() throws -> any ExternalStorage {
    if storageURL.hasPrefix("file://") { return try FileStorage(url: storageURL) }
    guard storageURL.hasPrefix("s3://") else {
      throw Failure(
        .usage, "storage_unsupported",
        "storage: '\(storageURL)' is of a kind this version does not know. Use file:///absolute/path or "
          + "s3://bucket/prefix.")
    }
    return try S3Storage(try s3(storageURL, file.storage ?? StorageSettings(), place: "storage"))
  }

  /// The buckets of a registry's artifacts.
  ///
  /// - Throws: ``Failure`` or `StorageError` for what is not understood.
  func buckets(_ written: [ArtifactSettings]?, place: String) throws -> [S3Storage] {
    try (written ?? []).map { bucket in
      guard bucket.uri.hasPrefix("s3://") else {
        throw Failure(
          .usage, "artifacts_unsupported",
          "\(place): artifacts: '\(bucket.uri)' is of a kind this version does not know. Use s3://bucket/prefix.")
      }
      return try S3Storage(try s3(bucket.uri, bucket.store, place: "\(place): artifacts"))
    }
  }

  /// What is written, and what it leaves open from AWS's own variables.
  private func s3(_ url: String, _ written: StorageSettings, place: String) throws -> S3Configuration {
    func variable(_ names: String...) -> String? {
      names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
    }
    var configuration = S3Configuration(
      url: url, credentials: credentials(written.credentials), effects: .real)
    configuration.endpoint = written.endpoint ?? variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    configuration.region = written.region ?? variable("AWS_REGION", "AWS_DEFAULT_REGION") ?? configuration.region
    configuration.pathStyle = written.path_style
    configuration.caFile = written.ca_file ?? variable("AWS_CA_BUNDLE")
    configuration.checksums = written.checksums ?? true
    configuration.encryption = try encryption(written, place: place)
    configuration.userAgent = "model-marketplace/\(ProgramVersion.text)"
    configuration.budget = uploads
    if let concurrency = written.concurrency { configuration.policy.concurrentRequestsMax = max(1, concurrency) }
    return configuration
  }

  /// How a program over object_store (the crate) gets to the external storage: its options, and variables of its
  /// environment. Secrets are among the options.
  ///
  /// - Throws: `StorageError` for credentials that are not to be had.
  func objectStore() async throws -> (options: [String: String], variables: [String: String]) {
    guard storageURL.hasPrefix("s3://") else { return ([:], [:]) }
    let configuration = try s3(storageURL, file.storage ?? StorageSettings(), place: "storage")
    let credentials = try await configuration.credentials.credentials()
    var options = [
      "aws_access_key_id": credentials.accessKeyID, "aws_secret_access_key": credentials.secretAccessKey,
      "aws_region": configuration.region, "aws_conditional_put": "etag",
    ]
    if let token = credentials.sessionToken { options["aws_session_token"] = token }
    if let endpoint = configuration.endpoint {
      options["aws_endpoint"] = endpoint
      if endpoint.hasPrefix("http://") { options["aws_allow_http"] = "true" }
      options["aws_virtual_hosted_style_request"] = "\(configuration.pathStyle == false)"
    }
    if case .server = configuration.encryption { options["aws_server_side_encryption"] = "AES256" }
    if case .keyService(let key) = configuration.encryption {
      options["aws_server_side_encryption"] = "aws:kms"
      options["aws_sse_kms_key_id"] = key
    }
    return (options, configuration.caFile.map { ["SSL_CERT_FILE": $0] } ?? [:])
  }

  private func encryption(_ written: StorageSettings, place: String) throws -> S3Configuration.Encryption? {
    switch (written.sse, written.sse_kms_key_id) {
    case (nil, nil): return nil
    case ("AES256", nil): return .server
    case ("aws:kms", let key): return .keyService(keyID: key)
    case (nil, let key?): return .keyService(keyID: key)
    default:
      throw Failure(
        .usage, "configuration_storage",
        "\(place): 'sse' is AES256 or aws:kms, and sse_kms_key_id goes with aws:kms alone.")
    }
  }

  private func credentials(_ written: StorageSettings.Credentials?) -> S3CredentialSource {
    if let command = written?.command { return .command(command) }
    var environment = environment
    // A profile that is named here goes before keys that happen to be in the environment.
    if let profile = written?.profile {
      environment["AWS_PROFILE"] = profile
      environment["AWS_ACCESS_KEY_ID"] = nil
    }
    guard let file = written?.file else { return .standard(environment: environment) }
    return .file(path: file, profile: environment["AWS_PROFILE"] ?? "default")
  }
}

extension StorageEffects {
  /// The machine's own.
  static let real = StorageEffects(
    sleep: { try await Task.sleep(for: $0) }, random: { .random(in: 0..<1) },
    now: { Date().timeIntervalSince1970 })
}
