import Foundation
import Marketplace
import Transfer

/// J10: what nobody needs is found and goes, what somebody needs stays, once faults have stopped and long after.
struct CollectionChecker {
  let world: World
  let job: SimulatedJob

  func check() {
    guard let report = job.collection else { return violated("the collection failed: \(job.failure ?? "")") }
    for item in report.items where item.outcome != .collected {
      violated("\(item.path) is \(item.reason.rawValue) and was not collected, but \(item.outcome.rawValue)")
    }
    if report.unknownCount > 0 { violated("unknown to it: \(report.unknown)") }
    for folder in world.storage.exports(below: "exports") where !world.checker.isLive(folder) && !isAwaited(folder) {
      violated("nobody needs \(folder), and it stays")
    }
    for workspace in world.checker.workspaces.values {
      for export in workspace.models.values.flatMap(\.versions.values).compactMap(\.export) {
        guard let folder = workspace.folders[export.id] else { continue }
        let path = "\(folder)/manifest.json"
        guard !world.storage.rotten.contains(path) else { continue }
        guard let files = LogChecker.read(path, world) else {
          violated("\(path) is gone, and an event names it")
          continue
        }
        for (name, file) in files { LogChecker.check("\(folder)/\(name)", file, world) }
      }
    }
  }

  /// Whether a version that is still to be exported goes on there, or had its last export there.
  private func isAwaited(_ folder: String) -> Bool {
    guard let id = folder.split(separator: "/").last?.drop(while: { $0 != "-" }).dropFirst(),
      let claim = world.memory.claims.first(where: { $0.value == id })?.key,
      let workspace = world.checker.workspaces[claim.identity.workspace.text],
      let model = workspace.models[claim.identity.model.text]
    else { return false }
    let key = LogChecker.VersionKey(number: claim.identity.version, created: claim.identity.created)
    guard let version = model.versions[key], version.export == nil, workspace.promoted(of: model).contains(key) else {
      return false
    }
    return claim.generation == version.exportGeneration || workspace.folders[String(id)] == folder
  }

  private func violated(_ sentence: String) { world.violated("J10", sentence) }
}
