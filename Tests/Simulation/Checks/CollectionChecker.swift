import Foundation
import Marketplace
import Storage
import Transfer

/// J10: what nobody needs is found and goes, what somebody needs stays, once faults have stopped and long after.
struct CollectionChecker {
  /// What lay in the folders of exports.
  struct Store {
    private let sizes: [String: [Int]]
    /// Unfinished uploads in the order of their names.
    let uploads: [UnfinishedUpload]
    /// What somebody else left, and of that what looks like exports.
    let foreign: Int
    let foreignFolders: Int

    init(_ world: World) {
      uploads = world.storage.unfinished(below: "exports")
      foreign = world.storage.foreign.count
      foreignFolders = world.storage.foreign.values.count { $0 }
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
    if process.world.storage.foreign[path] != nil { process.world.violated("J10", "\(path) is somebody else's") }
    let folder = path.split(separator: "/").prefix(4).joined(separator: "/")
    let storage = process.world.storage
    let youngest = storage.below(folder).compactMap { storage.modified[$0] }.max() ?? 0
    // Whoever has lost the model's lock may still write there.
    let isHeld = process.world.plan.lockLostOnceIn == 0
    if isHeld, process.world.clock - youngest < age { process.world.violated("J10", "\(path) is removed and is young") }
    if process.options.isDryRun { process.world.violated("J7", "a dry run removed \(path)") }
  }

  /// Somebody removes an unfinished upload alone: it is not young. With its folder it goes whatever its age.
  static func discards(_ upload: UnfinishedUpload, _ process: SimulatedProcess) {
    let world = process.world
    let files = world.storage.below(StorageState.folder(upload.key.path))
    let isAlone = files.isEmpty || files.contains { $0.hasSuffix("/manifest.json") }
    guard let age = process.collectsOlderThan, isAlone, world.plan.lockLostOnceIn == 0 else { return }
    if world.clock - (upload.modified ?? 0) < age { world.violated("J10", "\(upload.id) is removed and is young") }
  }

  /// Whatever a collection removed, nobody goes on there: what was claimed for it is claimed anew.
  static func checkClaims(_ job: SimulatedJob, _ world: World) {
    for item in job.collection?.items ?? [] where item.outcome == .collected && item.reason != .unfinished {
      let name = item.path.split(separator: "/").last ?? ""
      let id = name.drop { $0 != "-" }.dropFirst()
      if world.memory.claims.values.contains(where: { $0 == id }) {
        world.violated("J10", "\(item.path) is removed, and the next attempt would go on there")
      }
    }
  }

  /// How many of what a report names it keeps.
  static func checkKept(_ job: SimulatedJob, _ world: World, removable: Int, unknown: Int) {
    guard let report = job.collection else { return world.violated("J10", "no collection: \(job.failure ?? "")") }
    let most = CollectionReport.keptMax
    let counted = report.counts[.planned] ?? 0
    if counted < removable || report.items.count != min(most, counted) {
      world.violated("J10", "of \(removable) folders that may go \(report.items.count) are told, \(counted) counted")
    }
    if report.unknownCount < unknown || report.unknown.count != min(most, report.unknownCount) {
      world.violated("J10", "of \(unknown) unknown \(report.unknown.count) are told, \(report.unknownCount) counted")
    }
    let kept = report.kept.values.reduce(0, +)
    let folders = world.storage.exports(below: "exports").count + world.storage.foreign.values.count { $0 }
    if report.folders != folders || kept + counted - world.storage.uploads.count > folders {
      world.violated("J10", "of \(folders) folders it saw \(report.folders)")
    }
  }

  func check() {
    guard let report = job.collection, let planned = plan.collection else {
      return violated("the collection failed: \(job.failure ?? plan.failure ?? "")")
    }
    for (items, outcome) in [(planned.items, CollectedItem.Outcome.planned), (report.items, .collected)] {
      for item in items {
        if item.outcome != outcome { violated("\(item.path) is \(item.outcome), not \(outcome)") }
        if item.reason == .unfinished {
          if item.files != 0 || !before.uploads.contains(where: { $0.key.path == item.path && $0.bytes == item.bytes })
          {
            violated("\(item.path) was no unfinished upload of \(item.bytes) bytes")
          }
        } else if item.files != before.files(in: item.path) || item.bytes != before.bytes(in: item.path) {
          violated("\(item.path) had other files than \(item.files) of \(item.bytes) bytes")
        }
      }
    }
    // An upload that is listed with the folder that it lies in goes with that.
    let (plans, deeds) = (folders(of: planned), folders(of: report))
    if plans != deeds || planned.kept != report.kept {
      violated("a plan said otherwise")
    }
    let kept = report.kept.values.reduce(0, +)
    let folders = before.folders + before.foreignFolders
    let removed = report.items.count { $0.reason != .unfinished }
    if report.folders != folders || kept + removed != folders {
      violated("of \(folders) folders it saw \(report.folders), kept \(kept), removed \(removed)")
    }
    let bytes = report.items.reduce(0) { $0 + $1.bytes }
    if report.bytes != bytes || report.counts != (report.items.isEmpty ? [:] : [.collected: report.items.count]) {
      violated("its sums are not those of its items")
    }
    if planned.isDryRun == report.isDryRun { violated("a plan and a deed look alike") }
    if report.unknownCount != before.foreign { violated("unknown to it: \(report.unknown)") }
    for upload in world.storage.unfinished(below: "exports") {
      violated("nobody is at work on \(upload.key) any more, and it stays")
    }
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

  private func folders(of report: CollectionReport) -> [String] {
    report.items.filter { $0.reason != .unfinished }.map { "\($0.reason) \($0.path) \($0.bytes)" }
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
