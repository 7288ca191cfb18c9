import Registry
import Synchronization

/// A registry with a test in between: every call is counted by its name, and may be made to fail before it reaches
/// the server or after the server has done it.
final class InterposedRegistry: ModelRegistry {
  /// The calls, named as the protocol names them.
  enum Call: String, Hashable, CaseIterable {
    case serverInfo, registeredModels, registeredModel, modelVersions, allModelVersions, modelVersion, downloadURI
    case run, metricHistory, experiment, experimentNamed, loggedModel, artifactLocation, artifacts
    case download, upload
    case createRegisteredModel, updateRegisteredModel, setModelTag, createModelVersion, updateModelVersion
    case setVersionTag, transitionStage, setAlias, deleteAlias, deleteModelVersion, versionsTagged
    case createExperiment, createRun, logBatch, logInputs, linkOutputs, updateRun, deleteRun, runsTagged
    case createLoggedModel, finalizeLoggedModel, loggedModelsTagged
    case unfinishedRuns, unfinishedLoggedModels
    case experimentsTagged, restoreRun, deleteLoggedModel, logModelParams, logModelMetrics

    /// Whether the call changes something on the server.
    var isWrite: Bool {
      switch self {
      case .upload, .createRegisteredModel, .updateRegisteredModel, .setModelTag, .createModelVersion,
        .updateModelVersion, .setVersionTag, .transitionStage, .setAlias, .deleteAlias, .deleteModelVersion,
        .createExperiment, .createRun, .logBatch, .logInputs, .linkOutputs, .updateRun, .deleteRun,
        .createLoggedModel, .finalizeLoggedModel, .restoreRun, .deleteLoggedModel, .logModelParams,
        .logModelMetrics:
        true
      default: false
      }
    }
  }

  /// Where a call stands when the test hears of it.
  enum Moment: Hashable {
    /// The server knows nothing of it yet.
    case before
    /// The server has done it; whoever called does not know yet.
    case after
  }

  /// What a test does about a call: nothing, or throw. The number counts calls of that name from 1.
  typealias Script = @Sendable (Call, Moment, _ number: Int) async throws -> Void

  private struct Memory {
    var counts: [Call: Int] = [:]
    var files: [String] = []
    var script: Script = { _, _, _ in }
    var history: History?
    var listener: Listener?
  }

  /// A history that the server does not have: page after page, from 0, until one is empty.
  typealias History = @Sendable (_ key: String, _ page: Int) -> [Metric]

  /// Hears of metrics that are logged, in place of the server.
  typealias Listener = @Sendable ([Metric]) -> Void

  let base: any ModelRegistry
  private let memory = Mutex(Memory())

  init(_ base: any ModelRegistry, script: @escaping Script = { _, _, _ in }) {
    self.base = base
    memory.withLock { $0.script = script }
  }

  /// Begins to count anew, from now on with this script.
  func restart(script: @escaping Script = { _, _, _ in }) {
    memory.withLock { $0 = Memory(script: script) }
  }

  /// From now on gives these histories in place of the server's.
  func invent(_ history: @escaping History) { memory.withLock { $0.history = history } }

  /// From now on tells of metrics instead of logging them.
  func listen(_ listener: @escaping Listener) { memory.withLock { $0.listener = listener } }

  /// How often a call was made.
  func count(_ call: Call) -> Int { memory.withLock { $0.counts[call] ?? 0 } }

  /// Every call that was made, with how often.
  var counts: [Call: Int] { memory.withLock { $0.counts } }

  /// Calls that write.
  var writes: Int { counts.filter { $0.key.isWrite }.reduce(0) { $0 + $1.value } }

  /// Paths of the files that were asked for, in the order of the asking.
  var downloads: [String] { memory.withLock { $0.files } }

  private func through<T>(_ call: Call, _ work: () async throws -> T) async throws -> T {
    let (script, number) = memory.withLock { memory in
      memory.counts[call, default: 0] += 1
      return (memory.script, memory.counts[call] ?? 0)
    }
    try await script(call, .before, number)
    let result = try await work()
    try await script(call, .after, number)
    return result
  }

  var requestCount: Int { base.requestCount }

  // MARK: Reading

  func serverInfo() async throws -> ServerInfo { try await through(.serverInfo) { try await base.serverInfo() } }

  func registeredModels() async throws -> [RegisteredModel] {
    try await through(.registeredModels) { try await base.registeredModels() }
  }

  func registeredModel(named name: String) async throws -> RegisteredModel? {
    try await through(.registeredModel) { try await base.registeredModel(named: name) }
  }

  func modelVersions(of model: String) async throws -> [ModelVersion] {
    try await through(.modelVersions) { try await base.modelVersions(of: model) }
  }

  func modelVersions() async throws -> [ModelVersion] {
    try await through(.allModelVersions) { try await base.modelVersions() }
  }

  func modelVersion(name: String, version: Int) async throws -> ModelVersion? {
    try await through(.modelVersion) { try await base.modelVersion(name: name, version: version) }
  }

  func downloadURI(name: String, version: Int) async throws -> String? {
    try await through(.downloadURI) { try await base.downloadURI(name: name, version: version) }
  }

  func run(_ id: String) async throws -> Run? { try await through(.run) { try await base.run(id) } }

  func metricHistory(run id: String, key: String, page: ([Metric]) async throws -> Void) async throws {
    try await through(.metricHistory) {
      guard let history = memory.withLock({ $0.history }) else {
        return try await base.metricHistory(run: id, key: key, page: page)
      }
      for number in 0... {
        let points = history(key, number)
        guard !points.isEmpty else { return }
        try await page(points)
      }
    }
  }

  func experiment(_ id: String) async throws -> Experiment? {
    try await through(.experiment) { try await base.experiment(id) }
  }

  func experiment(named name: String) async throws -> Experiment? {
    try await through(.experimentNamed) { try await base.experiment(named: name) }
  }

  func loggedModel(_ id: String) async throws -> LoggedModel? {
    try await through(.loggedModel) { try await base.loggedModel(id) }
  }

  func artifactLocation(of version: ModelVersion) async throws -> ArtifactLocation {
    try await through(.artifactLocation) { try await base.artifactLocation(of: version) }
  }

  func artifactLocation(of run: Run) throws -> ArtifactLocation { try base.artifactLocation(of: run) }

  func artifactLocation(of model: LoggedModel) throws -> ArtifactLocation { try base.artifactLocation(of: model) }

  func artifacts(at location: ArtifactLocation) async throws -> [ArtifactFile] {
    try await through(.artifacts) { try await base.artifacts(at: location) }
  }

  func download(
    _ file: ArtifactFile, from location: ArtifactLocation, consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64 {
    memory.withLock { $0.files.append(file.path) }
    return try await through(.download) { try await base.download(file, from: location, consume: consume) }
  }

  // MARK: Writing registered models and versions

  func upload<Body: AsyncSequence & Sendable>(
    _ path: String, to location: ArtifactLocation, length: Int64,
    body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    try await through(.upload) { try await base.upload(path, to: location, length: length, body: body) }
  }

  func createRegisteredModel(named name: String, description: String?, tags: [Tag]) async throws
    -> (model: RegisteredModel, isNew: Bool)
  {
    try await through(.createRegisteredModel) {
      try await base.createRegisteredModel(named: name, description: description, tags: tags)
    }
  }

  func updateRegisteredModel(named name: String, description: String) async throws {
    try await through(.updateRegisteredModel) {
      try await base.updateRegisteredModel(named: name, description: description)
    }
  }

  func setTag(_ tag: Tag, ofModel name: String) async throws {
    try await through(.setModelTag) { try await base.setTag(tag, ofModel: name) }
  }

  func createModelVersion(_ version: NewModelVersion) async throws -> ModelVersion {
    try await through(.createModelVersion) { try await base.createModelVersion(version) }
  }

  func updateModelVersion(name: String, version: Int, description: String) async throws {
    try await through(.updateModelVersion) {
      try await base.updateModelVersion(name: name, version: version, description: description)
    }
  }

  func setTag(_ tag: Tag, ofModel name: String, version: Int) async throws {
    try await through(.setVersionTag) { try await base.setTag(tag, ofModel: name, version: version) }
  }

  func transitionStage(
    name: String, version: Int, to stage: String, archiveExistingVersions: Bool
  ) async throws {
    try await through(.transitionStage) {
      try await base.transitionStage(
        name: name, version: version, to: stage, archiveExistingVersions: archiveExistingVersions)
    }
  }

  func setAlias(_ alias: String, ofModel name: String, version: Int) async throws {
    try await through(.setAlias) { try await base.setAlias(alias, ofModel: name, version: version) }
  }

  func deleteAlias(_ alias: String, ofModel name: String) async throws {
    try await through(.deleteAlias) { try await base.deleteAlias(alias, ofModel: name) }
  }

  func deleteModelVersion(name: String, version: Int) async throws {
    try await through(.deleteModelVersion) { try await base.deleteModelVersion(name: name, version: version) }
  }

  func modelVersions(tagged tag: Tag) async throws -> [ModelVersion] {
    try await through(.versionsTagged) { try await base.modelVersions(tagged: tag) }
  }

  // MARK: Writing experiments, runs, logged models

  func createExperiment(named name: String, tags: [Tag]) async throws -> Experiment {
    try await through(.createExperiment) { try await base.createExperiment(named: name, tags: tags) }
  }

  func createRun(_ run: NewRun) async throws -> Run {
    try await through(.createRun) { try await base.createRun(run) }
  }

  func logBatch(run id: String, metrics: [Metric], params: [Param], tags: [Tag]) async throws {
    try await through(.logBatch) {
      let listener = memory.withLock { $0.listener }
      listener?(metrics)
      try await base.logBatch(run: id, metrics: listener == nil ? metrics : [], params: params, tags: tags)
    }
  }

  func logInputs(run id: String, datasets: [DatasetInput]) async throws {
    try await through(.logInputs) { try await base.logInputs(run: id, datasets: datasets) }
  }

  func linkOutputs(run id: String, models: [ModelOutput]) async throws {
    try await through(.linkOutputs) { try await base.linkOutputs(run: id, models: models) }
  }

  func updateRun(_ id: String, status: String?, endTime: Int64?, name: String?) async throws {
    try await through(.updateRun) { try await base.updateRun(id, status: status, endTime: endTime, name: name) }
  }

  func deleteRun(_ id: String) async throws { try await through(.deleteRun) { try await base.deleteRun(id) } }

  func runs(inExperiments experiments: [String], tagged tag: Tag) async throws -> [Run] {
    try await through(.runsTagged) { try await base.runs(inExperiments: experiments, tagged: tag) }
  }

  func createLoggedModel(_ model: NewLoggedModel) async throws -> LoggedModel {
    try await through(.createLoggedModel) { try await base.createLoggedModel(model) }
  }

  func finalizeLoggedModel(_ id: String, status: String) async throws -> LoggedModel {
    try await through(.finalizeLoggedModel) { try await base.finalizeLoggedModel(id, status: status) }
  }

  func loggedModels(inExperiments experiments: [String], tagged tag: Tag) async throws -> [LoggedModel] {
    try await through(.loggedModelsTagged) { try await base.loggedModels(inExperiments: experiments, tagged: tag) }
  }

  func unfinishedRuns(inExperiments experiments: [String]) async throws -> [Run] {
    try await through(.unfinishedRuns) { try await base.unfinishedRuns(inExperiments: experiments) }
  }

  func unfinishedLoggedModels(inExperiments experiments: [String]) async throws -> [LoggedModel] {
    try await through(.unfinishedLoggedModels) { try await base.unfinishedLoggedModels(inExperiments: experiments) }
  }

  func experiments(tagged tag: Tag) async throws -> [Experiment] {
    try await through(.experimentsTagged) { try await base.experiments(tagged: tag) }
  }

  func restoreRun(_ id: String) async throws { try await through(.restoreRun) { try await base.restoreRun(id) } }

  func deleteLoggedModel(_ id: String) async throws {
    try await through(.deleteLoggedModel) { try await base.deleteLoggedModel(id) }
  }

  func logParams(_ params: [Param], ofLoggedModel id: String) async throws {
    try await through(.logModelParams) { try await base.logParams(params, ofLoggedModel: id) }
  }

  func logMetrics(_ metrics: [Metric], ofLoggedModel id: String, run: String) async throws {
    try await through(.logModelMetrics) { try await base.logMetrics(metrics, ofLoggedModel: id, run: run) }
  }
}
