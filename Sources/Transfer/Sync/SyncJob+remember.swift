import Marketplace
import Registry

extension SyncJob {
  /// What we wrote moved the marketplace's times: read them once more, so that a run with no change stays quiet.
  ///
  /// Only of models that this run looked at to the end: what somebody changed by hand in another's must not pass for
  /// seen. Nor must what was deleted by hand in one of ours while we were at it, so those that we wrote are looked at
  /// once more, after the listing whose times are kept.
  func remember(
    _ reading: MarketplaceReading, _ outcomes: [WorkspaceJob.Outcome], locks: ModelLocks, report: inout JobReport
  ) async throws {
    guard !context.options.isDryRun else { return }
    let unclear = Set(outcomes.flatMap(\.unclear))
    let examined = Set(outcomes.flatMap(\.examined).filter { !unclear.contains($0) }.map { Array($0.utf8) })
    // That a version was found missing changed nothing in the registry.
    let changed = outcomes.flatMap(\.report.items).filter { $0.action != .lost }
    let names = changed.compactMap(\.marketplaceName) + outcomes.flatMap(\.cleared)
    let written = Set(names.map { Array($0.utf8) })
    do {
      var listed = reading.listed
      var looked = listed.filter { examined.contains(Array($0.name.utf8)) && !written.contains(Array($0.name.utf8)) }
      if outcomes.contains(where: \.hasWritten) {
        let again = try await reading.again()
        listed = again.listed
        let settled = try await lookAgain(at: written, again, outcomes, locks: locks, report: &report)
        looked += listed.filter { examined.contains(Array($0.name.utf8)) && settled.contains(Array($0.name.utf8)) }
      }
      try await reading.cursors.save(looked, of: listed, to: context.memory)
    } catch {
      report.marketplaceTrouble = try Trouble(error)
    }
  }

  /// - Returns: the names among those that were written of whose versions it is known which are there.
  private func lookAgain(
    at written: Set<[UInt8]>, _ reading: MarketplaceReading, _ outcomes: [WorkspaceJob.Outcome], locks: ModelLocks,
    report: inout JobReport
  ) async throws -> Set<[UInt8]> {
    let follow = FollowJob(context: context, target: reading.target, reading: reading, locks: locks)
    let history = History(ledger: context.ledger, run: context.run)
    var settled = written
    for outcome in outcomes where outcome.hasWritten {
      guard let known = outcome.state else { continue }
      // Another run may have imported some of them meanwhile, and what it made has to be looked for too.
      let state = try await history.load(known.workspace, from: known)
      let lost = try await follow.findLost(state, only: written)
      // What was removed just now has moved the times once more.
      settled.subtract(lost.cleared.map { Array($0.utf8) })
      settled.subtract(imported(since: state, try await history.load(state.workspace, from: state)))
      guard !lost.items.isEmpty else { continue }
      // What is told to be lost needs no second look: if it is due again, history says so.
      settled.subtract(lost.unclear.map { Array($0.utf8) })
      guard let index = report.workspaces.firstIndex(where: { $0.workspace == state.workspace }) else { continue }
      report.workspaces[index].items += lost.items
      report.workspaces[index].note(lost.sequences)
    }
    // Whoever is to finish looks at no more models: what was passed over must not pass for seen.
    return context.isStopping() ? [] : settled
  }

  /// The marketplace names of models of which something was imported in the meantime.
  private func imported(since before: WorkspaceState, _ after: WorkspaceState) -> Set<[UInt8]> {
    guard let target else { return [] }
    let models = after.models.values.filter { model in
      let known = before.models[model.id]
      return model.versions.contains { number, version in
        guard let live = version.imports[target.id]?.live else { return false }
        return live != known?.versions[number]?.imports[target.id]?.live
      }
    }
    return Set(models.compactMap { $0.marketplace[target.id].map { Array($0.name.utf8) } })
  }
}
