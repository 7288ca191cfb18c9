import Registry

extension SimulatedRegistry {
  /// A process that has made a version or moved it to a stage dies so often before it can say so.
  private static let diesAfterVersionOnceIn = 15

  // MARK: Writing registered models and versions

  func createRegisteredModel(named name: String, description: String?, tags: [Tag]) async throws
    -> (model: RegisteredModel, isNew: Bool)
  {
    try await write("create a model") {
      let isNew = state.createModel(name, description: description ?? "", tags: tags, at: now)
      return (state.shown(try model(name)), isNew)
    }
  }

  func updateRegisteredModel(named name: String, description: String) async throws {
    try await write("describe a model") {
      _ = try model(name)
      state.change(name) {
        $0.description = description
        $0.lastUpdated = now
      }
    }
  }

  func setTag(_ tag: Tag, ofModel name: String) async throws {
    try await write("tag a model") {
      _ = try model(name)
      state.change(name) { $0.tags = $0.tags.filter { $0.key != tag.key } + [tag] }
    }
  }

  /// Not idempotent.
  func createModelVersion(_ version: NewModelVersion) async throws -> ModelVersion {
    try await write("create a version", mayBeLate: true, by: \.cellar) {
      let made = state.createVersion(
        of: version.name, source: version.source, runID: version.runID, description: version.description ?? "",
        tags: version.tags, at: now)
      guard let made else { throw absent("model \(version.name)") }
      guard !process.isDead else { return made }
      try process.mayDie(onceIn: Self.diesAfterVersionOnceIn)
      return made
    }
  }

  func updateModelVersion(name: String, version: Int, description: String) async throws {
    try await write("describe a version") {
      state.change(name) {
        $0.versions[version]?.description = description
        $0.versions[version]?.lastUpdated = now
      }
    }
  }

  func setTag(_ tag: Tag, ofModel name: String, version: Int) async throws {
    try await write("tag a version") {
      guard try model(name).versions[version] != nil else { throw absent("version \(version) of \(name)") }
      state.change(name) { model in
        let others = model.versions[version]?.tags.filter { $0.key != tag.key } ?? []
        model.versions[version]?.tags = others + [tag]
      }
    }
  }

  func transitionStage(name: String, version: Int, to stage: String, archiveExistingVersions: Bool) async throws {
    try await write("transition a stage") {
      touch(name)
      guard state.transition(name, version, to: stage, archives: archiveExistingVersions, at: now) else {
        throw absent("version \(version) of \(name)")
      }
      try process.mayDie(onceIn: Self.diesAfterVersionOnceIn)
    }
  }

  func setAlias(_ alias: String, ofModel name: String, version: Int) async throws {
    try await write("set an alias") {
      touch(name)
      guard try model(name).versions[version] != nil else { throw absent("version \(version) of \(name)") }
      state.change(name) { $0.aliases[alias] = version }
    }
  }

  func deleteAlias(_ alias: String, ofModel name: String) async throws {
    try await write("delete an alias") {
      touch(name)
      // Real servers refuse it for a model that is not there; the client takes that for done.
      state.change(name) { $0.aliases[alias] = nil }
    }
  }

  func deleteModelVersion(name: String, version: Int) async throws {
    try await write("delete a version") {
      touch(name)
      GuardChecker(process: process).deletes("\(name) v\(version)")
      state.deleteVersion(name, version, at: now)
    }
  }

  /// What of a model is promoted may be another now, and the log does not know it yet.
  private func touch(_ name: String) {
    guard state === process.world.marketplace else { return }
    process.world.touched[ByteName(name), default: [:]][process.run] = process
    process.world.promoting = ByteName(name)
  }

  // MARK: Writing experiments, runs, logged models

  func createExperiment(named name: String, tags: [Tag]) async throws -> Experiment {
    try await write("create an experiment") {
      if var known = state.experiments.values.first(where: { $0.name == name }) {
        known.lifecycleStage = "active"
        state.experiments[known.id] = known
        return known
      }
      let id = String(state.experiments.count)
      let made = Experiment(id: id, name: name, artifactLocation: "mlflow-artifacts:/\(id)", created: now, tags: tags)
      state.experiments[id] = made
      return made
    }
  }

  /// Not idempotent.
  func createRun(_ run: NewRun) async throws -> Run {
    try await write("create a run", mayBeLate: true) {
      guard state.experiments[run.experimentID]?.isDeleted == false else {
        throw refused("the experiment is not active")
      }
      let id = state.freshID()
      let made = Run(
        id: id, experimentID: run.experimentID, name: run.name ?? "", userID: run.userID ?? "",
        startTime: run.startTime ?? now, artifactURI: "mlflow-artifacts:/\(run.experimentID)/\(id)/artifacts",
        tags: run.tags)
      state.runs[id] = made
      return made
    }
  }

  private func changeRun(_ id: String, _ work: (inout Run) -> Void) throws {
    guard var run = state.runs[id] else { throw absent("run \(id)") }
    let wasDeleted = run.isDeleted
    work(&run)
    // A deleted run takes nothing but its restoration.
    if wasDeleted, run.isDeleted { throw refused("the run is not active") }
    state.runs[id] = run
  }

  private func refused(_ message: String) -> RegistryError {
    RegistryError(.refused, operation: "writing", message: message)
  }

  func logBatch(run id: String, metrics: [Metric], params: [Param], tags: [Tag]) async throws {
    try await write("log a batch") {
      try changeRun(id) { run in
        for param in params where run.params[param.key] == nil { run.params.append(param) }
        for tag in tags { run.tags = run.tags.filter { $0.key != tag.key } + [tag] }
        let known = Set(state.histories[id] ?? [])
        state.histories[id, default: []] += metrics.filter { !known.contains($0) }
        for metric in Dictionary(metrics.map { ($0.key, $0) }, uniquingKeysWith: { $1 }).values {
          run.metrics = run.metrics.filter { $0.key != metric.key } + [metric]
        }
      }
    }
  }

  func logInputs(run id: String, datasets: [DatasetInput]) async throws {
    try await write("log inputs") { try changeRun(id) { $0.datasetInputs = datasets } }
  }

  func linkOutputs(run id: String, models: [ModelOutput]) async throws {
    try await write("link outputs") {
      try changeRun(id) { run in run.modelOutputs += models.filter { !run.modelOutputs.contains($0) } }
    }
  }

  func updateRun(_ id: String, status: String?, endTime: Int64?, name: String?) async throws {
    try await write("update a run") {
      try changeRun(id) { run in
        run.status = status ?? run.status
        run.endTime = endTime ?? run.endTime
        run.name = name ?? run.name
      }
    }
  }

  func deleteRun(_ id: String) async throws {
    try await write("delete a run") {
      guard state.runs[id] != nil else { throw absent("run \(id)") }
      state.runs[id]?.lifecycleStage = "deleted"
    }
  }

  func runs(inExperiments experiments: [String], tagged tag: Tag) async throws -> [Run] {
    try await read("search runs") {
      let found = state.runs.values.filter {
        experiments.contains($0.experimentID) && $0.tags[tag.key] == tag.value
      }.sorted { $0.id < $1.id }
      LateChecker(world: process.world).listed(found.map(\.id), by: process)
      return found
    }
  }

  /// Not idempotent.
  func createLoggedModel(_ model: NewLoggedModel) async throws -> LoggedModel {
    try await write("create a logged model", mayBeLate: true) {
      guard model.params.count <= NewLoggedModel.paramsMax else { throw refused("too many parameters at once") }
      let id = "m-\(state.freshID())"
      let made = LoggedModel(
        id: id, experimentID: model.experimentID, name: model.name, created: now, lastUpdated: now,
        artifactURI: "mlflow-artifacts:/\(model.experimentID)/models/\(id)/artifacts", modelType: model.modelType ?? "",
        sourceRunID: model.sourceRunID, tags: model.tags, params: model.params)
      state.loggedModels[id] = made
      return made
    }
  }

  func finalizeLoggedModel(_ id: String, status: String) async throws -> LoggedModel {
    try await write("finalize a logged model") {
      guard var model = state.loggedModels[id] else { throw absent("logged model \(id)") }
      model.status = status
      state.loggedModels[id] = model
      return model
    }
  }

  func loggedModels(inExperiments experiments: [String], tagged tag: Tag) async throws -> [LoggedModel] {
    try await read("search logged models") {
      let found = state.loggedModels.values.filter {
        experiments.contains($0.experimentID) && $0.tags[tag.key] == tag.value
      }.sorted { $0.id < $1.id }
      LateChecker(world: process.world).listed(found.map(\.id), by: process)
      GuardChecker(process: process).listed(found.map { ($0.id, $0.tags) }, by: tag)
      return found
    }
  }

  // MARK: Finding again, giving up and bringing back

  func unfinishedRuns(inExperiments experiments: [String]) async throws -> [Run] {
    try await read("search unfinished runs") {
      state.runs.values.filter {
        experiments.contains($0.experimentID) && $0.status == Run.runningStatus && !$0.isDeleted
      }.sorted { $0.id < $1.id }
    }
  }

  func unfinishedLoggedModels(inExperiments experiments: [String]) async throws -> [LoggedModel] {
    try await read("search unfinished logged models") {
      state.loggedModels.values.filter {
        experiments.contains($0.experimentID) && $0.status == LoggedModel.pendingStatus
      }.sorted { $0.id < $1.id }
    }
  }

  func experiments(tagged tag: Tag) async throws -> [Experiment] {
    try await read("search experiments") {
      state.experiments.values.filter { $0.tags[tag.key] == tag.value }.sorted { $0.id < $1.id }
    }
  }

  func restoreRun(_ id: String) async throws {
    try await write("restore a run") { try changeRun(id) { $0.lifecycleStage = "active" } }
  }

  func deleteLoggedModel(_ id: String) async throws {
    try await write("delete a logged model") {
      GuardChecker(process: process).deletes(id)
      state.loggedModels[id] = nil
    }
  }

  /// Not idempotent.
  func logParams(_ params: [Param], ofLoggedModel id: String) async throws {
    try await write("log parameters of a logged model") {
      guard var model = state.loggedModels[id] else { throw absent("logged model \(id)") }
      guard params.allSatisfy({ model.params[$0.key] == nil }) else {
        throw RegistryError(.refused, operation: "logging parameters", message: "a parameter is there already")
      }
      model.params += params
      state.loggedModels[id] = model
    }
  }

  func logMetrics(_ metrics: [Metric], ofLoggedModel id: String, run: String) async throws {
    try await write("log metrics of a logged model") {
      guard var model = state.loggedModels[id] else { throw absent("logged model \(id)") }
      let fresh = metrics.map { ModelMetric($0, runID: run) }
      model.metrics += fresh.filter { !model.metrics.contains($0) }
      state.loggedModels[id] = model
    }
  }
}
