import Marketplace
import Registry

/// What requests made that arrived after their process had died. Whoever saw it beside what it was using has removed it
/// by the time its import is told of; what nobody saw any more is found by `marketplace check`.
struct LateChecker {
  let world: World

  /// A process listed things with one key.
  func listed(_ ids: [String], by process: SimulatedProcess) {
    process.conduct.late.formUnion(world.arrivedLate.intersection(ids))
  }

  /// A process told of an import.
  func imported(_ fact: Fact) {
    guard let process = fact.process else { return }
    let used = world.marketplace.runs[fact.text("marketplace_run_id")]
    for id in process.conduct.late.sorted() {
      if let model = world.marketplace.loggedModels[id], model.tags["marketplace.source_key"] == fact.importKey,
        model.tags["marketplace.export_id"] == fact.text("export_id"), isUnused(id)
      {
        fact.violates("J4", "logged model \(id) is a double that it saw, and it is there")
      }
      let key = used?.tags["marketplace.source_key"]
      if let run = world.marketplace.runs[id], run.id != used?.id, !run.isDeleted, isUnused(id), key != nil,
        run.tags["marketplace.source_key"] == key
      {
        fact.violates("J4", "run \(id) is a double that it saw, and it is there")
      }
    }
  }

  /// Whether it arrived late and nobody went on with it.
  func isUnused(_ id: String) -> Bool {
    guard world.arrivedLate.contains(id) else { return false }
    if let run = world.marketplace.runs[id] { return run.status == Run.runningStatus }
    return world.marketplace.loggedModels[id]?.status == LoggedModel.pendingStatus
  }
}

extension World {
  /// The request that is longest on its way arrives.
  func deliverLate() {
    guard !late.isEmpty else { return }
    let known = Set(marketplace.runs.keys).union(marketplace.loggedModels.keys)
    count("request arrived late")
    late.removeFirst()()
    let made = Set(marketplace.runs.keys).union(marketplace.loggedModels.keys).subtracting(known)
    note("late: \(made.sorted()) made")
    arrivedLate.formUnion(made)
  }
}
