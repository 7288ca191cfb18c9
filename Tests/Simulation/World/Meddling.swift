import Foundation
import Marketplace
import Registry
import Storage
import Transfer

/// What befalls just those versions of which a job that died has done a half.
extension World {
  /// Between two nights.
  func meddle() {
    guard plan.diesOnceIn > 0 || plan.failsOnceIn > 0 else { return }
    if apart.once(in: 4) { overwriteHalfExported() }
    if yard.once(in: 4) { exchangeManifest() }
    if attic.once(in: 4) { replaceHalfExported() }
    if attic.once(in: 2) { changeHalfImported() }
    if let alias = plan.alias { changeAgain(alias) }
    if yard.once(in: 6) { leaveAlias() }
    if plan.kind == .long, !memory.uploads.isEmpty, apart.once(in: 2) { spoilHalfImported() }
  }

  /// An alias moves to a version that is registered for it and deleted at once; MLflow 2 leaves it there.
  private func leaveAlias() {
    let sites = sources.filter { $0.registry.major < 3 }
    guard let registry = yard.pick(sites)?.registry else { return }
    let named = registry.models.values.filter { !$0.aliases.isEmpty }.sorted { ByteName($0.name) < ByteName($1.name) }
    guard let model = yard.pick(named), let alias = yard.pick(model.aliases.keys.sorted()) else { return }
    tick()
    let made = registry.createVersion(
      of: model.name, source: "s3://bucket/left", runID: nil, description: "", tags: [], at: clock)
    guard let made else { return }
    tick()
    registry.change(model.name) { $0.aliases[alias] = made.version }
    registry.deleteVersion(model.name, made.version, at: clock)
    count("alias left behind")
    note("\(registry.id) \(model.name) \(alias) → v\(made.version), which is gone")
  }

  /// A model of the marketplace whose change by hand was told and not put back is changed by hand again, to what no putting
  /// back passes through.
  private func changeAgain(_ alias: String) {
    for (_, workspace) in checker.workspaces.sorted(by: { $0.key < $1.key }) {
      for (_, state) in workspace.models.sorted(by: { $0.key < $1.key }) {
        guard let told = state.drift, let name = state.marketplaceName.map({ ByteName($0) }),
          let model = marketplace.models[name], apart.once(in: 2)
        else { continue }
        let passed = [told.found, told.expected].map { $0.split(separator: " ").last.map(String.init) }
        let others = ["none"] + model.all.map { "v\($0.version)" }
        guard let other = apart.pick(others.filter { !passed.contains($0) }) else { continue }
        tick()
        count("marketplace changed by hand again")
        note("by hand again: \(name.text) \(alias) → \(other)")
        marketplace.change(name.text) { $0.aliases[alias] = Int(other.dropFirst()) }
        handChanged[name] = clock
        foundAnew[name] = (clock, Int(other.dropFirst()))
      }
    }
  }

  /// A file is written over of which a copy lies in a folder without a manifest.
  private func overwriteHalfExported() {
    let claims = memory.claims.sorted { $0.value < $1.value }.filter { claim in
      checker.workspaces[claim.key.identity.workspace.text]?.exports[claim.value] == nil
    }
    guard let claim = apart.pick(claims) else { return }
    let identity = claim.key.identity
    let files = storage.files.keys.filter { $0.contains("-\(claim.value)/") }
    guard !files.isEmpty, !files.contains(where: { $0.hasSuffix("/manifest.json") }) else { return }
    count("half export written over")
    overwriteFiles(
      of: version(identity.workspace.text, identity.model.text, identity.version, created: identity.created))
  }

  /// Versions that no event tells of are described otherwise in the marketplace, or have other tags, by hand; or the export
  /// that one was made from rots.
  private func changeHalfImported() {
    let told = Set(
      checker.workspaces.values.flatMap(\.models.values).flatMap { model in
        model.versions.values.compactMap(\.live?.number).map { "\(model.marketplaceName ?? "") v\($0)" }
      })
    for (name, model) in marketplace.models.sorted(by: { $0.key < $1.key }) {
      for version in model.all where version.tags["marketplace.source_key"] != nil {
        guard !told.contains("\(name.text) v\(version.version)"), attic.once(in: 2) else { continue }
        if attic.once(in: 3) {
          rotSource(of: version)
          continue
        }
        count("half import changed by hand")
        note("by hand: \(name.text) v\(version.version) described and tagged otherwise")
        // By these it is known.
        let fixed = ["marketplace.source_key", "marketplace.export_id", "marketplace.source.workspace"]
        let tag = attic.pick(version.tags.filter { !fixed.contains($0.key) })
        let (isDescribed, isTagged) = [(true, true), (true, false), (false, true)][attic.below(3)]
        marketplace.change(name.text) { model in
          if isDescribed { model.versions[version.version]?.description = "by hand" }
          guard isTagged, let tag else { return }
          let others = version.tags.filter { $0.key != tag.key }
          model.versions[version.version]?.tags = others + (attic.once(in: 2) ? [Tag(tag.key, "by hand")] : [])
        }
      }
    }
  }

  private func rotSource(of version: ModelVersion) {
    let id = version.tags["marketplace.export_id"] ?? ""
    let workspace = version.tags["marketplace.source.workspace"] ?? ""
    guard let folder = checker.workspaces[workspace]?.folders[id], let path = attic.pick(storage.below(folder)) else {
      return
    }
    count("half import spoiled")
    rot(path)
  }

  /// A registry is restored from a backup, and gives the number of a version again of which a copy lies in a folder.
  private func replaceHalfExported() {
    let claims = memory.claims.sorted { $0.value < $1.value }.filter { claim in
      checker.workspaces[claim.key.identity.workspace.text]?.exports[claim.value] == nil
    }
    guard let identity = attic.pick(claims)?.key.identity,
      let (registry, version) = version(
        identity.workspace.text, identity.model.text, identity.version, created: identity.created),
      registry.models[ByteName(version.name)]?.all.last?.version == version.version
    else { return }
    count("half export replaced")
    forgetNewest(of: ByteName(version.name), in: registry)
    addVersion(to: version.name, in: registry)
    promote(version.version, of: version.name, in: registry)
  }

  /// A manifest that no event names yet is another export's: that of an earlier attempt or version, if there is one, or
  /// one that says so itself.
  private func exchangeManifest() {
    let claims = memory.claims.filter { claim in
      checker.workspaces[claim.key.identity.workspace.text]?.exports[claim.value] == nil
    }.values.sorted()
    let manifests = storage.files.keys.filter { $0.hasSuffix("/manifest.json") }.sorted()
    guard let path = manifests.first(where: { path in claims.contains { path.contains("-\($0)/") } }) else { return }
    if yard.once(in: 2) { return forge(path) }
    let model = path.split(separator: "/").prefix(3).joined(separator: "/") + "/"
    let others = manifests.filter { $0 != path }
    let near = others.filter { $0.hasPrefix(model) }
    guard let other = yard.pick(near.isEmpty ? others : near), let bytes = storage.files[other] else { return }
    count("manifest exchanged")
    note("storage: \(path) is \(other)")
    storage.put(bytes, at: path, in: self)
  }

  /// A manifest says in one word that it is another's.
  private func forge(_ path: String) {
    guard let bytes = storage.files[path], var manifest = try? JSONDecoder().decode(Manifest.self, from: Data(bytes))
    else { return }
    switch yard.below(6) {
    case 0: manifest.exportID = yard.uuid().uuidString.lowercased()
    case 1: manifest.workspace += "x"
    case 2: manifest.model = yard.uuid().uuidString.lowercased()
    case 3: manifest.version += 1
    case 4: manifest.created -= 1
    default: manifest.generation += 1
    }
    guard let bytes = try? manifest.encoded() else { return }
    count("manifest forged")
    note("storage: \(path) is forged")
    storage.put(bytes, at: path, in: self)
  }

  /// While something is noted of an import that has not ended, exports that are not imported lose their large file, and at
  /// its source it is another by now.
  private func spoilHalfImported() {
    for (id, workspace) in checker.workspaces.sorted(by: { $0.key < $1.key }) {
      for (model, state) in workspace.models.sorted(by: { $0.key < $1.key }) {
        for (key, half) in state.versions.sorted(by: { $0.key.number < $1.key.number }) {
          guard half.live == nil, let folder = half.export.flatMap({ workspace.folders[$0.id] }),
            let large = storage.below(folder).first(where: { $0.hasSuffix("/data/large") }), apart.once(in: 2)
          else { continue }
          count("half import spoiled")
          rot(large)
          overwriteFiles(of: version(id, model, key.number, created: key.created))
        }
      }
    }
  }

  /// A version of an incarnation, if it is still there, and the registry that it is in.
  private func version(
    _ workspace: String, _ model: String, _ number: Int, created: Int64
  ) -> (RegistryState, ModelVersion)? {
    guard let name = checker.workspaces[workspace]?.models[model]?.name,
      let registry = sources.first(where: { $0.id.text == workspace })?.registry,
      let version = registry.models[ByteName(name)]?.versions[number], version.created == created
    else { return nil }
    return (registry, version)
  }

  /// The model gets other bytes under the same `MLmodel`, and a large file another length.
  private func overwriteFiles(of found: (RegistryState, ModelVersion)?) {
    guard let (registry, version) = found, registry.originals[version.source] != nil else { return }
    let (owner, folder): (String, String)
    switch RegistryState.runLocation(version.source) {
    case .run(let id, let path, _): (owner, folder) = (id, "\(path)/")
    default: (owner, folder) = (String(version.source.dropFirst("models:/".count)), "")
    }
    guard registry.artifacts[owner]?["\(folder)model.pkl"] != nil else { return }
    note("\(registry.id) \(version.name) v\(version.version): files written over")
    registry.artifacts[owner]?["\(folder)model.pkl"] = Array(apart.hex(40).utf8)
    registry.artifacts[owner]?["\(folder)data/large"]?.append(UInt8(apart.below(256)))
    registry.originals[version.source]?.append(registry.files(of: version.source) ?? [:])
  }
}
