import Foundation
import Marketplace
import Registry

/// J10: what was made from an export that was found damaged is removed by whoever holds the lock of its model, or held it
/// when it was found; nobody else may know who goes on with it.
struct GuardChecker {
  let process: SimulatedProcess
  private var world: World { process.world }

  /// A process listed things with one key.
  func listed(_ found: [(id: String, tags: [Tag])], by tag: Tag) {
    // Who looks once more, by history, takes away what has a double.
    guard tag.key == "marketplace.source_key" else { return process.conduct.unguarded = [] }
    let parts = tag.value.split(separator: "/").map(String.init)
    guard parts.count == 5, let workspace = world.checker.workspaces[parts[0]] else { return }
    let key = Self.lock(of: parts[1])
    let holds = process.sessions.contains { $0.held[key] != nil }
    for (id, tags) in found {
      // What was given up before it began, or by itself, it knows of for sure.
      let givenUp = tags["marketplace.export_id"].flatMap { workspace.givenUp[$0] }
      let isKnown = givenUp.map { $0.at < process.began || $0.by == process.run } ?? false
      // A version under a name that the model does not have is nobody's, and goes without a question.
      let isElsewhere = id.contains(" v") && !isNamed(id, workspace.models[parts[1]]?.marketplaceName)
      if holds || !isKnown || isElsewhere {
        process.conduct.unguarded.remove(id)
      } else {
        process.conduct.unguarded.insert(id)
      }
    }
  }

  private func isNamed(_ version: String, _ name: String?) -> Bool {
    guard let name, let end = version.range(of: " v", options: .backwards) else { return false }
    return ByteName(String(version[..<end.lowerBound])) == ByteName(name)
  }

  /// A process removes something.
  func deletes(_ id: String) {
    guard process.conduct.unguarded.contains(id) else { return }
    world.violated("J10", "\(id) is removed by a run that had lost its lock before it found it")
  }

  /// The number of a model's lock.
  static func lock(of model: String) -> Int64 {
    withUnsafeBytes(of: NameBasedUUID.make(["lock", "model/\(model)"]).uuid) { $0.loadUnaligned(as: Int64.self) }
  }
}
