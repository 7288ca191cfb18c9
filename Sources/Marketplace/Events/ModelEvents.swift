/// A model version was seen for the first time.
public struct ModelVersionRegistered: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The model's creation time at the source, in milliseconds since 1970.
  public var modelCreated: Int64
  /// The version's number.
  public var version: Int
  /// The version's creation time, in milliseconds since 1970.
  public var created: Int64
  /// Where the source registry says the files are.
  public var source: String?
  /// The run that made it, if any.
  public var runID: String?
  /// The logged model it was made from, where the source says so.
  public var modelID: String?
  /// The last complete observation without it, if any.
  public var notBefore: Int64?
  /// The observation that saw it.
  public var notAfter: Int64

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case modelCreated = "model_created"
    case version
    case created
    case source
    case runID = "run_id"
    case modelID = "model_id"
    case notBefore = "not_before"
    case notAfter = "not_after"
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, modelCreated: Int64, version: Int, created: Int64, source: String? = nil,
    runID: String? = nil, modelID: String? = nil, notBefore: Int64? = nil, notAfter: Int64
  ) {
    self.model = model
    self.name = name
    self.modelCreated = modelCreated
    self.version = version
    self.created = created
    self.source = source
    self.runID = runID
    self.modelID = modelID
    self.notBefore = notBefore
    self.notAfter = notAfter
  }
}

/// A model version does not exist any more.
public struct ModelVersionDeleted: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The version's number.
  public var version: Int
  /// The version's creation time.
  public var created: Int64
  /// The last complete observation with it.
  public var notBefore: Int64?
  /// The observation that missed it.
  public var notAfter: Int64

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case version
    case created
    case notBefore = "not_before"
    case notAfter = "not_after"
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, version: Int, created: Int64, notBefore: Int64? = nil, notAfter: Int64
  ) {
    self.model = model
    self.name = name
    self.version = version
    self.created = created
    self.notBefore = notBefore
    self.notAfter = notAfter
  }
}

/// A model has another name.
public struct ModelRenamed: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The name before.
  public var from: String
  /// The name now.
  public var to: String
  /// The last complete observation under the old name.
  public var notBefore: Int64?
  /// The observation under the new one.
  public var notAfter: Int64

  private enum CodingKeys: String, CodingKey {
    case model
    case from
    case to
    case notBefore = "not_before"
    case notAfter = "not_after"
  }

  /// Puts the fields together.
  public init(
    model: String, from: String, to: String, notBefore: Int64? = nil, notAfter: Int64
  ) {
    self.model = model
    self.from = from
    self.to = to
    self.notBefore = notBefore
    self.notAfter = notAfter
  }
}

/// A version is in another stage. The source does not say when or who: two observations bracket it.
public struct StageTransitioned: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The version's number.
  public var version: Int
  /// The version's creation time.
  public var created: Int64
  /// The stage before.
  public var from: String
  /// The stage now.
  public var to: String
  /// The last complete observation in the old stage.
  public var notBefore: Int64?
  /// The observation in the new one.
  public var notAfter: Int64
  /// When the source last touched the version: a hint.
  public var sourceTime: Int64?

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case version
    case created
    case from
    case to
    case notBefore = "not_before"
    case notAfter = "not_after"
    case sourceTime = "source_time"
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, version: Int, created: Int64, from: String, to: String,
    notBefore: Int64? = nil, notAfter: Int64, sourceTime: Int64? = nil
  ) {
    self.model = model
    self.name = name
    self.version = version
    self.created = created
    self.from = from
    self.to = to
    self.notBefore = notBefore
    self.notAfter = notAfter
    self.sourceTime = sourceTime
  }
}

/// An alias names another version.
public struct AliasAssigned: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The alias.
  public var alias: String
  /// The version it names.
  public var version: Int
  /// That version's creation time.
  public var created: Int64
  /// The version it named before, if any.
  public var from: Int?
  /// The last complete observation before.
  public var notBefore: Int64?
  /// The observation that saw it.
  public var notAfter: Int64

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case alias
    case version
    case created
    case from
    case notBefore = "not_before"
    case notAfter = "not_after"
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, alias: String, version: Int, created: Int64, from: Int? = nil,
    notBefore: Int64? = nil, notAfter: Int64
  ) {
    self.model = model
    self.name = name
    self.alias = alias
    self.version = version
    self.created = created
    self.from = from
    self.notBefore = notBefore
    self.notAfter = notAfter
  }
}

/// An alias is gone.
public struct AliasRemoved: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The alias.
  public var alias: String
  /// The version it named.
  public var version: Int
  /// The last complete observation with it.
  public var notBefore: Int64?
  /// The observation without it.
  public var notAfter: Int64

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case alias
    case version
    case notBefore = "not_before"
    case notAfter = "not_after"
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, alias: String, version: Int, notBefore: Int64? = nil, notAfter: Int64
  ) {
    self.model = model
    self.name = name
    self.alias = alias
    self.version = version
    self.notBefore = notBefore
    self.notAfter = notAfter
  }
}
