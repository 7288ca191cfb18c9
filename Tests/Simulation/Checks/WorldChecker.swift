import Foundation
import Marketplace
import Registry
import Transfer

/// Compares the whole world with the log once faults have stopped and a job has run: plain loops over registries,
/// storage and what the log adds up to.
struct WorldChecker {
  let world: World
  let report: JobReport

  func check() {
    for site in world.sources where site.isConfigured {
      checkMirror(site)
      checkOutcome(site)
      checkSkipped(site)
      checkSourceTags(site)
    }
    checkMarketplace()
    checkImports()
    ContentChecker(world: world).check()
  }

  /// The log says of every living model and version what its registry says.
  private func checkMirror(_ site: SourceSite) {
    let known = world.checker.workspaces[site.id.text]?.models ?? [:]
    var found: [ByteName: LogChecker.Model] = [:]
    for model in known.values where model.versions.values.contains(where: { !$0.isDeleted }) {
      if found.updateValue(model, forKey: ByteName(model.name)) != nil {
        violated("J8", "\(site.id): two living models are called \(model.name)")
      }
    }
    for (name, model) in site.registry.models where !model.versions.isEmpty && name.isKeepable {
      guard let logged = found.removeValue(forKey: name), logged.created == model.created else {
        violated("J8", "\(site.id): the log does not know \(name.text)")
        continue
      }
      let living = logged.versions.filter { !$0.value.isDeleted }
      var told: [LogChecker.VersionKey: String] = [:]
      for version in model.all { told[.init(number: version.version, created: version.created)] = version.stage }
      if told != living.mapValues(\.stage) {
        violated("J8", "\(site.id): \(name.text) has \(told), the log says \(living.mapValues(\.stage))")
      }
      for (alias, number) in model.aliases {
        guard let version = model.versions[number] else { continue }
        if logged.aliases[alias] != .init(number: number, created: version.created) {
          violated("J8", "\(site.id): \(name.text) \(alias) names v\(number), the log says otherwise")
        }
      }
      let expected = DescriptionChecker.expected(of: model)
      if expected.description != logged.description || expected.tags != logged.tags {
        violated("J8", "\(site.id): \(name.text) is described otherwise than the log says")
      }
      for alias in logged.aliases.keys where model.aliases[alias] == nil {
        violated("J8", "\(site.id): \(name.text) has no alias \(alias), the log says it has")
      }
    }
    for name in found.keys.sorted() { violated("J8", "\(site.id): \(name.text) is gone, the log says it lives") }
  }

  /// J6 and J8: what the source means is available, byte for byte, or it failed with a reason.
  private func checkOutcome(_ site: SourceSite) {
    let log = world.checker.workspaces[site.id.text]
    for (id, logged) in (log?.models ?? [:]).sorted(by: { $0.key < $1.key }) {
      let isAlive = logged.versions.values.contains { !$0.isDeleted }
      guard isAlive, let model = site.registry.models[ByteName(logged.name)], model.created == logged.created,
        let current = current(model, site.rule)
      else {
        if let available = logged.available {
          violated("J8", "\(site.id): \(logged.name) means nothing, v\(available) is available")
        }
        continue
      }
      if site.rule.versions == .all { checkOthers(site, model, logged) }
      let version = logged.versions[.init(number: current.version, created: current.created)]
      guard let live = version?.live else {
        checkExcuse(site, model, current, logged)
        continue
      }
      if log?.isDisplaced(logged) == true {
        if logged.available != nil { violated("J8", "\(site.id): \(logged.name) has lost its name, and is available") }
        checkExcuse(site, model, current, logged)
      } else if logged.available != live.number {
        violated("J8", "\(site.id): \(logged.name) means v\(current.version), \(logged.available as Any) is available")
      }
      checkBytes(site, current, name: logged.marketplaceName ?? "", number: live.number, id: id)
    }
  }

  /// What cannot be kept is named.
  private func checkSkipped(_ site: SourceSite) {
    let items = report.workspaces.first { $0.workspace == site.id }?.items ?? []
    let expected = site.registry.models.keys.filter { !$0.isKeepable }
    let told = items.filter { $0.action == .skipped }
    if told.count != expected.count || told.contains(where: { $0.trouble?.code != "unkeepable_name" }) {
      violated("J6", "\(site.id): \(expected.count) names cannot be kept, \(told.count) are told of")
    }
  }

  /// An owner who asked for it finds the marketplace's name at the version; nobody else finds anything.
  private func checkSourceTags(_ site: SourceSite) {
    let items = report.workspaces.first { $0.workspace == site.id }?.items ?? []
    for item in items where item.action == .imported && site.tagsSource {
      let version = site.registry.models[ByteName(item.model)]?.versions[item.version ?? 0]
      if let version, version.tags["marketplace.name"] != item.marketplaceName {
        violated("J8", "\(site.id): \(item.model) does not say that it is \(item.marketplaceName ?? "")")
      }
    }
    guard !site.tagsSource else { return }
    for model in site.registry.models.values {
      for version in model.all where version.tags["marketplace.name"] != nil {
        violated("J8", "\(site.id): \(model.name) v\(version.version) was tagged, and nobody asked for it")
      }
    }
  }

  private func current(_ model: ModelRecord, _ rule: PromotionRule) -> ModelVersion? {
    for alias in rule.aliases {
      if let number = model.aliases[alias], let version = model.versions[number] { return version }
    }
    for stage in rule.stages {
      if let version = model.all.last(where: { $0.stage == stage }) { return version }
    }
    return nil
  }

  /// Where all promoted versions are wanted each is imported, or failed with a reason.
  private func checkOthers(_ site: SourceSite, _ model: ModelRecord, _ logged: LogChecker.Model) {
    let named = Set(site.rule.aliases.compactMap { model.aliases[$0] })
    for version in model.all where site.rule.stages.contains(version.stage) || named.contains(version.version) {
      if logged.versions[.init(number: version.version, created: version.created)]?.live == nil {
        checkExcuse(site, model, version, logged)
      }
    }
  }

  private func checkBytes(_ site: SourceSite, _ source: ModelVersion, name: String, number: Int, id: String) {
    guard let made = world.marketplace.models[ByteName(name)]?.versions[number] else {
      return violated("J4", "\(name) v\(number) is not in the marketplace")
    }
    guard let original = site.registry.originals[source.source] else { return }
    if !original.contains(where: { $0 == world.marketplace.files(of: made.source) }) {
      violated("J3", "\(name) v\(number) has other bytes than \(site.id)'s \(source.name) v\(source.version)")
    }
  }

  /// J6: only what cannot be copied is not, and the report says why.
  private func checkExcuse(
    _ site: SourceSite, _ model: ModelRecord, _ version: ModelVersion, _ logged: LogChecker.Model
  ) {
    let items = report.workspaces.first { $0.workspace == site.id }?.items ?? []
    let item = items.first {
      ByteName($0.model) == ByteName(model.name) && $0.version == version.version && $0.isFailure && $0.trouble != nil
    }
    guard let code = item?.trouble?.code else {
      return violated(
        "J6", "\(site.id): \(model.name) v\(version.version) is neither imported nor failed with a reason")
    }
    let files = site.registry.files(of: version.source) ?? [:]
    let isJustified =
      switch code {
      case "not_ready": version.status != "READY"
      case "unsupported_source": version.source.hasPrefix("s3:")
      case "missing_artifacts", "not_found": files.isEmpty
      case "missing_mlmodel": files["MLmodel"] == nil
      case "name_collision":
        world.checker.workspaces[site.id.text]?.isDisplaced(logged) == true
          || isTaken(logged.first, site, logged) && isTaken(logged.name, site, logged)
      case "illegal_name": [logged.name, model.name].contains { Self.isIllegal(world.marketplaceName(site.id, $0)) }
      default: false
      }
    if !isJustified {
      let message = item?.trouble?.message ?? ""
      violated("J6", "\(site.id): \(model.name) v\(version.version) failed with \(code): \(message)")
    }
  }

  /// Whether a model may not have the marketplace name made from one of its names: it was given to another name that
  /// looks alike, or another living model has it or may come before.
  private func isTaken(_ name: String, _ site: SourceSite, _ model: LogChecker.Model) -> Bool {
    let folded = LogChecker.folded(world.marketplaceName(site.id, name))
    if Self.isIllegal(world.marketplaceName(site.id, name)) { return true }
    guard let owner = world.checker.names[folded] else { return false }
    if owner.workspace != site.id.text || ByteName(owner.source) != ByteName(name) { return true }
    let models = world.checker.workspaces[site.id.text]?.models ?? [:]
    return models.contains { id, other in
      guard other.isAlive, other.created != model.created else { return false }
      // Whoever claimed it has it, imported or not.
      if id == owner.model { return true }
      let names = [other.first, other.name].map { ByteName($0) }
      return names.contains(ByteName(name)) || other.marketplaceName.map { LogChecker.folded($0) == folded } ?? false
    }
  }

  /// Whether no registered model may have the name.
  private static func isIllegal(_ name: String) -> Bool {
    name.unicodeScalars.count > 256 || name.unicodeScalars.contains { "/:\u{9}\u{7f}".unicodeScalars.contains($0) }
  }

  /// J4 and J8: the marketplace promotes what the log says is available, and nothing else of ours.
  private func checkMarketplace() {
    var expected: [ByteName: Int?] = [:]
    for (id, workspace) in world.checker.workspaces {
      let site = world.sources.first { $0.id.text == id }
      let isAttended = site?.isConfigured == true || !workspace.isConnected
      for model in workspace.models.values {
        guard let name = model.marketplaceName.map({ ByteName($0) }) else { continue }
        if !workspace.isConnected, model.available != nil {
          violated("J8", "\(id) is disconnected, \(name.text) is available")
        }
        guard isAttended else { continue }
        if let available = model.available {
          if case .some(.some) = expected[name] { violated("J8", "\(name.text): two incarnations are available") }
          expected[name] = available
        } else if expected[name] == nil {
          expected[name] = .some(nil)
        }
      }
    }
    for (name, number) in expected {
      guard let model = world.marketplace.models[name] else {
        if let number { violated("J4", "\(name.text) v\(number) is available and not there") }
        continue
      }
      let staged = model.all.filter { $0.stage == world.plan.stage }.map(\.version)
      if world.plan.stage != nil, staged != [number].compactMap(\.self) {
        violated("J8", "\(name.text): \(staged) are promoted, \(number as Any) is available")
      }
      if let alias = world.plan.alias, model.aliases[alias] != number {
        violated("J8", "\(name.text): \(alias) names \(model.aliases[alias] as Any), \(number as Any) is available")
      }
    }
  }

  /// J4: one marketplace version for each live import, under its key and no other number. One that somebody deleted by
  /// hand is not missed while the source means nothing by the model.
  private func checkImports() {
    var numbers: [String: [Int]] = [:]
    for model in world.marketplace.models.values {
      for version in model.all {
        if let key = version.tags["marketplace.source_key"] { numbers[key, default: []].append(version.version) }
      }
    }
    for (id, workspace) in world.checker.workspaces {
      guard world.sources.first(where: { $0.id.text == id })?.isConfigured == true else { continue }
      for (modelID, model) in workspace.models {
        for (version, state) in model.versions {
          guard let live = state.live else { continue }
          let key = "\(id)/\(modelID)/\(version.number)/\(version.created)/\(live.generation)"
          let found = numbers[key] ?? []
          if found.isEmpty, workspace.current(of: model) == nil { continue }
          if found != [live.number] {
            violated("J4", "\(model.marketplaceName ?? "") v\(live.number): the registry has \(found) under its key")
          }
        }
      }
    }
  }

  private func violated(_ invariant: String, _ sentence: String) { world.violated(invariant, sentence) }
}
