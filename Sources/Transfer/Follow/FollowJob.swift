import Foundation
import Ledger
import Marketplace
import Registry

/// Keeps what the marketplace promotes in step with what one workspace's source means, and puts back what somebody
/// changed by hand.
struct FollowJob: Sendable {
  /// The stage of a marketplace version that is no longer promoted.
  static let withdrawnStage = "Archived"

  /// So often is decided anew when another run's events came first.
  static let attemptsMax = 5

  let context: JobContext
  let target: MarketplaceTarget
  let reading: MarketplaceReading
  let locks: ModelLocks

  var history: History { History(ledger: context.ledger, run: context.run) }

  /// The same job, recording only while the lock is held.
  func holding(_ lock: HeldLock) -> FollowJob {
    FollowJob(context: context.holding(lock), target: target, reading: reading, locks: locks)
  }

  /// What became of a workspace.
  struct Outcome: Sendable {
    var items: [Item] = []
    var sequences: [Int64] = []
    /// Marketplace versions found missing, in a dry run: what the ledger would have been told.
    var planned: [ProposedEvent] = []
    /// Marketplace versions were found missing: importing again is due.
    var hasLost = false
    var hasWritten = false
    /// Marketplace names of which a double was removed, which no item tells.
    var cleared: Set<String> = []
    /// Marketplace names that were looked at to the end.
    var examined: Set<String> = []
    /// Marketplace names of which it could not be said whether something is lost.
    var unclear: Set<String> = []

    /// Takes in what became of a part.
    mutating func note(_ part: Outcome) {
      items += part.items
      sequences += part.sequences
      planned += part.planned
      hasLost = hasLost || part.hasLost
      hasWritten = hasWritten || part.hasWritten
      cleared.formUnion(part.cleared)
      examined.formUnion(part.examined)
      unclear.formUnion(part.unclear)
    }
  }

  /// Promotes, rolls back and withdraws what history asks for, then puts back what was changed by hand.
  func follow(_ state: WorkspaceState) async throws -> Outcome {
    var outcome = Outcome()
    let changes = state.promotionChanges(target: target.id)
    let withdrawals = changes.filter { $0.to == nil }
    let available = state.models.values.count { $0.marketplace[target.id]?.available != nil }
    // A name that another incarnation takes over loses nothing; a workspace is disconnected by a person's word.
    let losses = withdrawals.count { state.successor(of: $0.model, target: target.id) == nil }
    let mayWithdraw = state.isDisconnected || context.options.withdrawals.allows(losses, of: available)
    if !mayWithdraw {
      outcome.items += withdrawals.map { blocked($0, count: losses, available: available) }
    }
    // An error that ends the run lets what is under way come to its event: a change that is made and not recorded would
    // pass for somebody's hand.
    let failure = FirstError()
    let latest = LatestState(state, history: history)
    let parts = try await concurrently(
      byName(changes.filter { $0.to != nil || mayWithdraw }), limit: context.options.modelsConcurrent
    ) { changes in
      var part = Outcome()
      for change in changes where failure.error == nil {
        guard !context.isStopping() else {
          part.items.append(Item(.left, model: change.model.name, version: change.version))
          continue
        }
        do { try await apply(change, latest, outcome: &part) } catch { failure.note(error) }
      }
      return part
    }
    if let error = failure.error { throw error }
    for part in parts { outcome.note(part) }
    let told = Set(outcome.items.map { ExactText($0.model) })
    outcome.items += state.models.values.sorted { $0.id < $1.id }
      .filter { !told.contains(ExactText($0.name)) }.compactMap { displaced($0, in: state) }
    let changed = Set(changes.map(\.model.id))
    for model in state.models.values.sorted(by: { $0.id < $1.id })
    where !changed.contains(model.id) && !context.isStopping() {
      try await putBack(model, in: state, outcome: &outcome)
    }
    return outcome
  }

  /// What may go on side by side: an incarnation that gives a name up and the one that takes it over write to one model.
  private func byName(_ changes: [PromotionChange]) -> [[PromotionChange]] {
    var places: [[UInt8]: Int] = [:]
    var groups: [[PromotionChange]] = []
    for change in changes {
      let name = Array((change.model.marketplace[target.id]?.name ?? change.model.id.stream).utf8)
      if let place = places[name] {
        groups[place].append(change)
      } else {
        places[name] = groups.count
        groups.append([change])
      }
    }
    return groups
  }

  private func blocked(_ change: PromotionChange, count: Int, available: Int) -> Item {
    Item(
      .blocked, model: change.model.name,
      trouble: Trouble(
        "too_many_withdrawals",
        "Not withdrawn: the source no longer promotes \(count) of \(available) models, "
          + "\(context.options.withdrawals.words). If that is meant, run again with --max-withdrawals \(count).",
        retriable: false))
  }

  /// A model whose promoted version is imported and stays unpromoted, since another goes on under its name.
  private func displaced(_ model: ModelState, in state: WorkspaceState) -> Item? {
    guard let name = model.marketplace[target.id]?.name, let current = state.current(of: model),
      current.imports[target.id]?.live != nil, let heir = state.heir(of: model, to: name)
    else { return nil }
    return Item(
      .failed, model: model.name, version: current.number,
      trouble: Trouble("name_collision", heir.keeps(name, from: model), retriable: false))
  }

  private func apply(_ change: PromotionChange, _ latest: LatestState, outcome: inout Outcome) async throws {
    guard let name = change.model.marketplace[target.id]?.name else { return }
    guard !context.options.isDryRun else {
      outcome.items.append(item(change, name: name))
      return
    }
    do {
      let done = try await locks.ifFree(change.model.id.stream) { lock in
        try await holding(lock).applyLocked(change, latest, name: name)
      }
      guard let done else {
        outcome.items.append(Item(.busy, model: change.model.name))
        return
      }
      outcome.hasWritten = true
      outcome.examined.insert(name)
      if let (change, sequences) = done {
        outcome.items.append(item(change, name: name))
        outcome.sequences += sequences
      }
    } catch {
      outcome.hasWritten = true
      outcome.items.append(
        Item(.failed, model: change.model.name, version: change.version, trouble: try Trouble(error)))
    }
  }

  /// Under the model's lock, on the history as it is now: the registry first, then the event. A kill in between
  /// leaves the change due, and doing it again changes nothing. An observer takes no lock, so the history may move in
  /// between: then it is read again and decided again.
  ///
  /// - Returns: what was done, or `nil` when nothing is due any more.
  /// - Throws: ``Trouble`` when the history does not hold still.
  private func applyLocked(
    _ planned: PromotionChange, _ latest: LatestState, name: String
  ) async throws -> (PromotionChange, [Int64])? {
    let id = planned.model.id
    var hasTouched = false
    for _ in 1...Self.attemptsMax {
      let state = try await latest.load()
      guard let model = state.models[id] else { return nil }
      let change = state.promotionChange(of: model, target: target.id)
      // A withdrawal that was not planned was not counted against the limit either: the next run sees to it.
      guard let change, change.to != nil || planned.to == nil else {
        if hasTouched { try await keep(model, in: state, name: name) }
        if change != nil { throw Trouble.contended(model.name) }
        return nil
      }
      hasTouched = true
      try await carryOut(change, in: state, name: name)
      var draft = EventDraft(on: state)
      draft.add(change.event(target: target.id, name: name), stream: id.stream, subject: target.id)
      do {
        return (change, try await history.append(draft.events, to: state.workspace))
      } catch let error as LedgerError where error.isLostRace {
        continue
      }
    }
    throw Trouble.contended(planned.model.name)
  }

  private func carryOut(_ change: PromotionChange, in state: WorkspaceState, name: String) async throws {
    if change.to == nil, state.successor(of: change.model, target: target.id) != nil {
      try await stepBack(change.from, name: name)
    } else {
      try await promote(change.to, insteadOf: change.from, name: name)
    }
  }

  /// Goes back to what history says after a decision that does not hold any more, lest it be taken for somebody's hand.
  private func keep(_ model: ModelState, in state: WorkspaceState, name: String) async throws {
    guard state.answersForName(model, target: target.id) else { return }
    try await promote(model.marketplace[target.id]?.available, insteadOf: nil, name: name)
  }

  /// Sets stage and alias, or takes both away.
  func promote(_ version: Int?, insteadOf before: Int?, name: String) async throws {
    let registry = target.registry
    if let version {
      if let stage = target.stage {
        try await registry.transitionStage(name: name, version: version, to: stage, archiveExistingVersions: true)
      }
      if let alias = target.alias { try await registry.setAlias(alias, ofModel: name, version: version) }
      return
    }
    if let alias = target.alias { try await registry.deleteAlias(alias, ofModel: name) }
    guard let stage = target.stage else { return }
    let staged = try await registry.modelVersions(of: name).filter { $0.stage == stage }.map(\.version)
    for number in Set(staged).union([before].compactMap(\.self)).sorted() {
      guard try await registry.modelVersion(name: name, version: number) != nil else { continue }
      try await registry.transitionStage(
        name: name, version: number, to: Self.withdrawnStage, archiveExistingVersions: false)
    }
  }

  /// Takes one version out of promotion and leaves the name to the incarnation that goes on under it.
  private func stepBack(_ before: Int?, name: String) async throws {
    guard let before, let model = try await target.registry.registeredModel(named: name) else { return }
    if let alias = target.alias, model.aliases[alias] == before {
      try await target.registry.deleteAlias(alias, ofModel: name)
    }
    let version = try await target.registry.modelVersion(name: name, version: before)
    guard let version, version.stage == target.stage else { return }
    try await target.registry.transitionStage(
      name: name, version: before, to: Self.withdrawnStage, archiveExistingVersions: false)
  }

  private func item(_ change: PromotionChange, name: String) -> Item {
    let action: Item.Action =
      switch change.cause {
      case .promotion: .promoted
      case .rollback: .rolledBack
      case .withdrawal: .withdrawn
      case .drift: .driftPutBack
      }
    let from = change.from.flatMap { change.model.marketplace[target.id]?.sourceVersions[$0] }
    return Item(action, model: change.model.name, version: change.version, from: from, marketplaceName: name)
  }
}

extension Trouble {
  /// The history moved each time something was decided on it.
  static func contended(_ model: String) -> Trouble {
    Trouble(
      "contended", "Other runs kept changing what is known of \(model) at the same time: run again.", retriable: true)
  }
}
