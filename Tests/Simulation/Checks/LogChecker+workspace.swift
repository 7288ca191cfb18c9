import Foundation
import Ledger
import Marketplace
import Registry
import Storage
import Transfer

extension LogChecker.Workspace {
  mutating func connect(_ fact: Fact) {
    let promoted = fact.object["promoted"] as? [String: Any]
    aliases = promoted?["aliases"] as? [String] ?? []
    stages = promoted?["stages"] as? [String] ?? []
    takesAll = promoted?["versions"] as? String == "all"
    isConnected = true
    ruleChanged = fact.world.clock
    for id in models.keys { noteCurrent(id) }
  }

  private mutating func noteCurrent(_ id: String) {
    guard let model = models[id] else { return }
    let promoted = promoted(of: model)
    models[id]?.everCurrent.formUnion(promoted)
  }

  /// Takes in an event about a model.
  mutating func change(
    _ fact: Fact, names: [String: LogChecker.GivenName],
    manifests: inout [String: [String: (size: Int, sha256: String)]]
  ) {
    let id = fact.text("model")
    if fact.event.type == "ModelVersionRegistered" {
      if models[id] == nil { checkIncarnation(fact) }
      var model =
        models[id]
        ?? .init(name: fact.text("name"), first: fact.text("name"), created: Int64(fact.number("model_created")))
      model.name = fact.text("name")
      var version = model.versions[fact.key] ?? .init()
      version.isDeleted = false
      version.stage = "None"
      model.versions[fact.key] = version
      models[id] = model
    } else if models[id] == nil {
      return fact.violates("L", "of a model that nothing registered")
    }
    switch fact.event.type {
    case "ModelVersionDeleted":
      delete(fact, id)
    case "ModelRenamed": models[id]?.name = fact.text("to")
    case "ModelDescribed":
      checkDescription(fact)
      guard fact.optionalNumber("version") == nil else { break }
      models[id]?.description = fact.text("description")
      models[id]?.tags = fact.object["tags"] as? [String: String] ?? [:]
    case "StageTransitioned": models[id]?.versions[fact.key]?.stage = fact.text("to")
    case "AliasAssigned": models[id]?.aliases[fact.text("alias")] = fact.key
    case "AliasRemoved":
      checkRemoval(fact, id)
      models[id]?.aliases[fact.text("alias")] = nil
    default: transfer(fact, id, names, &manifests)
    }
    if fact.object["not_after"] != nil { checkTimes(fact) }
    noteCurrent(id)
  }

  /// Where people rest while jobs run, an alias is removed that names nothing at its source.
  private func checkRemoval(_ fact: Fact, _ id: String) {
    guard fact.world.plan.dayShift == 0, let registry = fact.registry,
      let listed = registry.models[ByteName(fact.text("name"))], listed.created == models[id]?.created,
      let number = listed.aliases[fact.text("alias")], listed.versions[number] != nil
    else { return }
    fact.violates("J11", "the alias names v\(number)")
  }

  /// A model under another name is the one that was created at the same time and had the same versions, where no other
  /// fits: it is renamed, not deleted and made anew.
  private func checkIncarnation(_ fact: Fact) {
    guard fact.world.plan.dayShift == 0, let registry = fact.registry,
      let listed = registry.models[ByteName(fact.text("name"))]
    else { return }
    let known = models.filter { $0.value.created == listed.created }
    guard known.count == 1, let (id, model) = known.first, let gone = thinned[id], !model.isAlive,
      registry.models.values.count(where: { $0.created == listed.created }) == 1
    else { return }
    let isSame = gone.allSatisfy { listed.versions[$0.number]?.created == $0.created }
    if isSame { fact.violates("J8", "\(listed.name) is \(model.name), renamed") }
  }

  /// What changed did so between two readings: the bracket ends within this job, and holds what the source says.
  private func checkTimes(_ fact: Fact) {
    let end = Int64(fact.number("not_after"))
    if end < fact.since || end > fact.world.clock { fact.violates("J8", "not_after is not of this job") }
    if let begin = fact.optionalNumber("not_before"), begin > end { fact.violates("J8", "the bracket is empty") }
    if let begin = fact.optionalNumber("not_before"), let told = fact.optionalNumber("source_time"), told < begin,
      fact.event.type == "StageTransitioned"
    {
      fact.violates("J8", "the source's time lies before the bracket")
    }
  }

  /// J11: what is said to be gone was gone at some time since the job began.
  private mutating func delete(_ fact: Fact, _ id: String) {
    models[id]?.versions[fact.key]?.isDeleted = true
    thinned[id, default: []].insert(fact.key)
    guard let site = fact.world.sources.first(where: { $0.id.text == fact.event.workspace }) else { return }
    let isTrue = site.registry.wasAbsent(
      fact.text("name"), fact.key.number, created: fact.key.created, since: fact.since)
    if !isTrue { fact.violates("J11", "\(fact.text("name")) v\(fact.key.number) was there all the time") }
  }

  private mutating func transfer(
    _ fact: Fact, _ id: String, _ names: [String: LogChecker.GivenName],
    _ manifests: inout [String: [String: (size: Int, sha256: String)]]
  ) {
    switch fact.event.type {
    case "ModelExported": exported(fact, id, &manifests)
    case "ExportInvalidated":
      givenUp[fact.text("export_id")] = (fact.world.clock, fact.process?.run)
      guard models[id]?.versions[fact.key]?.export?.generation == fact.number("generation") else { return }
      models[id]?.versions[fact.key]?.export = nil
      models[id]?.versions[fact.key]?.exportGeneration = fact.number("generation") + 1
    case "ModelImported": imported(fact, id, names)
    case "ImportLost": lost(fact, id)
    case "ExportFailed", "ImportFailed": failed(fact, id)
    case "MarketplaceDriftFound": drifted(fact, id)
    case "MarketplacePromotionSet": promoted(fact, id)
    default: break
    }
  }

  /// J1, J2 and J3 of an export.
  private mutating func exported(
    _ fact: Fact, _ id: String, _ manifests: inout [String: [String: (size: Int, sha256: String)]]
  ) {
    guard let model = models[id], let version = model.versions[fact.key] else {
      return fact.violates("J2", "of a version that nothing registered")
    }
    if version.export != nil { fact.violates("J1", "a second live export") }
    if version.exportGeneration != fact.number("generation") { fact.violates("J1", "another generation is open") }
    if !model.everCurrent.contains(fact.key) { fact.violates("J2", "the version was never promoted before") }
    checkPause(fact, after: version.exportFailure)
    ForgottenChecker(fact: fact).check()
    models[id]?.versions[fact.key]?.exportFailure = nil
    models[id]?.versions[fact.key]?.export = (fact.number("generation"), fact.text("export_id"))
    exports[fact.text("export_id")] = fact.text("manifest_sha256")
    let folder = String(fact.text("uri").dropFirst("file:///simulated/".count))
    folders[fact.text("export_id")] = folder
    let path = "\(folder)/manifest.json"
    if !folder.hasSuffix("/\(fact.number("version"))-\(fact.text("export_id"))") {
      fact.violates("J3", "\(folder) is the folder of another export")
    }
    guard !fact.world.storage.rotten.contains(path) else { return }
    guard let bytes = fact.world.storage.files[path] else { return fact.violates("J3", "\(path) is missing") }
    if StreamDigest.of(bytes).sha256 != fact.text("manifest_sha256") {
      fact.violates("J3", "\(path) has another digest")
    }
    checkIdentity(of: bytes, fact)
    manifests[folder] = LogChecker.read(path, fact.world)
    for (name, file) in manifests[folder] ?? [:] { LogChecker.check("\(folder)/\(name)", file, fact.world) }
  }

  /// A manifest says of itself which export it is.
  private func checkIdentity(of manifest: [UInt8], _ fact: Fact) {
    guard let says = try? JSONDecoder().decode(Manifest.self, from: Data(manifest)) else {
      return fact.violates("J3", "its manifest cannot be read")
    }
    let isIts =
      says.exportID == fact.text("export_id") && says.workspace == fact.event.workspace
      && says.model == fact.text("model") && says.version == fact.number("version")
      && says.created == Int64(fact.number("created")) && says.generation == fact.number("generation")
    if !isIts { fact.violates("J3", "its manifest is another export's") }
    if !says.modelFiles.contains(where: { $0.path == "MLmodel" }) {
      fact.violates("J3", "it is an export of a model without MLmodel")
    }
  }

  /// J1, J2 and J5 of an import.
  private mutating func imported(
    _ fact: Fact, _ id: String, _ names: [String: LogChecker.GivenName]
  ) {
    guard let version = models[id]?.versions[fact.key] else {
      return fact.violates("J2", "of a version that nothing registered")
    }
    if version.live != nil { fact.violates("J1", "a second live import") }
    if version.importGeneration != fact.number("generation") { fact.violates("J1", "another generation is open") }
    if exports[fact.text("export_id")] != fact.text("manifest_sha256") {
      fact.violates("J2", "no earlier export has its id and digest")
    }
    if version.export?.id == version.importFailure?.export { checkPause(fact, after: version.importFailure) }
    models[id]?.versions[fact.key]?.importFailure = nil
    let name = fact.text("marketplace_name")
    if !names.values.contains(where: { $0.workspace == fact.event.workspace && $0.name == name }) {
      fact.violates("J5", "'\(name)' was never given to this workspace")
    }
    models[id]?.versions[fact.key]?.live = .init(
      generation: fact.number("generation"), number: fact.number("marketplace_version"), export: fact.text("export_id"),
      run: fact.object["marketplace_run_id"] as? String, began: fact.since)
    // A model that was gone while another took its name does not get it back from that one.
    let had = models[id].flatMap { ByteName($0.marketplaceName ?? "") == ByteName(name) ? $0.tookName : nil } ?? 0
    let other = models.first { other, model in
      other != id && model.isAlive && model.tookName > had
        && model.marketplaceName.map { ByteName($0) == ByteName(name) } ?? false
    }
    if let other, fact.world.running.count == 1 {
      fact.violates("J5", "'\(name)' is \(other.value.name)'s, which is alive")
    }
    models[id]?.marketplaceName = name
    models[id]?.tookName = fact.event.sequence
  }

  /// J11 for the marketplace: a version said to be lost is not there under its key.
  private mutating func lost(_ fact: Fact, _ id: String) {
    guard models[id]?.versions[fact.key]?.live?.generation == fact.number("generation") else { return }
    models[id]?.versions[fact.key]?.live = nil
    models[id]?.versions[fact.key]?.importGeneration = fact.number("generation") + 1
    models[id]?.everAvailable.remove(fact.number("marketplace_version"))
    if models[id]?.available == fact.number("marketplace_version") { models[id]?.available = nil }
    let registry = fact.world.marketplace
    let found = registry.models[ByteName(fact.text("marketplace_name"))]?.versions[fact.number("marketplace_version")]
    let key = "\(fact.event.workspace)/\(id)/\(fact.key.number)/\(fact.key.created)/\(fact.number("generation"))"
    if let found, found.tags["marketplace.source_key"] == key, found.created < fact.since {
      fact.violates("J11", "\(fact.text("marketplace_name")) v\(found.version) was there all the time")
    }
  }

  /// J8 and J11: what is promoted is what the log says is current; what is withdrawn has a reason in the log.
  private mutating func promoted(_ fact: Fact, _ id: String) {
    guard let model = models[id] else { return }
    let to = fact.optionalNumber("to")
    if model.available != fact.optionalNumber("from") { fact.violates("J8", "it was not \(model.available as Any)") }
    models[id]?.available = to
    if to != nil { models[id]?.tookName = fact.event.sequence }
    models[id]?.drift = nil
    fact.world.touched[ByteName(fact.text("marketplace_name"))]?[fact.process?.run ?? UUID()] = nil
    checkCause(fact, model)
    if to == nil, fact.text("cause") != "drift" { checkLimit(fact, id) }
    guard fact.text("cause") != "drift", ruleChanged < fact.since else { return }
    let key = meant(models[id] ?? model)
    let live = key.flatMap { model.versions[$0]?.live?.number }
    if let to {
      if live != to { fact.violates("J8", "v\(to) is not the import of the current version") }
      return
    }
    guard key != nil else { return }
    if live != nil { fact.violates("J11", "withdrawn though the current version is imported") }
    let predecessor = model.versions.first { $0.value.live?.number == model.available }
    if model.available != nil, predecessor?.value.isDeleted == false {
      fact.violates("J8", "withdrawn before the successor was imported")
    }
  }
}
