import Foundation
import Ledger
import Marketplace
import Registry

/// The job in one workspace: observe, export, import, follow, each on the history the one before it left.
struct WorkspaceJob: Sendable {
  let context: JobContext
  let workspace: SourceWorkspace
  let target: MarketplaceTarget?
  let reading: MarketplaceReading?
  let steps: SyncJob.Steps
  let locks: ModelLocks
  let names: NameRegister

  /// What became of the workspace.
  struct Outcome: Sendable {
    var report: WorkspaceReport
    /// Whether the marketplace registry was written to.
    var hasWritten = false
    /// Marketplace names of which a double was removed.
    var cleared: Set<String> = []
    /// Marketplace names that were looked at to the end.
    var examined: Set<String> = []
    /// Marketplace names of which it could not be said whether something is lost.
    var unclear: Set<String> = []
    /// The history after the imports.
    var state: WorkspaceState?

    /// Takes in what following the source came to.
    mutating func note(_ result: FollowJob.Outcome) {
      report.items += result.items
      report.note(result.sequences)
      hasWritten = hasWritten || result.hasWritten
      cleared.formUnion(result.cleared)
      unclear.formUnion(result.unclear)
      examined.formUnion(result.examined)
    }
  }

  private var history: History { History(ledger: context.ledger, run: context.run) }

  func run() async throws -> Outcome {
    var outcome = Outcome(report: WorkspaceReport(workspace: workspace.id))
    var state: WorkspaceState
    var source = SourceMemory()
    if steps.contains(.observe) {
      let observed = try await ObserveJob(context: context, workspace: workspace).run()
      outcome.report = observed.report
      state = observed.state
      source = SourceMemory(listed: observed.listed)
    } else {
      // Where nobody has observed anything there is nothing to append either.
      state = try await history.load(workspace.id)
    }
    // A registry that cannot be read cannot be exported from; what is exported already can still be imported.
    if steps.contains(.export), outcome.report.trouble == nil {
      try await export(&state, &outcome, known: source)
    }
    if let target, let reading, steps.contains(.import) {
      let follow = FollowJob(context: context, target: target, reading: reading, locks: locks)
      let lost = try await follow.findLost(state)
      note(lost, in: &outcome)
      for event in lost.planned { state.assume(event.event, stream: event.stream) }
      if lost.hasLost, !context.options.isDryRun { state = try await history.load(workspace.id, from: state) }
      let damaged = try await `import`(&state, &outcome, target: target)
      if !damaged.isEmpty, steps.contains(.export), outcome.report.trouble == nil {
        // A damaged export is made again at once, since the source is at hand.
        try await export(&state, &outcome, known: source, only: damaged)
        _ = try await `import`(&state, &outcome, target: target, only: damaged)
      }
      outcome.report.items += state.exportsPassedOver(target: target.id).map(Self.passedOver)
      outcome.state = state
      note(try await follow.follow(state), in: &outcome)
    }
    return outcome
  }

  /// Exports what is due, or of it what belongs to some models.
  private func export(
    _ state: inout WorkspaceState, _ outcome: inout Outcome, known source: SourceMemory,
    only models: Set<ModelID>? = nil
  ) async throws {
    let due = state.exportsDue(now: context.now(), retryFailed: context.options.retryFailed)
      .filter { models?.contains($0.model.id) ?? true }
    outcome.report.items += due.compactMap(Self.held)
    let fresh = due.filter { $0.held == nil }
    guard !context.options.isDryRun else {
      outcome.report.items += fresh.map { Item(.exported, model: $0.model.name, version: $0.version.number) }
      for due in fresh { state.assume(exported: due) }
      return
    }
    let latest = LatestState(state, history: history)
    let results = try await eachModel(fresh) { [self] due in
      try await transfer(due, latest) { state in
        state.exportsDue(of: due.model.id, now: context.now(), retryFailed: true).first { $0.isSameVersion(as: due) }
      } work: { due, context in
        try await ExportJob(context: context, workspace: workspace, known: source).run(due)
      }
    }
    note(results, in: &outcome)
    state = try await history.load(workspace.id, from: state)
  }

  /// Imports what is due, or of it what belongs to some models.
  ///
  /// - Returns: the models whose exports were found damaged.
  private func `import`(
    _ state: inout WorkspaceState, _ outcome: inout Outcome, target: MarketplaceTarget, only models: Set<ModelID>? = nil
  ) async throws -> Set<ModelID> {
    let due = state.importsDue(target: target.id, now: context.now(), retryFailed: context.options.retryFailed)
      .filter { models?.contains($0.model.id) ?? true }
    outcome.report.items += due.compactMap(Self.held)
    let fresh = due.filter { $0.held == nil }
    if context.options.isDryRun {
      let known = state
      for due in fresh { outcome.report.items.append(try await plan(due, known, &state, target)) }
    } else if !fresh.isEmpty {
      let known = state
      let latest = LatestState(state, history: history)
      let results = try await eachModel(fresh) { [self] due in
        try await transfer(due, latest) { state in
          state.importsDue(of: due.model.id, target: target.id, now: context.now(), retryFailed: true)
            .first { $0.isSameVersion(as: due) }
        } work: { [known] due, context in
          guard let export = due.version.export else { return (Item(.busy, model: due.model.name), []) }
          let job = ImportJob(context: context, target: target, state: known, locks: locks, names: names)
          let result = try await job.run(due, export: export)
          try await tagSource(due, result.0)
          return result
        }
      }
      note(results, in: &outcome)
      outcome.hasWritten = true
      state = try await history.load(workspace.id, from: state)
    }
    let known = state
    return Set(
      fresh.filter { known.models[$0.model.id]?.versions[$0.version.number]?.export == nil }.map(\.model.id))
  }

  /// Models side by side, the versions of one after each other: they have one lock.
  private func eachModel(
    _ due: [DueTransfer], _ work: @escaping @Sendable (DueTransfer) async throws -> (Item, [Int64])?
  ) async throws -> [(Item, [Int64])?] {
    var models: [[DueTransfer]] = []
    for one in due {
      if models.last?.last?.model.id == one.model.id {
        models[models.count - 1].append(one)
      } else {
        models.append([one])
      }
    }
    return try await concurrently(
      models, limit: context.options.modelsConcurrent, startingAt: context.place
    ) { versions in
      var results: [(Item, [Int64])?] = []
      for version in versions { results.append(try await work(version)) }
      return results
    }.flatMap(\.self)
  }

  /// Does one piece of work under the model's lock, on the history as it is then: what another run has done in the
  /// meantime is not done again. The work is given a context that records only while the lock is held.
  private func transfer(
    _ due: DueTransfer, _ latest: LatestState, stillDue: @Sendable (WorkspaceState) -> DueTransfer?,
    work: @Sendable (DueTransfer, JobContext) async throws -> (Item, [Int64])
  ) async throws -> (Item, [Int64])? {
    guard !context.isStopping() else { return (Item(.left, model: due.model.name, version: due.version.number), []) }
    do {
      let done: (Item, [Int64])?? = try await locks.ifFree(due.model.id.stream) { lock in
        let state = try await latest.load()
        guard let due = stillDue(state) else { return nil }
        return try await work(due, context.holding(lock))
      }
      return done ?? (Item(.busy, model: due.model.name, version: due.version.number), [])
    } catch let trouble as Trouble where trouble.code == Trouble.lockLostCode {
      return (Item(.failed, model: due.model.name, version: due.version.number, trouble: trouble), [])
    }
  }

  /// A courtesy to the source's owner, where the workspace asks for it; nothing ever reads it.
  private func tagSource(_ due: DueTransfer, _ item: Item) async throws {
    guard workspace.tagsSource, item.action == .imported, let name = item.marketplaceName else { return }
    do {
      try await workspace.registry.setTag(
        .init(OwnTags.marketplaceName, name), ofModel: due.model.name, version: due.version.number)
    } catch {
      _ = try Trouble(error)
    }
  }

  private func note(_ results: [(Item, [Int64])?], in outcome: inout Outcome) {
    for case let (item, sequences)? in results {
      outcome.report.items.append(item)
      outcome.report.note(sequences)
    }
  }

  private func note(_ result: FollowJob.Outcome, in outcome: inout Outcome) { outcome.note(result) }

  private static func passedOver(_ model: ModelState, _ version: VersionState) -> Item {
    Item(
      .notImported, model: model.name, version: version.number,
      trouble: Trouble(
        "no_longer_promoted",
        "v\(version.number) was exported and never imported, and its source no longer means it. It is imported when the "
          + "source promotes it again.", retriable: true))
  }

  /// A name that it cannot have in the marketplace concerns the model alone.
  private func plan(
    _ due: DueTransfer, _ known: WorkspaceState, _ state: inout WorkspaceState, _ target: MarketplaceTarget
  ) async throws -> Item {
    do {
      let name = try await names.name(for: due.model, in: known, template: target.template)
      state.assume(imported: due, target: target, name: name)
      return Item(.imported, model: due.model.name, version: due.version.number)
    } catch {
      return Item(.failed, model: due.model.name, version: due.version.number, trouble: try Trouble(error))
    }
  }

  /// Named as it is called now: it may have been renamed since it failed.
  private static func held(_ due: DueTransfer) -> Item? {
    guard let failure = due.held else { return nil }
    return Item(
      .held, model: due.model.name, version: due.version.number,
      trouble: Trouble(failure.data.code, failure.data.message, retriable: false))
  }
}
