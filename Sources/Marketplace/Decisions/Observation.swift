/// What one reading of a registry found: the input of ``ObserveDecision``.
public struct Observation: Sendable {
  /// When the reading began, in milliseconds since 1970 by our clock.
  public var from: Int64
  /// When it ended.
  public var to: Int64
  /// Every model the registry listed.
  public var models: [ObservedModel]
  /// What direct questions about models and versions missing from the listing were answered.
  public var absences: Set<Absence>

  /// A finished reading.
  public init(from: Int64, to: Int64, models: [ObservedModel], absences: Set<Absence>) {
    self.from = from
    self.to = to
    self.models = models
    self.absences = absences
  }

  /// Something that the registry, asked for it directly, said does not exist. Absence from a listing alone is
  /// never one of these.
  public enum Absence: Hashable, Sendable {
    /// No model bears this name, or the one that does was created at another time.
    case model(ModelKey)
    /// The model has no version of this number, or the one it has was created at another time.
    case version(model: ModelID, number: Int, created: Int64)
    /// The model has no version of this number, though an alias names it.
    case aliased(model: ModelID, number: Int)
  }
}

/// A registered model as a registry listed it.
public struct ObservedModel: Sendable, Hashable {
  /// Its name.
  public var name: String
  /// Its creation time, in milliseconds since 1970.
  public var created: Int64
  /// Its description, if any.
  public var description: String?
  /// Its tags.
  public var tags: [ExactText: String]
  /// Which version each alias names.
  public var aliases: [ExactText: Int]
  /// The versions that were read.
  public var versions: [ObservedVersion]
  /// Whether `versions` are all of them, or only the highest of each stage.
  public var isComplete: Bool

  /// Puts the parts together.
  public init(
    name: String, created: Int64, description: String? = nil, tags: [ExactText: String] = [:],
    aliases: [ExactText: Int] = [:], versions: [ObservedVersion], isComplete: Bool
  ) {
    self.name = name
    self.created = created
    self.description = description
    self.tags = tags
    self.aliases = aliases
    self.versions = versions
    self.isComplete = isComplete
  }
}

/// A model version as a registry listed it.
public struct ObservedVersion: Sendable, Hashable {
  /// Its number.
  public var number: Int
  /// Its creation time, in milliseconds since 1970.
  public var created: Int64
  /// When the source last touched it, in milliseconds since 1970.
  public var lastUpdated: Int64
  /// Its stage.
  public var stage: String
  /// Where the registry says its files are.
  public var source: String?
  /// The run that made it.
  public var runID: String?
  /// The logged model it was made from.
  public var modelID: String?

  /// Puts the parts together.
  public init(
    number: Int, created: Int64, lastUpdated: Int64, stage: String, source: String? = nil,
    runID: String? = nil,
    modelID: String? = nil
  ) {
    self.number = number
    self.created = created
    self.lastUpdated = lastUpdated
    self.stage = stage
    self.source = source
    self.runID = runID
    self.modelID = modelID
  }
}
