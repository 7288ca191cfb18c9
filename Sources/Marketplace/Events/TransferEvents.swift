/// A complete, verified copy lies on external storage.
public struct ModelExported: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The version's number.
  public var version: Int
  /// The version's creation time.
  public var created: Int64
  /// 1, and one more after each invalidated export.
  public var generation: Int
  /// The export's random id.
  public var exportID: String
  /// The export's folder on external storage.
  public var uri: String
  /// Digest of the manifest's bytes, in hex.
  public var manifestSHA256: String
  /// Digest over the model files' digests: equal for equal model bytes.
  public var modelSHA256: String
  /// Files in the export.
  public var files: Int
  /// Their sizes, summed.
  public var bytes: Int64

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case version
    case created
    case generation
    case exportID = "export_id"
    case uri
    case manifestSHA256 = "manifest_sha256"
    case modelSHA256 = "model_sha256"
    case files
    case bytes
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, version: Int, created: Int64, generation: Int, exportID: String,
    uri: String, manifestSHA256: String, modelSHA256: String, files: Int, bytes: Int64
  ) {
    self.model = model
    self.name = name
    self.version = version
    self.created = created
    self.generation = generation
    self.exportID = exportID
    self.uri = uri
    self.manifestSHA256 = manifestSHA256
    self.modelSHA256 = modelSHA256
    self.files = files
    self.bytes = bytes
  }
}

/// An export or an import did not succeed.
public struct TransferFailed: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The version's number.
  public var version: Int
  /// The version's creation time.
  public var created: Int64
  /// The generation that was tried.
  public var generation: Int
  /// The export, for an import.
  public var exportID: String?
  /// The marketplace registry, for an import.
  public var target: String?
  /// A stable code.
  public var code: String
  /// What happened and what to do.
  public var message: String
  /// Whether trying again unchanged can help.
  public var retriable: Bool

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case version
    case created
    case generation
    case exportID = "export_id"
    case target
    case code
    case message
    case retriable
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, version: Int, created: Int64, generation: Int, exportID: String? = nil,
    target: String? = nil, code: String, message: String, retriable: Bool
  ) {
    self.model = model
    self.name = name
    self.version = version
    self.created = created
    self.generation = generation
    self.exportID = exportID
    self.target = target
    self.code = code
    self.message = message
    self.retriable = retriable
  }
}

/// An export was found rotten or missing.
public struct ExportInvalidated: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The version's number.
  public var version: Int
  /// The version's creation time.
  public var created: Int64
  /// The generation that ends.
  public var generation: Int
  /// The export.
  public var exportID: String
  /// What was found.
  public var reason: String

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case version
    case created
    case generation
    case exportID = "export_id"
    case reason
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, version: Int, created: Int64, generation: Int, exportID: String,
    reason: String
  ) {
    self.model = model
    self.name = name
    self.version = version
    self.created = created
    self.generation = generation
    self.exportID = exportID
    self.reason = reason
  }
}

/// An export is a version in the marketplace registry.
public struct ModelImported: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The version's number at the source.
  public var version: Int
  /// The version's creation time.
  public var created: Int64
  /// 1, and one more after each lost import.
  public var generation: Int
  /// The export it was made from.
  public var exportID: String
  /// The marketplace registry.
  public var target: String
  /// The model's name there.
  public var marketplaceName: String
  /// The version's number there.
  public var marketplaceVersion: Int
  /// The run made for it there.
  public var marketplaceRunID: String?
  /// The manifest every file was checked against.
  public var manifestSHA256: String

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case version
    case created
    case generation
    case exportID = "export_id"
    case target
    case marketplaceName = "marketplace_name"
    case marketplaceVersion = "marketplace_version"
    case marketplaceRunID = "marketplace_run_id"
    case manifestSHA256 = "manifest_sha256"
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, version: Int, created: Int64, generation: Int, exportID: String,
    target: String, marketplaceName: String, marketplaceVersion: Int, marketplaceRunID: String? = nil,
    manifestSHA256: String
  ) {
    self.model = model
    self.name = name
    self.version = version
    self.created = created
    self.generation = generation
    self.exportID = exportID
    self.target = target
    self.marketplaceName = marketplaceName
    self.marketplaceVersion = marketplaceVersion
    self.marketplaceRunID = marketplaceRunID
    self.manifestSHA256 = manifestSHA256
  }
}

/// A marketplace version was found missing.
public struct ImportLost: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The version's number at the source.
  public var version: Int
  /// The version's creation time.
  public var created: Int64
  /// The generation that ends.
  public var generation: Int
  /// The marketplace registry.
  public var target: String
  /// The model's name there.
  public var marketplaceName: String
  /// The version that is missing.
  public var marketplaceVersion: Int
  /// What was found.
  public var reason: String

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case version
    case created
    case generation
    case target
    case marketplaceName = "marketplace_name"
    case marketplaceVersion = "marketplace_version"
    case reason
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, version: Int, created: Int64, generation: Int, target: String,
    marketplaceName: String, marketplaceVersion: Int, reason: String
  ) {
    self.model = model
    self.name = name
    self.version = version
    self.created = created
    self.generation = generation
    self.target = target
    self.marketplaceName = marketplaceName
    self.marketplaceVersion = marketplaceVersion
    self.reason = reason
  }
}
