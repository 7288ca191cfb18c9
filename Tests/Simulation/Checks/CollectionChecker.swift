import Foundation
import Marketplace
import Transfer

/// J10: what nobody needs is found and goes, what somebody needs stays, once faults have stopped and long after.
struct CollectionChecker {
  /// What lay in the folders of exports.
  struct Store {
    private let sizes: [String: [Int]]

    init(_ world: World) {
      let folders = world.storage.exports(below: "exports")
      sizes = Dictionary(
        uniqueKeysWithValues: folders.map { folder in
          (folder, world.storage.below(folder).map { world.storage.files[$0]?.count ?? 0 })
        })
    }

    var folders: Int { sizes.count }
    func files(in folder: String) -> Int? { sizes[folder]?.count }
    func bytes(in folder: String) -> Int64 { Int64(sizes[folder]?.reduce(0, +) ?? 0) }
  }

  let world: World
  let job: SimulatedJob
  /// The same as a dry run just before.
  let plan: SimulatedJob
  /// The store before both.
  let before: Store

  /// Somebody removes a file: whoever collects leaves what is young.
  static func deletes(_ path: String, _ process: SimulatedProcess) {
    guard let age = process.collectsOlderThan else { return }
    let folder = path.split(separator: "/").prefix(4).joined(separator: "/")
    let storage = process.world.storage
    let youngest = storage.below(folder).compactMap { storage.modified[$0] }.max() ?? 0
    // Whoever has lost the model's lock may still write there.
    let isHeld = process.world.plan.lockLostOnceIn == 0
    if isHeld, process.world.clock - youngest < age { process.world.violated("J10", "\(path) is removed and is young") }
    if process.options.isDryRun { process.world.violated("J7", "a dry run removed \(path)") }
  }

  func check() {
    guard let report = job.collection, let planned = plan.collection else {
      return violated("the collection failed: \(job.failure ?? plan.failure ?? "")")
    }
    for (items, outcome) in [(planned.items, CollectedItem.Outcome.planned), (report.items, .collected)] {
      for item in items {
        if item.outcome != outcome { violated("\(item.path) is \(item.outcome), not \(outcome)") }
        if item.files != before.files(in: item.path) || item.bytes != before.bytes(in: item.path) {
          violated("\(item.path) had other files than \(item.files) of \(item.bytes) bytes")
        }
      }
    }
    if planned.items.map(\.path) != report.items.map(\.path) || planned.bytes != report.bytes
      || planned.items.map(\.reason) != report.items.map(\.reason) || planned.kept != report.kept
    {
      violated("a plan said otherwise")
    }
    let kept = report.kept.values.reduce(0, +)
    if report.folders != before.folders || kept + report.items.count != before.folders {
      violated("of \(before.folders) folders it saw \(report.folders), kept \(kept), removed \(report.items.count)")
    }
    let bytes = report.items.reduce(0) { $0 + $1.bytes }
    if report.bytes != bytes || report.counts != (report.items.isEmpty ? [:] : [.collected: report.items.count]) {
      violated("its sums are not those of its items")
    }
    if planned.isDryRun == report.isDryRun { violated("a plan and a deed look alike") }
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
