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
    let imported = state.models.values.sorted { $0.id < $1.id }.compactMap(imported)
    var suspects: [Imported] = []
    for one in imported where names?.contains(Array(one.marketplace.name.utf8)) ?? true {
      do {
        if try await mayHaveLost(one.model, one.marketplace, in: state) { suspects.append(one) }
      } catch {
        try outcome.note(error, of: one)
      }
    }
    for (one, listed) in zip(suspects, try await versions(of: suspects, among: imported, in: state.workspace))
    where !context.isStopping() {
      do {
        for version in one.versions {
          try await look(for: version, of: one.model, among: try listed.get(), in: state, outcome: &outcome)
        }
      } catch {
        try outcome.note(error, of: one)
      }
    }
    return outcome
  }

  private func imported(_ model: ModelState) -> Imported? {
    guard let marketplace = model.marketplace[target.id] else { return nil }
    let versions = (Array(model.versions.values) + Array(model.replaced.values))
      .filter { $0.imports[target.id]?.live != nil }.sorted { ($0.number, $0.created) < ($1.number, $1.created) }
    return versions.isEmpty ? nil : Imported(model: model, marketplace: marketplace, versions: versions)
  }

  /// A model of which something was imported.
  fileprivate struct Imported: Sendable {
    var model: ModelState
    var marketplace: MarketplaceState
    /// Those of its versions, ascending.
    var versions: [VersionState]
  }

  /// The versions that the registry lists of each suspect: in one listing of all that carry the workspace's tag, where so
  /// many are suspected that it costs less than one for each. What it lacks is asked for like anything that is missing.
  private func versions(
    of suspects: [Imported], among all: [Imported], in workspace: WorkspaceID
  ) async throws -> [Result<[ModelVersion], any Error>] {
    let count = all.reduce(0) { $0 + $1.versions.count }
    if suspects.count >= context.options.modelsListedAtOnceMin, suspects.count * 2 >= all.count,
      count <= RegistryReading.versionsListedAtOnceMax
    {
      do {
        let found = try await target.registry.modelVersions(tagged: Tag(OwnTags.workspace, workspace.text))
        let named = Dictionary(grouping: found) { Array($0.name.utf8) }
        return suspects.map { .success(named[Array($0.marketplace.name.utf8)] ?? []) }
      } catch let error as RegistryError {
        guard error.mayComeInParts else { return suspects.map { _ in .failure(error) } }
      }
    }
    return try await concurrently(suspects, limit: context.options.modelsConcurrent) { one in
      guard !context.isStopping() else { return .success([]) }
      do {
        return .success(try await target.registry.modelVersions(of: one.marketplace.name))
      } catch {
        return .failure(error)
      }
    }
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
      outcome.cleared.insert(double.name)
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

extension FollowJob.Outcome {
  /// Of this model it could not be said whether something is lost.
  fileprivate mutating func note(_ error: any Error, of one: FollowJob.Imported) throws {
    unclear.insert(one.marketplace.name)
    items.append(Item(.failed, model: one.model.name, trouble: try Trouble(error)))
  }
}
