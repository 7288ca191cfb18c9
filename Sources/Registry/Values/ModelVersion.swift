/// One version of a registered model.
public struct ModelVersion: Sendable, Hashable {
  /// The status of a version that can be used.
  public static let readyStatus = "READY"
  /// The status of one that its registry is still taking in, as a Databricks workspace does after the call.
  public static let pendingStatus = "PENDING_REGISTRATION"
  /// The status of one that its registry could not take in.
  public static let failedStatus = "FAILED_REGISTRATION"

  /// The registered model's name.
  public var name: String
  /// The number, from 1. Numbers of deleted versions are not given again unless the model was created anew.
  public var version: Int
  /// When it was created, milliseconds since 1970.
  public var created: Int64
  /// When it last changed, milliseconds since 1970. Stage and description move it; aliases and tags do not.
  public var lastUpdated: Int64
  /// The stage: None, Staging, Production or Archived.
  public var stage: String
  /// The description; empty when there is none.
  public var description: String
  /// Where its files came from, as its author said: `models:/m-…`, `runs:/…`, `mlflow-artifacts:/…`,
  /// `s3://…`.
  public var source: String
  /// The run behind it; `nil` when there is none, which is normal in MLflow 3.
  public var runID: String?
  /// `READY`, `PENDING_REGISTRATION` or `FAILED_REGISTRATION`.
  public var status: String
  /// Who created it, when the registry says so; open-source MLflow mostly does not.
  public var userID: String?
  /// The tags in the registry's order.
  public var tags: [Tag]
  /// A link to the run elsewhere; empty when there is none.
  public var runLink: String
  /// The aliases that point at it. Always empty in a search's result.
  public var aliases: [String]
  /// The logged model behind it, when the registry says so or the source is `models:/m-…`.
  public var modelID: String?

  /// A version.
  public init(
    name: String, version: Int, created: Int64, lastUpdated: Int64, stage: String = "None",
    description: String = "", source: String = "", runID: String? = nil, status: String = "READY",
    userID: String? = nil, tags: [Tag] = [], runLink: String = "", aliases: [String] = [],
    modelID: String? = nil
  ) {
    self.name = name
    self.version = version
    self.created = created
    self.lastUpdated = lastUpdated
    self.stage = stage
    self.description = description
    self.source = source
    self.runID = runID
    self.status = status
    self.userID = userID
    self.tags = tags
    self.runLink = runLink
    self.aliases = aliases
    self.modelID = modelID
  }
}

/// What a new version is created from.
public struct NewModelVersion: Sendable, Hashable {
  /// The registered model it is added to.
  public var name: String
  /// Where its files are: `models:/m-…` or `mlflow-artifacts:/<experiment>/<run>/artifacts/…`.
  public var source: String
  /// The run behind it.
  public var runID: String?
  /// The logged model behind it; taken from a source `models:/m-…` when `nil`.
  public var modelID: String?
  /// The description.
  public var description: String?
  /// Tags set in the same transaction as the creation.
  public var tags: [Tag]
  /// A link to the run elsewhere.
  public var runLink: String?

  /// A new version.
  public init(
    name: String, source: String, runID: String? = nil, modelID: String? = nil,
    description: String? = nil, tags: [Tag] = [], runLink: String? = nil
  ) {
    self.name = name
    self.source = source
    self.runID = runID
    self.modelID = modelID
    self.description = description
    self.tags = tags
    self.runLink = runLink
  }
}
