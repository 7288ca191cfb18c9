/// A model registry: where registered models, their versions, and the runs and files behind them live.
///
/// Every call throws ``RegistryError``, or `CancellationError` when its task is cancelled. A listing is whole
/// or it throws; it is never a part. `nil` means that the registry says the thing does not exist, and nothing
/// else: a refusal, an unreachable server or an unreadable answer is an error. Absence from a listing is not
/// absence from the registry, since a principal without permission gets an empty listing.
///
/// Names, keys and identifiers are compared byte by byte: MLflow tells "é" from "e\u{301}", Swift's `String`
/// does not.
public protocol ModelRegistry: Sendable {
  /// What the server is and can do. Asked once and remembered.
  func serverInfo() async throws -> ServerInfo

  /// Requests sent so far, repeated ones included; 0 where nothing is counted.
  var requestCount: Int { get }

  // MARK: Registered models and their versions

  /// Every registered model the principal may see, each once, ordered by name. Prompts are not among them.
  func registeredModels() async throws -> [RegisteredModel]
  /// One registered model, or `nil` when the registry says that it does not exist.
  func registeredModel(named name: String) async throws -> RegisteredModel?
  /// Every version of a model, ascending by number; none when the model does not exist.
  ///
  /// A listed version carries no aliases; those of ``RegisteredModel/aliases`` do.
  func modelVersions(of model: String) async throws -> [ModelVersion]
  /// Every version of every model the principal may see, ascending by name and number, as ``modelVersions(of:)`` gives
  /// them. A registry that lists those of one model only refuses.
  func modelVersions() async throws -> [ModelVersion]
  /// One version with its aliases, or `nil` when the registry says that it does not exist.
  func modelVersion(name: String, version: Int) async throws -> ModelVersion?
  /// Where the registry says the files of a version are, or `nil` when the version does not exist.
  func downloadURI(name: String, version: Int) async throws -> String?

  // MARK: Runs, experiments, logged models

  /// One run, a deleted one too (see ``Run/lifecycleStage``), or `nil` when it does not exist.
  func run(_ id: String) async throws -> Run?
  /// The whole history of one metric of a run, handed over page by page in the registry's order (time, step).
  func metricHistory(run id: String, key: String, page: ([Metric]) async throws -> Void) async throws
  /// One experiment, a deleted one too, or `nil` when it does not exist.
  func experiment(_ id: String) async throws -> Experiment?
  /// The experiment of that name, a deleted one too, or `nil` when there is none.
  func experiment(named name: String) async throws -> Experiment?
  /// One logged model, or `nil` when it does not exist or the registry knows no logged models (MLflow 2).
  func loggedModel(_ id: String) async throws -> LoggedModel?

  // MARK: Artifacts

  /// Where the files of a version are, its source followed to the end.
  func artifactLocation(of version: ModelVersion) async throws -> ArtifactLocation
  /// Where a run's artifacts are.
  func artifactLocation(of run: Run) throws -> ArtifactLocation
  /// Where a logged model's artifacts are.
  func artifactLocation(of model: LoggedModel) throws -> ArtifactLocation
  /// Every file below a location, ascending by path; none when there is nothing.
  ///
  /// Paths that could leave the location are refused with ``RegistryError/Code/hostilePath``, listings beyond
  /// the configured bounds with ``RegistryError/Code/tooLarge``.
  func artifacts(at location: ArtifactLocation) async throws -> [ArtifactFile]
  /// Streams one file, chunk by chunk as it arrives and no faster than `consume` returns, and returns the
  /// number of bytes. Errors of `consume` pass through.
  ///
  /// A large file comes in ranges side by side where the server knows ranges, and a range whose connection
  /// broke is taken up where it broke. Elsewhere calls are repeated only until the first byte came. A body that
  /// ends early all the same is ``RegistryError/Code/incompleteBody``, a file that was replaced meanwhile
  /// ``RegistryError/Code/changed``; both are retriable: throw away what was consumed and download again. A server that states no length and closes can still cut a body short unseen, so compare with
  /// ``ArtifactFile/size``.
  func download(
    _ file: ArtifactFile, from location: ArtifactLocation, consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64
  /// The same from another byte on than the first, for whoever holds the beginning of the file already.
  ///
  /// - Parameter start: is told which state the file is in and says from which byte on it is wanted. It is asked before
  ///   the first byte, and only where the server can begin anywhere and names the state; else the file begins at its
  ///   first byte.
  /// - Returns: the size of the whole file in bytes.
  func download(
    _ file: ArtifactFile, from location: ArtifactLocation, start: (ArtifactState) async throws -> Int64,
    consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64
  /// Writes one file below a location, overwriting what is there.
  ///
  /// - Parameters:
  ///   - path: relative to the location, without `.`, `..` or empty components.
  ///   - length: the exact number of bytes `body` yields.
  ///   - body: called once for every attempt; each call starts at the first byte.
  func upload<Body: AsyncSequence & Sendable>(
    _ path: String, to location: ArtifactLocation, length: Int64,
    body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8]

  // MARK: Writing registered models and versions

  /// Creates a registered model, or returns the one that has the name already, unchanged.
  ///
  /// - Returns: the model, and whether this call is known to have made it. Where an answer was lost and the request
  ///   repeated, it is not.
  func createRegisteredModel(named name: String, description: String?, tags: [Tag]) async throws
    -> (model: RegisteredModel, isNew: Bool)
  /// Sets the description of a registered model.
  func updateRegisteredModel(named name: String, description: String) async throws
  /// Sets one tag of a registered model.
  func setTag(_ tag: Tag, ofModel name: String) async throws
  /// Creates a version. **Not idempotent**: each call adds one; look for a tag of yours before and after.
  func createModelVersion(_ version: NewModelVersion) async throws -> ModelVersion
  /// Sets the description of a version.
  func updateModelVersion(name: String, version: Int, description: String) async throws
  /// Sets one tag of a version.
  func setTag(_ tag: Tag, ofModel name: String, version: Int) async throws
  /// Moves a version to a stage: None, Staging, Production or Archived.
  func transitionStage(
    name: String, version: Int, to stage: String, archiveExistingVersions: Bool
  ) async throws
  /// Points an alias at a version, moving it when it pointed elsewhere.
  func setAlias(_ alias: String, ofModel name: String, version: Int) async throws
  /// Removes an alias; done as well when it was not set.
  func deleteAlias(_ alias: String, ofModel name: String) async throws
  /// Removes a version; done as well when it does not exist.
  func deleteModelVersion(name: String, version: Int) async throws
  /// Every version that carries a tag of exactly this key and value, ascending by name and number.
  func modelVersions(tagged tag: Tag) async throws -> [ModelVersion]

  // MARK: Writing experiments, runs, logged models

  /// Creates an experiment, or returns the one that has the name; a deleted one is restored.
  func createExperiment(named name: String, tags: [Tag]) async throws -> Experiment
  /// Creates a run. **Not idempotent**: each call makes one; look for a tag of yours before and after.
  func createRun(_ run: NewRun) async throws -> Run
  /// Logs metrics, parameters and tags, split into as many calls as the server's limits ask. Idempotent.
  func logBatch(run id: String, metrics: [Metric], params: [Param], tags: [Tag]) async throws
  /// Logs the datasets a run read. Idempotent.
  func logInputs(run id: String, datasets: [DatasetInput]) async throws
  /// Links logged models as outputs of a run; those linked already stay as they are.
  func linkOutputs(run id: String, models: [ModelOutput]) async throws
  /// Sets status, end time or name of a run; what is `nil` stays.
  func updateRun(_ id: String, status: String?, endTime: Int64?, name: String?) async throws
  /// Marks a run deleted; done as well when it is.
  func deleteRun(_ id: String) async throws
  /// Every run of these experiments, deleted ones too, with a tag of exactly this key and value, oldest
  /// first.
  func runs(inExperiments experiments: [String], tagged tag: Tag) async throws -> [Run]
  /// Creates a logged model in status `LOGGED_MODEL_PENDING`. **Not idempotent.** MLflow 3 only.
  func createLoggedModel(_ model: NewLoggedModel) async throws -> LoggedModel
  /// Ends the writing of a logged model: `LOGGED_MODEL_READY` or `LOGGED_MODEL_UPLOAD_FAILED`.
  func finalizeLoggedModel(_ id: String, status: String) async throws -> LoggedModel
  /// Every logged model of these experiments with a tag of exactly this key and value, oldest first; none on
  /// MLflow 2.
  func loggedModels(inExperiments experiments: [String], tagged tag: Tag) async throws -> [LoggedModel]

  // MARK: Finding again, giving up and bringing back what was made

  /// Every run of these experiments whose status is `RUNNING`, without deleted ones, oldest first.
  func unfinishedRuns(inExperiments experiments: [String]) async throws -> [Run]
  /// Every logged model of these experiments that was never finalized, oldest first; none on MLflow 2.
  func unfinishedLoggedModels(inExperiments experiments: [String]) async throws -> [LoggedModel]
  /// Every experiment, deleted ones too, with a tag of exactly this key and value, oldest first.
  func experiments(tagged tag: Tag) async throws -> [Experiment]
  /// Brings a deleted run back; done as well when it was never deleted.
  func restoreRun(_ id: String) async throws
  /// Removes a logged model; done as well when it does not exist.
  func deleteLoggedModel(_ id: String) async throws
  /// Adds parameters to a logged model. **Not idempotent**: one that is there already is refused.
  func logParams(_ params: [Param], ofLoggedModel id: String) async throws
  /// Logs metrics of a logged model under the run in which they were measured. Idempotent.
  func logMetrics(_ metrics: [Metric], ofLoggedModel id: String, run: String) async throws
}

extension ModelRegistry {
  /// From the first byte on, for a registry that cannot do better.
  public func download(
    _ file: ArtifactFile, from location: ArtifactLocation, start: (ArtifactState) async throws -> Int64,
    consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64 {
    try await download(file, from: location, consume: consume)
  }

  /// Nothing is counted.
  public var requestCount: Int { 0 }

  /// The whole history of one metric in memory.
  public func metricHistory(run id: String, key: String) async throws -> [Metric] {
    var all: [Metric] = []
    try await metricHistory(run: id, key: key) { all += $0 }
    return all
  }

  /// Ends the writing of a logged model.
  public func finalizeLoggedModel(_ id: String) async throws -> LoggedModel {
    try await finalizeLoggedModel(id, status: LoggedModel.readyStatus)
  }
}
