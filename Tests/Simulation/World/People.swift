import Foundation
import Marketplace
import Registry

extension World {
  /// Somebody at a source does something.
  func peopleChange(_ index: Int) {
    tick()
    let registry = sources[index].registry
    let names = registry.models.keys.sorted()
    guard let name = dice.pick(names), names.count >= plan.models || dice.once(in: 4) else {
      if names.count < plan.models + 2 { createModel(in: registry) }
      return
    }
    guard let model = registry.models[name] else { return }
    let numbers = model.all.map(\.version)
    guard let number = dice.pick(numbers) else { return addVersion(to: name.text, in: registry) }
    switch dice.below(22) {
    case 0..<5: addVersion(to: name.text, in: registry)
    case 5..<10: promote(number, of: name.text, in: registry)
    case 10, 11: move(number, of: name.text, to: ["None", "Staging", "Archived"][dice.below(3)], in: registry)
    case 12, 13: alias(number, of: name.text, in: registry)
    case 14:
      note("\(registry.id) \(name.text): alias removed")
      registry.change(name.text) { $0.aliases[dice.pick($0.aliases.keys.sorted()) ?? ""] = nil }
    case 15:
      note("\(registry.id) \(name.text) v\(number) deleted")
      registry.deleteVersion(name.text, number, at: clock)
    case 16: rename(name, in: registry)
    case 17: recreate(name, in: registry)
    case 18: describe(name.text, number, in: registry)
    default: peopleChangeRarely(name, number, in: registry)
    }
  }

  private func peopleChangeRarely(_ name: ByteName, _ number: Int, in registry: RegistryState) {
    switch dice.below(6) {
    case 0:
      note("\(registry.id) \(name.text) deleted")
      registry.deleteModel(name.text)
    case 1: swap(name, in: registry)
    case 2:
      // The run behind a version is logged to once more: what an export would hold is different afterwards.
      if let run = registry.models[name]?.versions[number]?.runID {
        registry.histories[run, default: []].append(
          Metric(key: "auc", value: Double(dice.below(1_000)) / 1_000, timestamp: clock, step: clock))
      }
    case 3: loseFiles(of: registry.models[name]?.versions[number], in: registry)
    default:
      if aside.once(in: 2) { overwrite(registry.models[name]?.versions[number], in: registry) }
      if aside.once(in: 3) { renameExperiment(in: registry) }
      if aside.once(in: 3) { bringBack(in: registry) }
      if aside.once(in: 4) { forgetNewest(of: name, in: registry) }
      addVersion(to: name.text, in: registry)
    }
  }

  /// Letters in other cases and other spellings of an accent: names that must not meet in the marketplace.
  private static let names = ["a", "A", "b", "c", "caf\u{e9}", "cafe\u{301}", "d.e", "stra\u{df}e", "STRASSE", "f g"]

  private func createModel(in registry: RegistryState) {
    guard var name = dice.pick(Self.names) else { return }
    if plan.kind == .crowd { name = "model \(aside.below(80))" }
    if plan.kind == .rich, aside.once(in: 4) { name = Self.strangeNames[aside.below(Self.strangeNames.count)] }
    note("\(registry.id) \(name) created")
    let description = plan.kind == .rich && aside.once(in: 3) ? edgeText() : "about \(name)"
    guard registry.createModel(name, description: description, at: clock) else { return }
    if !dice.once(in: 5) { addVersion(to: name, in: registry) }
  }

  /// Trains and registers: a run, a logged model on MLflow 3, files, and a version.
  func addVersion(to name: String, in registry: RegistryState, isPromoted: Bool? = nil) {
    tick()
    let mlmodel = makeMLmodel()
    let files = modelFiles(mlmodel)
    let run = dice.once(in: 6) ? nil : makeRun(in: registry)
    var source: String
    if registry.major >= 3, !dice.once(in: 4) || run == nil {
      let id = "m-\(registry.freshID())"
      registry.loggedModels[id] = LoggedModel(
        id: id, experimentID: run?.experimentID ?? "0", name: aside.once(in: 2) ? "model" : "forest", created: clock,
        lastUpdated: clock, artifactURI: "mlflow-artifacts:/0/models/\(id)/artifacts", status: "LOGGED_MODEL_READY",
        sourceRunID: run?.id)
      measure(id, run, in: registry)
      registry.artifacts[id] = files
      source = "models:/\(id)"
    } else {
      let home = run ?? makeRun(in: registry)
      let folder = "model-\(dice.hex(6))"
      for (path, bytes) in files { registry.artifacts[home.id, default: [:]]["\(folder)/\(path)"] = bytes }
      source = "\(home.artifactURI)/\(folder)"
    }
    if dice.once(in: 25), run != nil { source = "s3://bucket/\(dice.below(100))" }
    let version = registry.createVersion(
      of: name, source: source, runID: run?.id,
      description: plan.kind == .rich && aside.once(in: 3) ? edgeText() : dice.once(in: 3) ? "made at \(clock)" : "",
      tags: (dice.once(in: 3) ? [Tag("team", "t\(dice.below(3))")] : []) + moreTags(), at: clock,
      status: dice.once(in: 60) ? "FAILED_REGISTRATION" : "READY")
    guard let version else { return }
    if !source.hasPrefix("s3:") {
      registry.originals[source] = [files]
      if let file = files["MLmodel"], file.count <= Self.mlmodelBytes { registry.mlmodels[source] = mlmodel }
    }
    note("\(registry.id) \(name) v\(version.version) registered, \(source)")
    if files["MLmodel"] == nil || source.hasPrefix("s3:") { addTwin(of: version, in: registry) }
    if isPromoted ?? dice.once(in: 2) { promote(version.version, of: name, in: registry) }
  }

  /// A pipeline registers two versions in one millisecond, of which the first cannot be exported; both are promoted.
  private func addTwin(of version: ModelVersion, in registry: RegistryState) {
    guard sources.first(where: { $0.registry === registry })?.rule.versions == .all, apart.once(in: 2) else { return }
    let run = makeRun(in: registry)
    let folder = "twin-\(apart.hex(6))"
    let source = "\(run.artifactURI)/\(folder)"
    let files = [
      "MLmodel": Array("flavors:\n  sklearn: {}\nuuid: \(apart.hex(12))\n".utf8),
      "model.pkl": Array(apart.hex(40).utf8),
    ]
    for (path, bytes) in files { registry.artifacts[run.id, default: [:]]["\(folder)/\(path)"] = bytes }
    let twin = registry.createVersion(
      of: version.name, source: source, runID: run.id, description: "", tags: [], at: version.created)
    guard let twin else { return }
    registry.originals[source] = [files]
    registry.mlmodels[source] = (["sklearn"], [:])
    note("\(registry.id) \(version.name) v\(twin.version) registered in the same millisecond, \(source)")
    tick()
    for number in [version.version, twin.version] {
      _ = registry.transition(version.name, number, to: "Production", archives: false, at: clock)
    }
  }

  private func modelFiles(_ mlmodel: (flavors: [String], signature: [String: String])) -> [String: [UInt8]] {
    let flavors = mlmodel.flavors.map { "  \($0): {}\n" }.joined()
    let parts = mlmodel.signature.sorted { $0.key < $1.key }.map { "  \($0.key): '\($0.value)'\n" }.joined()
    var files = [
      "MLmodel": Array(
        "flavors:\n\(flavors)uuid: \(dice.hex(12))\n\(parts.isEmpty ? "" : "signature:\n\(parts)")".utf8),
      "model.pkl": Array(dice.hex(40).utf8),
    ]
    if dice.once(in: 3) { files["data/empty"] = [] }
    if dice.once(in: 30) { files["MLmodel"] = nil }
    if plan.kind == .long, aside.once(in: 2) {
      let rest = Self.mlmodelBytes + aside.below(2) - (files["MLmodel"]?.count ?? 0)
      if aside.once(in: 3) { files["MLmodel"]? += Array(("#" + String(repeating: "x", count: rest - 1)).utf8) }
      files["data/large"] = Array(repeating: UInt8(aside.below(256)), count: Self.largeBytes + aside.below(4))
      if plan.hasHugeFiles, let huge = makeHugeFile() { files["data/large"] = huge }
    }
    return files
  }

  private func makeRun(in registry: RegistryState) -> Run {
    // Two versions may come of one run.
    if dice.once(in: 5), let known = dice.pick(registry.runs.keys.sorted()), let run = registry.runs[known] {
      return run
    }
    let id = registry.freshID()
    let run = Run(
      id: id, experimentID: "0", name: "run \(id.suffix(4))", userID: "ada", status: "FINISHED",
      startTime: clock - 60_000,
      endTime: clock, artifactURI: "mlflow-artifacts:/0/\(id)/artifacts", params: [Param("depth", "\(dice.below(9))")],
      metrics: [Metric(key: "auc", value: 0.5, timestamp: clock)], tags: [Tag("mlflow.user", "ada")])
    registry.runs[id] = run
    registry.histories[id] = run.metrics
    log(more: id, in: registry)
    if dice.once(in: 2) { registry.artifacts[id] = ["plot.txt": Array(dice.hex(10).utf8)] }
    return run
  }

  func promote(_ number: Int, of name: String, in registry: RegistryState) {
    move(number, of: name, to: "Production", in: registry)
  }

  private func move(_ number: Int, of name: String, to stage: String, in registry: RegistryState) {
    tick()
    note("\(registry.id) \(name) v\(number) → \(stage)")
    _ = registry.transition(name, number, to: stage, archives: dice.once(in: 2), at: clock)
  }

  private func alias(_ number: Int, of name: String, in registry: RegistryState) {
    let alias = ["champion", "challenger", "gold"][dice.below(3)]
    note("\(registry.id) \(name) \(alias) → v\(number)")
    registry.change(name) { $0.aliases[alias] = number }
  }

  private func rename(_ name: ByteName, in registry: RegistryState) {
    guard let other = dice.pick(Self.names + ["n\(dice.below(50))"]) else { return }
    note("\(registry.id) \(name.text) renamed \(other)")
    registry.rename(name.text, to: other, at: clock)
  }

  /// Two models change names: what a reader takes for one is the other.
  private func swap(_ name: ByteName, in registry: RegistryState) {
    guard let other = dice.pick(registry.models.keys.sorted()), other != name else { return }
    note("\(registry.id) \(name.text) and \(other.text) swap names")
    registry.rename(name.text, to: "between", at: clock)
    tick()
    registry.rename(other.text, to: name.text, at: clock)
    tick()
    registry.rename("between", to: other.text, at: clock)
  }

  private func recreate(_ name: ByteName, in registry: RegistryState) {
    note("\(registry.id) \(name.text) deleted and created again")
    registry.deleteModel(name.text)
    tick()
    _ = registry.createModel(name.text, at: clock)
    if !dice.once(in: 3) { addVersion(to: name.text, in: registry) }
  }

  private func describe(_ name: String, _ number: Int, in registry: RegistryState) {
    let isModel = dice.once(in: 2)
    registry.change(name) { model in
      if isModel {
        model.description = plan.kind == .rich ? edgeText() : "at \(clock)"
        model.lastUpdated = clock
      } else {
        model.versions[number]?.description = "at \(clock)"
        model.versions[number]?.lastUpdated = clock
      }
      if dice.once(in: 2) { model.tags = [Tag("stamp", "\(clock)")] + moreTags() }
    }
  }

  /// An artifact store is cleaned up under living versions.
  private func loseFiles(of version: ModelVersion?, in registry: RegistryState) {
    guard let version, dice.once(in: 3), version.source.hasPrefix("models:/m-") else { return }
    note("\(registry.id) \(version.name) v\(version.version): files lost")
    registry.artifacts[String(version.source.dropFirst("models:/".count))] = [:]
  }
}
