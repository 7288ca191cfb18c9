/// A logged model (MLflow 3): the files of a model as an entity of its own, outside any run.
public struct LoggedModel: Sendable, Hashable {
  /// The status of one whose files are all there.
  public static let readyStatus = "LOGGED_MODEL_READY"
  /// The status of one that was created and never finalized.
  public static let pendingStatus = "LOGGED_MODEL_PENDING"

  /// The identifier, `m-…`.
  public var id: String
  /// The experiment it belongs to.
  public var experimentID: String
  /// The name it was logged under.
  public var name: String
  /// When it was created, milliseconds since 1970.
  public var created: Int64
  /// When it last changed, milliseconds since 1970.
  public var lastUpdated: Int64
  /// Where its files are.
  public var artifactURI: String
  /// `LOGGED_MODEL_PENDING`, `LOGGED_MODEL_READY` or `LOGGED_MODEL_UPLOAD_FAILED`.
  public var status: String
  /// What kind of model its author called it; empty when nothing.
  public var modelType: String
  /// The run that made it; `nil` when it was logged outside any.
  public var sourceRunID: String?
  /// Why it has its status, when the registry says so.
  public var statusMessage: String?
  /// The tags in the registry's order. `mlflow.modelVersions` is maintained by the server; do not copy it.
  public var tags: [Tag]
  /// The parameters in the registry's order.
  public var params: [Param]
  /// The metrics in the registry's order. MLflow gives NaN back as 0 here; the run's own are right.
  public var metrics: [ModelMetric]
  /// The answer it was read from, byte for byte (`{"model": …}`); `nil` when it came from a search.
  public var body: [UInt8]?

  /// A logged model.
  public init(
    id: String, experimentID: String, name: String = "", created: Int64 = 0, lastUpdated: Int64 = 0,
    artifactURI: String = "", status: String = Self.pendingStatus, modelType: String = "",
    sourceRunID: String? = nil, tags: [Tag] = [], statusMessage: String? = nil, params: [Param] = [],
    metrics: [ModelMetric] = [], body: [UInt8]? = nil
  ) {
    self.id = id
    self.experimentID = experimentID
    self.name = name
    self.created = created
    self.lastUpdated = lastUpdated
    self.artifactURI = artifactURI
    self.status = status
    self.modelType = modelType
    self.sourceRunID = sourceRunID
    self.tags = tags
    self.statusMessage = statusMessage
    self.params = params
    self.metrics = metrics
    self.body = body
  }
}

/// One value of a metric of a logged model, with what it was measured by.
public struct ModelMetric: Sendable, Hashable {
  /// The value.
  public var metric: Metric
  /// The run that logged it, when the registry says so.
  public var runID: String?
  /// The dataset it was measured on, when the registry says so.
  public var datasetName: String?
  /// That dataset's digest.
  public var datasetDigest: String?

  /// A value.
  public init(_ metric: Metric, runID: String? = nil, datasetName: String? = nil, datasetDigest: String? = nil) {
    self.metric = metric
    self.runID = runID
    self.datasetName = datasetName
    self.datasetDigest = datasetDigest
  }
}

/// What a new logged model is created from.
public struct NewLoggedModel: Sendable, Hashable {
  /// Parameters that a server takes in one call at most, as MLflow's own client has it.
  public static let paramsMax = 100

  /// The experiment it belongs to.
  public var experimentID: String
  /// The name.
  public var name: String
  /// What kind of model it is.
  public var modelType: String?
  /// The run that made it.
  public var sourceRunID: String?
  /// The parameters, at most ``paramsMax``; more are added afterwards.
  public var params: [Param]
  /// Tags set in the same transaction as the creation.
  public var tags: [Tag]

  /// A new logged model.
  public init(
    experimentID: String, name: String, modelType: String? = nil, sourceRunID: String? = nil,
    params: [Param] = [], tags: [Tag] = []
  ) {
    self.experimentID = experimentID
    self.name = name
    self.modelType = modelType
    self.sourceRunID = sourceRunID
    self.params = params
    self.tags = tags
  }
}
