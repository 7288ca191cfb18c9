/// One run of an experiment.
public struct Run: Sendable, Hashable {
  /// The status of one that was created and never ended.
  public static let runningStatus = "RUNNING"

  /// The identifier.
  public var id: String
  /// The experiment it belongs to.
  public var experimentID: String
  /// The name; empty when there is none.
  public var name: String
  /// Who ran it; empty when unknown.
  public var userID: String
  /// `RUNNING`, `SCHEDULED`, `FINISHED`, `FAILED` or `KILLED`.
  public var status: String
  /// When it started, milliseconds since 1970.
  public var startTime: Int64?
  /// When it ended, milliseconds since 1970; `nil` while it runs.
  public var endTime: Int64?
  /// Where its artifacts are.
  public var artifactURI: String
  /// `active` or `deleted`.
  public var lifecycleStage: String
  /// The parameters in the registry's order.
  public var params: [Param]
  /// The last value of each metric; the history is another question.
  public var metrics: [Metric]
  /// The tags in the registry's order.
  public var tags: [Tag]
  /// The datasets it read.
  public var datasetInputs: [DatasetInput]
  /// The logged models it made (MLflow 3).
  public var modelOutputs: [ModelOutput]
  /// The answer it was read from, byte for byte (`{"run": …}`); `nil` when it came from a search.
  public var body: [UInt8]?

  /// Whether it has been marked deleted.
  public var isDeleted: Bool { lifecycleStage == "deleted" }

  /// A run.
  public init(
    id: String, experimentID: String, name: String = "", userID: String = "", status: String = Self.runningStatus,
    startTime: Int64? = nil, endTime: Int64? = nil, artifactURI: String = "",
    lifecycleStage: String = "active", params: [Param] = [], metrics: [Metric] = [], tags: [Tag] = [],
    datasetInputs: [DatasetInput] = [], modelOutputs: [ModelOutput] = [], body: [UInt8]? = nil
  ) {
    self.id = id
    self.experimentID = experimentID
    self.name = name
    self.userID = userID
    self.status = status
    self.startTime = startTime
    self.endTime = endTime
    self.artifactURI = artifactURI
    self.lifecycleStage = lifecycleStage
    self.params = params
    self.metrics = metrics
    self.tags = tags
    self.datasetInputs = datasetInputs
    self.modelOutputs = modelOutputs
    self.body = body
  }
}

/// A dataset a run read.
public struct DatasetInput: Sendable, Hashable {
  /// The dataset's name.
  public var name: String
  /// Its digest, as the client computed it.
  public var digest: String
  /// What kind of source it came from.
  public var sourceType: String
  /// The source, mostly JSON text.
  public var source: String
  /// The schema as JSON text, when known.
  public var schema: String?
  /// The profile as JSON text, when known.
  public var profile: String?
  /// Tags of the use, `mlflow.data.context` among them.
  public var tags: [Tag]

  /// A dataset.
  public init(
    name: String, digest: String, sourceType: String, source: String, schema: String? = nil,
    profile: String? = nil, tags: [Tag] = []
  ) {
    self.name = name
    self.digest = digest
    self.sourceType = sourceType
    self.source = source
    self.schema = schema
    self.profile = profile
    self.tags = tags
  }
}

/// A logged model a run made.
public struct ModelOutput: Sendable, Hashable, Codable {
  /// The logged model's identifier.
  public var modelID: String
  /// The step it was made at.
  public var step: Int64

  /// An output.
  public init(modelID: String, step: Int64 = 0) {
    self.modelID = modelID
    self.step = step
  }
}

/// What a new run is created from.
public struct NewRun: Sendable, Hashable {
  /// The experiment it belongs to.
  public var experimentID: String
  /// The name.
  public var name: String?
  /// Who ran it.
  public var userID: String?
  /// When it started, milliseconds since 1970; the original's, for a copy.
  public var startTime: Int64?
  /// Tags set in the same transaction as the creation.
  public var tags: [Tag]

  /// A new run.
  public init(
    experimentID: String, name: String? = nil, userID: String? = nil, startTime: Int64? = nil,
    tags: [Tag] = []
  ) {
    self.experimentID = experimentID
    self.name = name
    self.userID = userID
    self.startTime = startTime
    self.tags = tags
  }
}
