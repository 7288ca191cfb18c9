import Marketplace
import Transfer

/// Compares a plan with the run after it, when nothing failed and nobody worked in between.
struct PlanChecker {
  let world: World
  let plan: JobReport
  let report: JobReport

  /// What a plan cannot foresee: a model of which something failed, or was found damaged, is left out.
  private static let surprises: Set<Item.Action> = [.failed, .invalidated, .skipped]

  func check() {
    for part in report.workspaces {
      let planned = plan.workspaces.first { $0.workspace == part.workspace }
      if let trouble = planned?.trouble { violated("\(part.workspace): the plan had trouble: \(trouble.message)") }
      let (before, after) = (deeds(planned), deeds(part))
      for name in Set(before.keys).union(after.keys).sorted() where after[name] != [] {
        let surprised = part.items.contains { ByteName($0.model) == name && Self.surprises.contains($0.action) }
        guard !surprised, before[name] != after[name], !hasWon(name, planned, part) else { continue }
        violated("\(part.workspace) \(name.text): planned \(before[name] ?? []), done \(after[name] ?? [])")
      }
      guard let planned else { continue }
      if (planned.models, planned.changes, planned.promotions) != (part.models, part.changes, part.promotions) {
        violated(
          "\(part.workspace): planned were \(planned.models), \(planned.changes) and \(planned.promotions), found "
            + "\(part.models), \(part.changes) and \(part.promotions)")
      }
    }
  }

  /// Whether a model got the name that the plan gave to another: of two that may have one, the first to ask gets it, and
  /// a run has several ask at once.
  private func hasWon(_ name: ByteName, _ planned: WorkspaceReport?, _ part: WorkspaceReport) -> Bool {
    let items = planned?.items ?? []
    // What cannot have the name it was first seen under may be refused the one that it has now.
    let isRefused = items.contains {
      ByteName($0.model) == name && ["name_collision", "illegal_name"].contains($0.trouble?.code)
    }
    return isRefused
      && items.contains { given in
        given.action == .imported
          && part.items.contains {
            ByteName($0.model) == ByteName(given.model) && $0.trouble?.code == "name_collision"
          }
      }
  }

  private func deeds(_ part: WorkspaceReport?) -> [ByteName: [String]] {
    var deeds: [ByteName: [String]] = [:]
    // Where one incarnation goes on under another's name, taking the one away may put the other right.
    for item in part?.items ?? [] where item.action != .driftPutBack {
      let from = item.from.map { " from v\($0)" } ?? ""
      deeds[ByteName(item.model), default: []].append("\(item.action) v\(item.version ?? 0)\(from)")
    }
    return deeds.mapValues { $0.sorted() }
  }

  private func violated(_ sentence: String) { world.violated("R", sentence) }
}
