import Ledger
import Marketplace
import Transfer

/// Compares a plan with the run after it, when nothing failed and nobody worked in between.
struct PlanChecker {
  let world: World
  let plan: JobReport
  let report: JobReport
  /// What the run appended.
  let facts: [Fact]

  /// What a plan cannot foresee: a model of which something failed, or was found damaged, is left out.
  private static let surprises: Set<Item.Action> = [.failed, .invalidated, .skipped]

  /// What cannot have the name that it was first seen under may be refused the one that it has now.
  private static let refusals: Set<String?> = ["name_collision", "illegal_name"]

  func check() {
    for part in report.workspaces {
      let planned = plan.workspaces.first { $0.workspace == part.workspace }
      if let trouble = planned?.trouble { violated("\(part.workspace): the plan had trouble: \(trouble.message)") }
      let (before, after) = (deeds(planned), deeds(part))
      let refused = (planned?.items ?? []).filter { Self.refusals.contains($0.trouble?.code) }
      let won = named(in: part.workspace).intersection(refused.map { ByteName($0.model) })
      for name in Set(before.keys).union(after.keys).sorted() where after[name] != [] {
        let surprised = part.items.contains { ByteName($0.model) == name && Self.surprises.contains($0.action) }
        guard !surprised, before[name] != after[name], !won.contains(name) else { continue }
        violated("\(part.workspace) \(name.text): planned \(before[name] ?? []), done \(after[name] ?? [])")
      }
      checkDrift(planned, part, busy: Set(before.keys).union(after.keys))
      guard let planned else { continue }
      if (planned.models, planned.changes, planned.promotions) != (part.models, part.changes, part.promotions) {
        violated(
          "\(part.workspace): planned were \(planned.models), \(planned.changes) and \(planned.promotions), found "
            + "\(part.models), \(part.changes) and \(part.promotions)")
      }
    }
  }

  /// The models that were given a name of their own by the run. Of two that may have one, the first to ask gets it; a run
  /// has several ask at once, so a plan may give it to the other.
  private func named(in workspace: WorkspaceID) -> Set<ByteName> {
    let models = world.checker.workspaces[workspace.text]?.models ?? [:]
    return Set(
      facts.filter { $0.event.type == "MarketplaceNameAssigned" && $0.text("workspace") == workspace.text }
        .compactMap { models[$0.text("model")].map { ByteName($0.name) } })
  }

  /// What somebody changed by hand is to be put back, where nothing else happens to the model and no other has its name.
  private func checkDrift(_ planned: WorkspaceReport?, _ part: WorkspaceReport, busy: Set<ByteName>) {
    let models = world.checker.workspaces[part.workspace.text]?.models.values
    for model in models.map(Array.init) ?? [] where !busy.contains(ByteName(model.name)) {
      guard let name = model.marketplaceName.map({ ByteName($0) }),
        models?.count(where: { $0.marketplaceName.map { ByteName($0) } == name || $0.name == model.name }) == 1
      else { continue }
      let (before, after) = (isDrift(of: model.name, in: planned), isDrift(of: model.name, in: part))
      if before != after {
        violated(
          "\(part.workspace) \(model.name): drift was \(before ? "" : "not ")planned, \(after ? "" : "not ")put back")
      }
    }
  }

  private func isDrift(of name: String, in part: WorkspaceReport?) -> Bool {
    part?.items.contains { ByteName($0.model) == ByteName(name) && $0.action == .driftPutBack } ?? false
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
