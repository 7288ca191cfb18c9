public import Catalog
import HTTPTypes
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

  /// Something is not there: whoever asked is told so.
  public struct Missing: Error, Sendable, CustomStringConvertible {
    /// What, and why.
    public let description: String

    /// Says what.
    public init(_ description: String) { self.description = description }
  }

  /// Something cannot be reached now.
  public struct Away: Error, Sendable, CustomStringConvertible {
    /// What, and why.
    public let description: String

    /// Says what.
    public init(_ description: String) { self.description = description }
  }

  /// Where models are loaded from.
  public struct Registry: Sendable, Hashable {
    /// The address of the tracking server.
    public let address: String
    /// The MLflow workspace within it; `nil` for the only one.
    public let workspace: String?

    /// A registry.
    public init(address: String, workspace: String?) {
      self.address = address
      self.workspace = workspace
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
    /// The proof that the log of the second size begins with that of the first, as `marketplace audit consistency` prints it.
    public let consistency: @Sendable (Int64, Int64) async throws -> String

    /// A published log.
    public init(
      origin: String, keys: [String], checkpoint: @escaping @Sendable () async throws -> String?,
      inclusion: @escaping @Sendable (Int64) async throws -> String,
      consistency: @escaping @Sendable (Int64, Int64) async throws -> String
    ) {
      self.origin = origin
      self.keys = keys
      self.checkpoint = checkpoint
      self.inclusion = inclusion
      self.consistency = consistency
    }
  }

  /// Registries that tell when something changed.
  public struct Webhooks: Sendable {
    /// The secrets that those of a workspace are signed with; none where it takes none.
    public let secrets: @Sendable (_ workspace: String) async -> [String]
    /// Takes the hint that something changed in a workspace.
    public let hint: @Sendable (_ workspace: String) async -> Void

    /// No registry tells.
    public static let none = Webhooks(secrets: { _ in [] }, hint: { _ in })

    /// Registries that tell.
    public init(
      secrets: @escaping @Sendable (String) async -> [String], hint: @escaping @Sendable (String) async -> Void
    ) {
      self.secrets = secrets
      self.hint = hint
    }
  }

  /// The catalog, its history and summaries.
  public let catalog: Catalog
  /// The log.
  public let ledger: Ledger
  /// The marketplace registry, where models are loaded from.
  public let registry: Registry?
  /// The files of an export, by its address and the digest of its manifest; `nil` when they cannot be told.
  public let files: @Sendable (_ uri: String, _ manifestSHA256: String) async throws -> [ExportedFile]?
  /// What is published of the log, where anything is.
  public let published: Published?
  /// The state of the whole in Prometheus' text format, from the database.
  public let metrics: @Sendable () async throws -> String
  /// How the service's own work goes, in the same format; asks nobody.
  public let ownMetrics: @Sendable () -> String
  /// Registries that tell when something changed.
  public let webhooks: Webhooks
  /// What keeps the service from being of use; nothing when it is ready.
  public let obstacles: @Sendable () async -> [String]

  /// Everything the service answers from.
  public init(
    catalog: Catalog, ledger: Ledger, registry: Registry?,
    files: @escaping @Sendable (String, String) async throws -> [ExportedFile]?, published: Published?,
    metrics: @escaping @Sendable () async throws -> String, ownMetrics: @escaping @Sendable () -> String,
    webhooks: Webhooks = .none,
    obstacles: @escaping @Sendable () async -> [String]
  ) {
    self.catalog = catalog
    self.ledger = ledger
    self.registry = registry
    self.files = files
    self.published = published
    self.metrics = metrics
    self.ownMetrics = ownMetrics
    self.webhooks = webhooks
    self.obstacles = obstacles
  }
}

extension ServiceSources {
  /// The last position of a moment.
  ///
  /// - Throws: ``Problem`` for one that is not sealed yet; `LedgerError`; `PostgresError`; `CancellationError`.
  func position(_ asOf: AsOf, field: String = "as_of") async throws -> Int64 {
    switch asOf {
    case .now: return try await ledger.lastPosition()
    case .time(let time): return try await ledger.position(at: time)
    case .position(let position):
      let last = try await ledger.lastPosition()
      guard (0...last).contains(position) else {
        throw Problem(
          .notFound, "position_not_sealed", "Position \(position) is not in the log: it has those up to \(last).",
          field: field)
      }
      return position
    }
  }
}
