import Foundation
import Marketplace
import Registry
import Storage
import Transfer

/// What others leave in the store, and what a database that was restored does not know.
extension World {
  /// Somebody puts something below `exports/` that is no export of ours.
  func litter() {
    guard let folder = storage.exports(below: "exports").first else { return }
    let place = folder.split(separator: "/").prefix(3).joined(separator: "/")
    let site = folder.split(separator: "/").prefix(2).joined(separator: "/")
    let id = attic.uuid().uuidString
    let (path, isLike): (String, Bool) =
      switch attic.below(10) {
      case 0: ("exports/notes.txt", false)
      case 1: ("\(site)/notes.txt", false)
      case 2: ("\(place)/1-\(id.lowercased())", false)
      case 3: ("\(place)/1-copy/manifest.json", false)
      case 4: ("\(place)/01-\(id.lowercased())/manifest.json", false)
      case 5: ("\(place)/1-\(id)/manifest.json", false)
      case 6: ("\(place)/0-\(id.lowercased())/manifest.json", false)
      case 7: ("\(place)\(StorageState.link)", false)
      case 8: ("\(site)/nobody/1-\(id.lowercased())/manifest.json", true)
      default: ("exports/elsewhere/model/1-\(id.lowercased())/manifest.json", true)
      }
    note("storage: \(path) is somebody else's")
    storage.foreign[path] = isLike
  }

  /// The database is restored from a backup that was made just before exports began which no event names yet.
  func forgetClaims() {
    let unnamed = memory.claims.filter { claim in
      checker.workspaces[claim.key.identity.workspace.text]?.exports[claim.value] == nil
    }
    guard !unnamed.isEmpty else { return }
    count("claims forgotten")
    for (key, id) in unnamed {
      note("\(key.identity.workspace) v\(key.identity.version): claim \(id) forgotten")
      memory.claims[key] = nil
      forgotten[key] = id
    }
  }

  /// More exports that nobody needs, or that nobody knows, than a report names one by one.
  ///
  /// - Returns: their folders.
  func fillAttic(isKnown: Bool) -> [String] {
    guard let folder = storage.exports(below: "exports").first else { return [] }
    let place = isKnown ? folder.split(separator: "/").prefix(3).joined(separator: "/") : "exports/elsewhere/model"
    note("storage: \(place) fills up")
    return (0...CollectionReport.keptMax).map { _ in
      let folder = "\(place)/1-\(attic.uuid().uuidString.lowercased())"
      storage.put([1], at: "\(folder)/MLmodel", in: self)
      return folder
    }
  }

  /// While a process is changing what is promoted of a model, its source comes to mean something else.
  ///
  /// - Returns: the workspace, where there is such a model.
  func turnBack(_ name: ByteName) -> WorkspaceID? {
    for (id, workspace) in checker.workspaces.sorted(by: { $0.key < $1.key }) {
      let bearers = workspace.models.values.filter { model in
        model.isAlive && model.marketplaceName.map { ByteName($0) } == name
      }
      guard let site = sources.first(where: { $0.id.text == id }), site.isConfigured,
        let model = bearers.max(by: { $0.tookName < $1.tookName }),
        let record = site.registry.models[ByteName(model.name)], record.created == model.created
      else { continue }
      tick()
      count("source turned back")
      turnBack(record, from: model, in: site.registry)
      return site.id
    }
    return nil
  }

  private func turnBack(_ record: ModelRecord, from model: LogChecker.Model, in registry: RegistryState) {
    let before = model.versions.first { $0.value.live?.number == model.available && model.available != nil }?.key
    note("\(registry.id) \(record.name) is turned back, v\(before?.number ?? 0) was available")
    if attic.once(in: 8) { return registry.deleteModel(record.name) }
    registry.change(record.name) { $0.aliases = [:] }
    let isMeant = before.map { record.versions[$0.number]?.created == $0.created } ?? false
    if let before, isMeant, !attic.once(in: 3) {
      _ = registry.transition(record.name, before.number, to: "Production", archives: true, at: clock)
      return
    }
    for version in record.all where version.stage != "Archived" {
      _ = registry.transition(record.name, version.version, to: "Archived", archives: false, at: clock)
    }
  }
}
