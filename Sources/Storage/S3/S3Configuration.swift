/// How an S3 store is reached, and who we are there.
public struct S3Configuration: Sendable {
  /// How the server is asked to encrypt what it stores.
  public enum Encryption: Sendable, Hashable {
    /// With keys of its own (`AES256`).
    case server
    /// With its key service (`aws:kms`), under this key or its default one.
    case keyService(keyID: String?)
  }

  /// `s3://bucket/prefix`
  public var url: String
  /// `https://host[:port]`; `nil` for AWS's own in the region.
  public var endpoint: String?
  /// The region that signatures name.
  public var region = "us-east-1"
  /// Whether the bucket stands in the path rather than in the host; `nil` for what fits: the path with an endpoint of
  /// one's own, the host at AWS.
  public var pathStyle: Bool?
  /// A PEM file of the authorities that are trusted instead of the system's.
  public var caFile: String?
  /// How files are encrypted at rest; `nil` for the bucket's default.
  public var encryption: Encryption?
  /// Whether the server is given SHA-256 checksums to verify and keep.
  public var checksums = true
  /// Where credentials come from.
  public var credentials: S3CredentialSource
  /// Patience and bounds.
  public var policy = StoragePolicy()
  /// Memory for parts under way, shared by all stores of a program; `nil` for one of this store's own.
  public var budget: UploadBudget?
  /// Pauses, chance and the clock.
  public var effects: StorageEffects
  /// Sent with every call.
  public var userAgent = "model-marketplace"
  /// The first parts of an upload have so many bytes; S3 takes no less than 5 MiB but for the last. Tests lower it.
  var partBytesFirst = 8 * 1_048_576
  /// Copies of more than so many bytes are made in parts (S3's limit). Tests lower it.
  var copyBytesMax: Int64 = 5 * 1_073_741_824
  /// Keys per page of a listing; `nil` for the server's thousand. Tests lower it.
  var keysPerPage: Int?
  /// Addresses of hosts, past DNS. For tests.
  var hostAddresses: [String: String] = [:]

  /// A store at `url`.
  public init(url: String, credentials: S3CredentialSource, effects: StorageEffects) {
    self.url = url
    self.credentials = credentials
    self.effects = effects
  }
}
