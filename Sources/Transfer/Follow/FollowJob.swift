import Foundation
import Ledger
import Marketplace
import Registry

/// Keeps what the marketplace promotes in step with what one workspace's source means, and puts back what somebody
/// changed by hand.
struct FollowJob: Sendable {
  /// The stage of a marketplace version that is no longer promoted.
  static let withdrawnStage = "Archived"

  let context: JobContext
  let target: MarketplaceTarget
  let reading: MarketplaceReading
  let locks: ModelLocks

  private var history: History { History(ledger: context.ledger, run: context.run) }

  /// What became of a workspace.
  struct Outcome: Sendable {
    var items: [Item] = []
    var sequences: [Int64] = []
    /// Marketplace versions found missing, in a dry run: what the ledger would have been told.
    var planned: [ProposedEvent] = []
    /// Marketplace versions were found missing: importing again is due.
    var hasLost = false
    var hasWritten = false
    /// Marketplace names that were looked at to the end.
    var examined: Set<String> = []
  }

  /// Marketplace versions that history holds for imported and the registry no longer has under our key.
  ///
  /// Runs before imports, so that what was lost is imported again in the same run. Superseded versions count too:
  /// a registered model that was deleted and made again gives their numbers to others.
  func findLost(_ state: WorkspaceState) async throws -> Outcome {
    var outcome = Outcome()
    for model in state.models.values.sorted(by: { $0.id < $1.id }) where !context.isStopping() {
      guard let marketplace = model.marketplace[target.id] else { continue }
      let imported = model.versions.values.filter { $0.imports[target.id]?.live != nil }
        .sorted { $0.number < $1.number }
      guard !imported.isEmpty else { continue }
      do {
        guard try await mayHaveLost(model, marketplace, in: state) else { continue }
        let listed = try await target.registry.modelVersions(of: marketplace.name)
        for version in imported {
          guard let live = version.imports[target.id]?.live else { continue }
          let identity = VersionIdentity(state.workspace, model, version)
          let key = identity.sourceKey(generation: live.generation)
          let number = live.marketplaceVersion
          if listed.contains(where: { $0.version == number && $0.tags[OwnTags.sourceKey] == key }) { continue }
          // Absence from a listing says nothing; only the registry's own word does.
          let asked = try await target.registry.modelVersion(name: marketplace.name, version: number)
          if asked?.tags[OwnTags.sourceKey] == key { continue }
          try await lose(live, of: version, of: model, isReplaced: asked != nil, in: state, outcome: &outcome)
        }
      } catch {
        outcome.items.append(Item(.failed, model: model.name, trouble: try Trouble(error)))
      }
    }
    return outcome
  }

  /// Whether the listing leaves room for a loss: the model is gone or has changed since it was last looked at, or
  /// does not promote what history says.
  private func mayHaveLost(
    _ model: ModelState, _ marketplace: MarketplaceState, in state: WorkspaceState
  ) async throws -> Bool {
    guard reading.isUnchanged(marketplace.name) else { return true }
    let wanted = state.promotionChange(of: model, target: target.id)?.to ?? marketplace.available
    guard let wanted else { return false }
    return try await reading.promotion(of: marketplace.name) != target.expected(wanted)
  }

  private func lose(
    _ live: ModelImported, of source: VersionState, of model: ModelState, isReplaced: Bool, in state: WorkspaceState,
    outcome: inout Outcome
  ) async throws {
    let place = "\(live.marketplaceName) v\(live.marketplaceVersion)"
    let trouble = Trouble(
      "marketplace_version_deleted",
      isReplaced
        ? "\(place) was deleted in the marketplace by hand, and another version has its number."
        : "\(place) was deleted in the marketplace by hand.",
      retriable: true)
    outcome.items.append(
      Item(
        .lost, model: model.name, version: source.number, marketplaceName: live.marketplaceName, trouble: trouble))
    outcome.hasLost = true
    let data = ImportLost(
      model: model.id.text, name: model.name, version: source.number, created: source.created,
      generation: live.generation, target: target.id, marketplaceName: live.marketplaceName,
      marketplaceVersion: live.marketplaceVersion, reason: trouble.message)
    let identity = VersionIdentity(state.workspace, model, source)
    let event = ProposedEvent(
      stream: model.id.stream, expectedVersion: nil,
      id: identity.eventID("import lost", generation: live.generation, target: target.id), event: .importLost(data))
    guard !context.options.isDryRun else { return outcome.planned.append(event) }
    outcome.sequences += try await history.append([event], to: state.workspace)
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
    let due = changes.filter { $0.to != nil || mayWithdraw }
    for change in due {
      guard !context.isStopping() else {
        outcome.items.append(Item(.left, model: change.model.name, version: change.version))
        continue
      }
      try await apply(change, in: state, outcome: &outcome)
    }
    let changed = Set(changes.map(\.model.id))
    for model in state.models.values.sorted(by: { $0.id < $1.id })
    where !changed.contains(model.id) && !context.isStopping() {
      try await putBack(model, in: state, outcome: &outcome)
    }
    return outcome
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

  private func apply(_ change: PromotionChange, in state: WorkspaceState, outcome: inout Outcome) async throws {
    guard let name = change.model.marketplace[target.id]?.name else { return }
    guard !context.options.isDryRun else {
      outcome.items.append(item(change, name: name))
      return
    }
    do {
      let done = try await locks.ifFree(change.model.id.stream) {
        try await applyLocked(change.model.id, in: state, name: name)
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
      outcome.items.append(
        Item(.failed, model: change.model.name, version: change.version, trouble: try Trouble(error)))
    }
  }

  /// Under the model's lock, on the history as it is now: the registry first, then the event. A kill in between
  /// leaves the change due, and doing it again changes nothing.
  private func applyLocked(
    _ id: ModelID, in known: WorkspaceState, name: String
  ) async throws -> (PromotionChange, [Int64])? {
    let state = try await history.load(known.workspace, from: known)
    guard let model = state.models[id], let change = state.promotionChange(of: model, target: target.id) else {
      return nil
    }
    if change.to == nil, state.successor(of: model, target: target.id) != nil {
      try await stepBack(change.from, name: name)
    } else {
      try await promote(change.to, insteadOf: change.from, name: name)
    }
    var draft = EventDraft(on: state)
    draft.add(change.event(target: target.id, name: name), stream: id.stream, subject: target.id)
    do {
      return (change, try await history.append(draft.events, to: state.workspace))
    } catch let error as LedgerError where error.isLostRace {
      // Whoever was first has decided on a newer history; what is due now will be seen by the next run.
      return (change, [])
    }
  }

  private func promote(_ version: Int?, insteadOf before: Int?, name: String) async throws {
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

  /// Compares what the registry promotes with what we last set, and sets it again where somebody changed it.
  private func putBack(_ model: ModelState, in state: WorkspaceState, outcome: inout Outcome) async throws {
    guard let marketplace = model.marketplace[target.id] else { return }
    // The name is its successor's, which looks after it.
    guard state.successor(of: model, target: target.id) == nil else { return }
    let expected = target.expected(marketplace.available)
    do {
      guard let seen = try await reading.promotion(of: marketplace.name), seen != expected else {
        outcome.examined.insert(marketplace.name)
        return
      }
      guard !context.options.isDryRun else {
        outcome.items.append(drift(model, marketplace, found: seen, expected: expected))
        return
      }
      let done = try await locks.ifFree(model.id.stream) {
        try await putBackLocked(model.id, in: state, name: marketplace.name)
      }
      guard let done else {
        outcome.items.append(Item(.busy, model: model.name))
        return
      }
      outcome.examined.insert(marketplace.name)
      guard let (found, sequences) = done else { return }
      outcome.hasWritten = true
      outcome.items.append(drift(model, marketplace, found: found, expected: expected))
      outcome.sequences += sequences
    } catch {
      outcome.items.append(Item(.failed, model: model.name, trouble: try Trouble(error)))
    }
  }

  private func putBackLocked(
    _ id: ModelID, in known: WorkspaceState, name: String
  ) async throws -> (ObservedPromotion, [Int64])? {
    let state = try await history.load(known.workspace, from: known)
    guard let model = state.models[id], let marketplace = model.marketplace[target.id],
      state.promotionChange(of: model, target: target.id) == nil,
      state.successor(of: model, target: target.id) == nil,
      let found = try await MarketplaceReading.promotion(of: name, in: target)
    else { return nil }
    let expected = target.expected(marketplace.available)
    guard found != expected else { return nil }
    var draft = EventDraft(on: state)
    let data = MarketplaceDriftFound(
      model: id.text, name: model.name, target: target.id, marketplaceName: name, kind: "promotion",
      found: found.text, expected: expected.text)
    draft.add(.marketplaceDriftFound(data), stream: id.stream, subject: target.id)
    try await promote(marketplace.available, insteadOf: nil, name: name)
    let set = MarketplacePromotionSet(
      model: id.text, name: model.name, target: target.id, marketplaceName: name, from: marketplace.available,
      to: marketplace.available, version: marketplace.available.flatMap { marketplace.sourceVersions[$0] },
      cause: .drift)
    draft.add(.marketplacePromotionSet(set), stream: id.stream, subject: target.id)
    do {
      return (found, try await history.append(draft.events, to: state.workspace))
    } catch let error as LedgerError where error.isLostRace {
      return (found, [])
    }
  }

  private func drift(
    _ model: ModelState, _ marketplace: MarketplaceState, found: ObservedPromotion, expected: ObservedPromotion
  ) -> Item {
    Item(
      .driftPutBack, model: model.name, version: marketplace.available.flatMap { marketplace.sourceVersions[$0] },
      marketplaceName: marketplace.name,
      trouble: Trouble(
        "marketplace_drift", "The marketplace was changed by hand: found \(found.text), put back \(expected.text).",
        retriable: true))
  }
}
