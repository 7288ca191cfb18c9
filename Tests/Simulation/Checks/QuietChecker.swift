import Foundation
import Ledger
import Marketplace
import Transfer

/// J7: where nothing changed nothing is appended, nothing is written, and each registry is asked once.
struct QuietChecker {
  let world: World
  let job: SimulatedJob
  /// Events in each workspace before it.
  let before: [String: Int]

  func check() {
    guard let report = job.report else { return violated("a quiet run failed: \(job.failure ?? "")") }
    if job.process.writes > 0 { violated("a quiet run made \(job.process.writes) writes") }
    for (id, events) in world.log.workspaces {
      for event in events.dropFirst(before[id] ?? 0) where event.type != "WorkspaceObserved" {
        violated("a quiet run appended \(event.type) to \(id)")
      }
    }
    // What failed and may be mended by trying again is tried again, and asked for.
    guard !report.workspaces.contains(where: { $0.items.contains { $0.action == .failed } }) else { return }
    for (id, requests) in job.process.conduct.requests {
      let registry = world.sources.first { $0.id.text == id }?.registry ?? world.marketplace
      var most = ["list models": 1]
      // MLflow 2 leaves an alias on a version that is gone. Where nobody ever saw that version, it is looked for, and if
      // a version is newer than its model, so is the model.
      let dangling = registry.models.values.count { model in model.aliases.values.contains { model.versions[$0] == nil }
      }
      if registry !== world.marketplace {
        (most["list versions"], most["get a model"]) = (dangling, dangling)
        most["list versions of all models"] = min(dangling, 1)
      }
      if requests.contains(where: { $0.value > most[$0.key] ?? 0 }) { violated("a quiet run asked \(id): \(requests)") }
    }
  }

  private func violated(_ sentence: String) { world.violated("J7", sentence) }
}
