import Ledger
import Marketplace
import Registry

extension FollowJob {
  /// Marketplace versions that history holds for imported and the registry no longer has under our key.
  ///
  /// Runs before imports, so that what was lost is imported again in the same run. Superseded and withdrawn versions
  /// count too: they are told to be lost, and are imported again only when the source means them again.
  ///
  /// - Parameter names: the marketplace names to look at; `nil` for all that may have lost something.
  func findLost(_ state: WorkspaceState, only names: Set<[UInt8]>? = nil) async throws -> Outcome {
    var outcome = Outcome()
    for model in state.models.values.sorted(by: { $0.id < $1.id }) where !context.isStopping() {
      guard let marketplace = model.marketplace[target.id],
        names?.contains(Array(marketplace.name.utf8)) ?? true
      else { continue }
      let imported = (Array(model.versions.values) + Array(model.replaced.values))
        .filter { $0.imports[target.id]?.live != nil }.sorted { ($0.number, $0.created) < ($1.number, $1.created) }
      guard !imported.isEmpty else { continue }
      do {
        guard try await mayHaveLost(model, marketplace, in: state) else { continue }
        let listed = try await target.registry.modelVersions(of: marketplace.name)
        for version in imported {
          try await look(for: version, of: model, among: listed, in: state, outcome: &outcome)
        }
      } catch {
        outcome.unclear.insert(marketplace.name)
        outcome.items.append(Item(.failed, model: model.name, trouble: try Trouble(error)))
      }
    }
    return outcome
  }

  private func look(
    for version: VersionState, of model: ModelState, among listed: [ModelVersion], in state: WorkspaceState,
    outcome: inout Outcome
  ) async throws {
    guard let live = version.imports[target.id]?.live else { return }
    let key = VersionIdentity(state.workspace, model, version).sourceKey(generation: live.generation)
    let ours = listed.filter { $0.tags[OwnTags.sourceKey] == key }
    // The one that history names is the one; others are what a run made that had lost its lock.
    for double in ours where double.version != live.marketplaceVersion && !context.options.isDryRun {
      try await target.registry.deleteModelVersion(name: double.name, version: double.version)
      outcome.hasWritten = true
    }
    if ours.contains(where: { $0.version == live.marketplaceVersion }) { return }
    // Absence from a listing says nothing; only the registry's own word does.
    let asked = try await target.registry.modelVersion(name: live.marketplaceName, version: live.marketplaceVersion)
    if asked?.tags[OwnTags.sourceKey] == key { return }
    try await lose(live, of: version, of: model, isReplaced: asked != nil, in: state, outcome: &outcome)
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
    do {
      outcome.sequences += try await history.append([event], to: state.workspace)
    } catch let error as LedgerError where error.isLostRace {
      // Another run has told of it already, in other words.
      return
    }
  }
}
