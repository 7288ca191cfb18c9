import Foundation
import Marketplace
import Registry
import Storage

/// A logged model in the marketplace that holds one version's files, found by the version's key or made.
struct ImportedLoggedModel: Sendable {
  let registry: any ModelRegistry
  let contents: ExportContents
  /// The version's key.
  let key: Tag
  let experiments: ImportedExperiments
  let run: Run?
  let notes: UploadNotes
  /// Whether what carries this export's id was made from one that was found damaged since.
  let isOutdated: @Sendable (_ exportID: String?) async throws -> Bool
  let progress: @Sendable (Int64) -> Void

  /// Finds what an earlier attempt made, or makes it, and completes it.
  func ensure(_ document: LoggedModelDocument?) async throws -> LoggedModel {
    let known = try await list(in: experiments)
    let model =
      if let found = try await oldest(of: known.ours) { found } else { try await create(document) }
    try await addParams(of: document, to: model)
    let files = contents.files(below: contents.manifest.modelPath)
    try await contents.upload(
      files, to: registry.artifactLocation(of: model), of: registry, notes: notes, progress: progress)
    let ready = try await registry.finalizeLoggedModel(model.id)
    if let run {
      try await registry.linkOutputs(run: run.id, models: [ModelOutput(modelID: model.id)])
      try await addMetrics(to: model, of: run)
    }
    for outdated in known.outdated { try await registry.deleteLoggedModel(outdated.id) }
    return ready
  }

  /// Those with the key; one that was deleted is no longer listed, nor could it be brought back. Those that a damaged
  /// export filled stay until there is another.
  private func list(in experiments: ImportedExperiments) async throws -> (ours: [LoggedModel], outdated: [LoggedModel])
  {
    var (ours, outdated): ([LoggedModel], [LoggedModel]) = ([], [])
    for model in try await registry.loggedModels(inExperiments: experiments.ids, tagged: key) {
      if try await isOutdated(model.tags[OwnTags.exportID]) { outdated.append(model) } else { ours.append(model) }
    }
    return (ours, outdated)
  }

  private func oldest(of found: [LoggedModel]) async throws -> LoggedModel? {
    for double in Self.doubles(in: found) { try await registry.deleteLoggedModel(double.id) }
    return found.first
  }

  /// Of logged models with one key from one export, oldest first, those that are nobody's: a request of a job that was
  /// killed may arrive after its successor has looked, and after it is done.
  static func doubles(in found: [LoggedModel]) -> [LoggedModel] {
    found.dropFirst().filter { $0.status != LoggedModel.readyStatus }
  }

  private func create(_ document: LoggedModelDocument?) async throws -> LoggedModel {
    let home = try await home()
    let made = try await registry.createLoggedModel(
      NewLoggedModel(
        experimentID: home.id, name: document?.name ?? "model", modelType: document?.modelType, sourceRunID: run?.id,
        params: Array(params(of: document).prefix(NewLoggedModel.paramsMax)),
        tags: OwnTags.copied(document?.tags ?? [:]) + [key, Tag(OwnTags.exportID, contents.manifest.exportID)]))
    // Creating is not idempotent: whoever finds an older one with the key takes that and gives up its own.
    let oldest = try await oldest(of: list(in: experiments.with(home)).ours)
    guard let oldest, oldest.id != made.id else { return made }
    try await registry.deleteLoggedModel(made.id)
    return oldest
  }

  /// Beside its run, wherever that lies.
  private func home() async throws -> Experiment {
    if let run, let experiment = experiments.known.first(where: { $0.id == run.experimentID }) { return experiment }
    return try await experiments.home()
  }

  private func params(of document: LoggedModelDocument?) -> [Param] {
    (document?.params ?? [:]).sorted { $0.key < $1.key }.map { Param($0.key.text, $0.value) }
  }

  /// Parameters beyond those that the creating call takes, but for what an interrupted attempt has added already.
  private func addParams(of document: LoggedModelDocument?, to model: LoggedModel) async throws {
    let missing = params(of: document).filter { model.params[$0.key] == nil }
    if !missing.isEmpty { try await registry.logParams(missing, ofLoggedModel: model.id) }
  }

  /// What was measured of the model in the run that was exported with it: a registry keeps a model's metrics under
  /// runs, and other runs are not here.
  private func addMetrics(to model: LoggedModel, of run: Run) async throws {
    var measured = try await contents.loggedModelMetrics()
    // MLflow gives a NaN of a logged model back as 0; the run's own history knows better.
    for key in Set(measured.filter { $0.value == 0 }.map(\.key)) {
      let history = try await registry.metricHistory(run: run.id, key: key)
      for index in measured.indices where measured[index].key == key && measured[index].value == 0 {
        let same = history.filter {
          $0.timestamp == measured[index].timestamp && $0.step == measured[index].step
        }
        if !same.isEmpty, same.allSatisfy(\.value.isNaN) { measured[index].value = .nan }
      }
    }
    if !measured.isEmpty { try await registry.logMetrics(measured, ofLoggedModel: model.id, run: run.id) }
  }
}

extension ExportContents {
  /// `metrics` of `logged_model.json`, as MLflow's own `LoggedModel.to_dictionary()` has them; older exports have none.
  private struct Measured: Decodable {
    struct Content: Decodable { var metrics: [Point]? }

    struct Point: Decodable {
      var key: String
      var value: Double?
      var text: String?
      var timestamp: Int64
      var step: Int64?
      var run_id: String?
    }

    var mlflow: Content
  }

  /// The metrics of the exported logged model that were measured in the exported run.
  func loggedModelMetrics() async throws -> [Metric] {
    guard let model = manifest.loggedModelID, let run = manifest.runID else { return [] }
    let bytes = try await storage.bytes(of: folder.file("\(model)/logged_model.json"))
    return try Self.metrics(in: bytes, of: run)
  }

  /// The same from the bytes of the document.
  static func metrics(in document: [UInt8], of run: String) throws -> [Metric] {
    let points = try JSONDecoder().decode(Measured.self, from: Data(document)).mlflow.metrics ?? []
    return points.filter { $0.run_id == run }.map { point in
      let strange: Double = point.text == "Infinity" ? .infinity : point.text == "-Infinity" ? -.infinity : .nan
      return Metric(
        key: point.key, value: point.value ?? strange, timestamp: point.timestamp, step: point.step ?? 0)
    }
  }
}
