public import Catalog
public import Ledger

/// What the service answers from. It decides nothing and keeps nothing: everything comes from here.
public struct ServiceSources: Sendable {
  /// A file of an export, as its manifest lists it.
  public struct ExportedFile: Sendable, Hashable, Encodable {
    /// Its path within the export.
    public let path: String
    /// Its size in bytes.
    public let size: Int64
    /// SHA-256 of its bytes, in hexadecimal.
    public let sha256: String

    /// A file.
    public init(path: String, size: Int64, sha256: String) {
      self.path = path
      self.size = size
      self.sha256 = sha256
    }
  }

  /// What is published of the log.
  public struct Published: Sendable {
    /// The name of the log.
    public let origin: String
    /// The keys that its checkpoints are believed by.
    public let keys: [String]
    /// The newest checkpoint, as it was signed; `nil` when none was published.
    public let checkpoint: @Sendable () async throws -> String?
    /// The proof that the event at a position is in it, as `marketplace audit prove` prints it.
    public let inclusion: @Sendable (Int64) async throws -> String

    /// A published log.
    public init(
      origin: String, keys: [String], checkpoint: @escaping @Sendable () async throws -> String?,
      inclusion: @escaping @Sendable (Int64) async throws -> String
    ) {
      self.origin = origin
      self.keys = keys
      self.checkpoint = checkpoint
      self.inclusion = inclusion
    }
  }

  /// The catalog, its history and summaries.
  public let catalog: Catalog
  /// The log.
  public let ledger: Ledger
  /// The address of the marketplace registry, where models are loaded from.
  public let registry: String?
  /// The files of an export, by its address and the digest of its manifest; `nil` when they cannot be told.
  public let files: @Sendable (_ uri: String, _ manifestSHA256: String) async throws -> [ExportedFile]?
  /// What is published of the log, where anything is.
  public let published: Published?
  /// The state of the whole in Prometheus' text format.
  public let metrics: @Sendable () async throws -> String
  /// What keeps the service from being of use; nothing when it is ready.
  public let obstacles: @Sendable () async -> [String]

  /// Everything the service answers from.
  public init(
    catalog: Catalog, ledger: Ledger, registry: String?,
    files: @escaping @Sendable (String, String) async throws -> [ExportedFile]?, published: Published?,
    metrics: @escaping @Sendable () async throws -> String, obstacles: @escaping @Sendable () async -> [String]
  ) {
    self.catalog = catalog
    self.ledger = ledger
    self.registry = registry
    self.files = files
    self.published = published
    self.metrics = metrics
    self.obstacles = obstacles
  }
}
