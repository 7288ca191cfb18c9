import Foundation
import Marketplace
import Registry

/// What each live import holds in the marketplace, compared with the documents of the export that it was made from.
struct ContentChecker {
  let world: World

  func check() {
    for site in world.sources where site.isConfigured {
      guard let log = world.checker.workspaces[site.id.text] else { continue }
      for (id, model) in log.models.sorted(by: { $0.key < $1.key }) {
        for (key, version) in model.versions {
          guard let live = version.live, let name = model.marketplaceName else { continue }
          let place = Place(
            workspace: site.id.text, key: "\(site.id)/\(id)/\(key.number)/\(key.created)/\(live.generation)",
            name: name,
            live: live)
          check(place, folder: log.folders[live.export] ?? "")
        }
      }
    }
  }

  private struct Place {
    var workspace: String
    var key: String
    var name: String
    var live: LogChecker.Import
    var text: String { "\(name) v\(live.number)" }
  }

  private func check(_ place: Place, folder: String) {
    guard let model = world.marketplace.models[ByteName(place.name)], let made = model.versions[place.live.number],
      made.tags["marketplace.source_key"] == place.key, let manifest = object("\(folder)/manifest.json"),
      let document = mlflow("\(folder)/model.json")?["registered_model"] as? [String: Any],
      let source = (document["versions"] as? [[String: Any]])?.first
    else { return }
    checkVersion(place, made, source)
    let run = manifest["run_id"] as? String
    if let run, let exported = mlflow("\(folder)/\(run)/run.json") {
      checkRun(place, exported, run)
      checkArtifacts(place, manifest, run)
    }
    if run == nil, let id = place.live.run, !made.source.hasPrefix("models:/") {
      violated("\(place.text) has run \(id) of nobody")
    }
    if made.source.hasPrefix("models:/") {
      checkLoggedModel(place, made, manifest, folder)
    } else if world.marketplace.major >= 3, made.source.contains("/model-\(place.live.export)") {
      violated("\(place.text) lies in a run, and the server has logged models")
    }
  }

  private func checkVersion(_ place: Place, _ made: ModelVersion, _ source: [String: Any]) {
    if made.description != source["description"] as? String { violated("\(place.text) is described otherwise") }
    var expected = Self.foreign(source["tags"])
    expected["marketplace.source_key"] = place.key
    expected["marketplace.export_id"] = place.live.export
    expected["marketplace.source.workspace"] = place.workspace
    expected["marketplace.source.model"] = source["name"] as? String ?? ""
    expected["marketplace.source.version"] = source["version"] as? String ?? ""
    if Self.dictionary(made.tags) != expected { violated("\(place.text) has tags \(made.tags)") }
  }

  /// Tags but for those of ours and of the server.
  private static func foreign(_ tags: Any?) -> [String: String] {
    (tags as? [String: String] ?? [:]).filter {
      !$0.key.hasPrefix("marketplace.") && $0.key != "mlflow.modelVersions" && $0.key != "mlflow.user.deprecated"
    }
  }

  private static func dictionary(_ tags: [Tag]) -> [String: String] {
    Dictionary(tags.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
  }

  private func checkRun(_ place: Place, _ exported: [String: Any], _ id: String) {
    guard let info = exported["info"] as? [String: Any] else { return }
    guard let run = place.live.run.flatMap({ world.marketplace.runs[$0] }) else {
      return violated("\(place.text) has no run")
    }
    let told = [
      run.name, run.userID, run.status, "\(run.startTime ?? 0)", "\(run.endTime ?? 0)",
    ]
    let expected = [
      info["run_name"] as? String, info["user_id"] as? String, info["status"] as? String,
      "\(info["start_time"] as? Int64 ?? 0)", "\(info["end_time"] as? Int64 ?? 0)",
    ]
    if told != expected.map({ $0 ?? "" }) { violated("the run of \(place.text) is \(told), not \(expected)") }
    let params = Dictionary(run.params.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    if params != exported["params"] as? [String: String] { violated("the run of \(place.text) has other parameters") }
    let tags = Self.dictionary(run.tags)
    for (key, value) in Self.foreign(exported["tags"]) where tags[key] != value {
      violated("the run of \(place.text) lacks the tag \(key)")
    }
    if tags["marketplace.complete"] != "true" { violated("the run of \(place.text) is not complete") }
    if tags["marketplace.source.run_id"] != id || tags["marketplace.source.workspace"] != place.workspace {
      violated("the run of \(place.text) does not say where it comes from")
    }
    if (exported["inputs"] as? [String: [Any]])?["dataset_inputs"]?.count != run.datasetInputs.count {
      violated("the run of \(place.text) has other datasets")
    }
    checkMetrics(place, exported, run)
    checkPlaceOfRun(place, run, id)
  }

  /// Every artifact of the run is there; a path that was written before may hold other bytes.
  private func checkArtifacts(_ place: Place, _ manifest: [String: Any], _ id: String) {
    let files = (manifest["files"] as? [[String: Any]] ?? []).compactMap { $0["path"] as? String }
    let there = place.live.run.flatMap { world.marketplace.artifacts[$0] } ?? [:]
    for file in files where file.hasPrefix("\(id)/artifacts/") {
      let path = String(file.dropFirst("\(id)/artifacts/".count))
      if there[path] == nil { violated("the run of \(place.text) lacks \(path)") }
    }
  }

  /// Every point that the export has; points that came later may be there too.
  private func checkMetrics(_ place: Place, _ exported: [String: Any], _ run: Run) {
    let history = Set((world.marketplace.histories[run.id] ?? []).map { "\($0.key) \($0.step) \($0.timestamp)" })
    var points = 0
    for (key, value) in exported["metrics"] as? [String: [[String: Any]]] ?? [:] {
      for point in value {
        points += 1
        if !history.contains("\(key) \(point["step"] as? Int64 ?? 0) \(point["timestamp"] as? Int64 ?? 0)") {
          return violated("the run of \(place.text) lacks a point of \(key)")
        }
      }
    }
    let file = exported["marketplace_metric_history"] as? [String: Any]
    let all = max(points, file?["points"] as? Int ?? 0)
    if history.count < all { violated("the run of \(place.text) has \(history.count) points of \(all)") }
  }

  /// One living run for one source run, in an experiment of the workspace.
  private func checkPlaceOfRun(_ place: Place, _ run: Run, _ id: String) {
    let key = "run/\(place.workspace)/\(id)"
    let same = world.marketplace.runs.values.filter {
      $0.tags["marketplace.source_key"] == key && !$0.isDeleted && !LateChecker(world: world).isUnused($0.id)
    }
    if world.runsDeleted[run.id] ?? 0 < place.live.began {
      if run.isDeleted { violated("the run of \(place.text) is deleted") }
      if same.count > 1 { violated("\(same.count) runs have the key \(key)") }
      let experiment = world.marketplace.experiments[run.experimentID]
      if experiment?.name.hasPrefix("\(place.workspace)/") != true {
        violated("the run of \(place.text) lies elsewhere")
      }
      if experiment?.isDeleted != false { violated("the experiment of \(place.text) is deleted") }
      if run.experimentID != World.ownExperiment,
        experiment?.tags["marketplace.source.workspace"] != place.workspace
      {
        violated("the experiment of \(place.text) does not say whose it is")
      }
    }
  }

  private func checkLoggedModel(_ place: Place, _ made: ModelVersion, _ manifest: [String: Any], _ folder: String) {
    let id = String(made.source.dropFirst("models:/".count))
    guard let model = world.marketplace.loggedModels[id] else { return violated("\(place.text) has no logged model") }
    if model.status != "LOGGED_MODEL_READY" { violated("the logged model of \(place.text) is \(model.status)") }
    let same = world.marketplace.loggedModels.values.filter {
      $0.tags["marketplace.source_key"] == place.key && !LateChecker(world: world).isUnused($0.id)
    }
    if same.count != 1 { violated("\(same.count) logged models have the key \(place.key)") }
    let source = manifest["logged_model_id"] as? String
    let document = source.flatMap { mlflow("\(folder)/\($0)/logged_model.json") }
    // Rotten meanwhile: nothing to compare with.
    if source != nil, document == nil { return }
    let params = Dictionary(model.params.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    if params != document?["params"] as? [String: String] ?? [:] || params.count != model.params.count {
      violated("the logged model of \(place.text) has other parameters")
    }
    if model.name != document?["name"] as? String ?? "model" {
      violated("the logged model of \(place.text) is called \(model.name)")
    }
    var tags = Self.foreign(document?["tags"])
    tags["marketplace.source_key"] = place.key
    tags["marketplace.export_id"] = place.live.export
    if Self.dictionary(model.tags) != tags { violated("the logged model of \(place.text) has tags \(model.tags)") }
    guard let id = place.live.run, let run = world.marketplace.runs[id] else { return }
    if model.sourceRunID != id || !run.modelOutputs.contains(where: { $0.modelID == model.id }) {
      violated("the logged model of \(place.text) is not its run's")
    }
    checkMeasured(place, model, run, document, manifest["run_id"] as? String ?? "")
  }

  /// What was measured in the run that came along, NaN as the run has it. An earlier attempt may have left more.
  private func checkMeasured(
    _ place: Place, _ model: LoggedModel, _ run: Run, _ document: [String: Any]?, _ source: String
  ) {
    let measured = (document?["metrics"] as? [[String: Any]] ?? []).filter { $0["run_id"] as? String == source }
    if measured.count > model.metrics.count {
      violated("the logged model of \(place.text) has \(model.metrics.count) metrics of \(measured.count)")
    }
    for point in measured {
      let key = point["key"] as? String ?? ""
      let step = point["step"] as? Int64 ?? 0
      guard let made = model.metrics.first(where: { $0.metric.key == key && $0.metric.step == step }) else {
        violated("the logged model of \(place.text) lacks \(key)")
        continue
      }
      let expected = world.oddities.contains(key) ? Double.nan : point["value"] as? Double ?? .nan
      if !(made.metric.value == expected || made.metric.value.isNaN && expected.isNaN) {
        violated("the logged model of \(place.text) has \(key) = \(made.metric.value), not \(expected)")
      }
    }
  }

  private func mlflow(_ path: String) -> [String: Any]? { object(path)?["mlflow"] as? [String: Any] }

  private func object(_ path: String) -> [String: Any]? {
    guard !world.storage.rotten.contains(path), let bytes = world.storage.files[path] else { return nil }
    return (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any]
  }

  private func violated(_ sentence: String) { world.violated("J3", sentence) }
}
