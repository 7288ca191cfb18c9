public import Foundation
public import Postgres

/// One row of the catalog: what a source means by a model, and what can be loaded.
public struct CatalogEntry: Sendable, Hashable {
  /// How what the source means and what can be loaded stand to each other.
  public struct State: Sendable, Hashable, RawRepresentable {
    /// The word of view `marketplace.catalog`.
    public let rawValue: String

    /// A state by its word.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// What the source means can be loaded.
    public static let available = Self(rawValue: "available")
    /// What the source means cannot be loaded yet, and nothing else can.
    public static let pending = Self(rawValue: "pending")
    /// What the source means cannot be loaded, and the last attempt failed; nothing else can.
    public static let failed = Self(rawValue: "failed")
    /// An earlier version stays loadable until what the source means is.
    public static let supersededPending = Self(rawValue: "superseded, successor pending")
    /// An earlier version stays loadable; the last attempt to bring what the source means failed.
    public static let supersededFailed = Self(rawValue: "superseded, successor failed")
    /// The source promotes nothing, but the marketplace still shows a version.
    public static let withdrawalPending = Self(rawValue: "withdrawal pending")
  }

  /// The source workspace.
  public var workspace: String
  /// Incarnation of the model.
  public var model: UUID
  /// Name at the source; nil when the event that named it was redacted.
  public var name: String?
  /// Name in the marketplace; nil until the first import.
  public var marketplaceName: String?
  /// The marketplace registry; nil until the first import.
  public var target: String?
  /// The version that this entry describes: the one that can be loaded, else the one the source means.
  public var version: Int?
  /// The version that the source means; nil when it promotes none.
  public var sourceVersion: Int?
  /// When that version was created at the source.
  public var sourceCreated: Timestamp?
  /// The version that can be loaded, by its number at the source.
  public var availableVersion: Int?
  /// The same version by its number in the marketplace.
  public var marketplaceVersion: Int?
  /// How the two stand to each other.
  public var state: State
  /// Why they differ, in words; nil when they agree.
  public var reason: String?
  /// Since when this is so, by the record.
  public var since: Timestamp
  /// What the source says about the model.
  public var description: String?
  /// Who owns it, as the source says.
  public var owner: String?
  /// Tags at the source: a JSON object of texts.
  public var tags: String?
  /// What the source says about the version.
  public var versionDescription: String?
  /// What the version can be loaded as.
  public var flavors: [String]?
  /// Inputs, outputs and parameters: a JSON object.
  public var signature: String?
  /// The export that holds the bytes.
  public var export: Export?
  /// Sequence in the workspace of the newest event that this entry rests on.
  public var sequence: Int64
  /// When that event was recorded.
  public var recordedAt: Timestamp

  /// Where the bytes are, and what they are.
  public struct Export: Sendable, Hashable {
    /// Identity of the export.
    public var id: UUID
    /// Where it lies.
    public var uri: String?
    /// SHA-256 of the manifest, in hexadecimal.
    public var manifestSHA256: String?
    /// SHA-256 over the model's files, in hexadecimal.
    public var modelSHA256: String?
    /// How many files.
    public var files: Int?
    /// How many bytes.
    public var bytes: Int?
  }
}

extension CatalogEntry {
  init(_ row: Row) throws {
    workspace = try row.string("workspace")
    model = try row.uuid("model")
    name = try row.optionalString("name")
    marketplaceName = try row.optionalString("marketplace_name")
    target = try row.optionalString("target")
    version = try row.optionalInt("version")
    sourceVersion = try row.optionalInt("source_version")
    sourceCreated = try row.optionalTimestamp("source_created")
    availableVersion = try row.optionalInt("available_version")
    marketplaceVersion = try row.optionalInt("marketplace_version")
    state = State(rawValue: try row.string("state"))
    reason = try row.optionalString("reason")
    since = try row.timestamp("since")
    description = try row.optionalString("description")
    owner = try row.optionalString("owner")
    tags = try row.optionalString("tags")
    versionDescription = try row.optionalString("version_description")
    flavors = try row.optionalStrings("flavors")
    signature = try row.optionalString("signature")
    if let id = try row.optionalUUID("export_id") {
      export = Export(
        id: id, uri: try row.optionalString("uri"), manifestSHA256: try row.optionalString("manifest_sha256"),
        modelSHA256: try row.optionalString("model_sha256"), files: try row.optionalInt("files"),
        bytes: try row.optionalInt("bytes"))
    }
    sequence = try row.int64("sequence")
    recordedAt = try row.timestamp("recorded_at")
  }
}
