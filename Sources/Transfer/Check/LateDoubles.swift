import Ledger
import Marketplace
import Registry

/// Finds what a job that died made in the marketplace after its work was done: the request that creates a run or a
/// logged model may arrive when another job has long made its own, and then nobody looks any more.
///
/// What was made so carries the key of the one in use, is empty, and is used by nobody.
struct LateDoubles: Sendable {
  let context: JobContext
  let target: MarketplaceTarget
  let state: WorkspaceState
  /// Under which they are removed; `nil` where they are only told of.
  let locks: ModelLocks?

  private var registry: any ModelRegistry { target.registry }

  /// What became of the doubles of one key.
  private struct Settled: Sendable {
    var ids: [String] = []
    var isRemoved = false
  }

  /// Tells of each, and removes it where there are locks.
  func run() async throws -> [Violation] {
    let experiments = try await registry.experiments(tagged: Tag(OwnTags.workspace, state.workspace.text)).map(\.id)
    let runs = try await registry.unfinishedRuns(inExperiments: experiments)
    let models = try await registry.unfinishedLoggedModels(inExperiments: experiments)
    var violations: [Violation] = []
    for key in keys(runs.map(\.tags)) {
      let settled = try await settle(key) {
        ImportedRun.doubles(in: try await registry.runs(inExperiments: experiments, tagged: key))
          .filter { $0.status == Run.runningStatus && !isNamed($0.id) }.map(\.id)
      } remove: { id in
        try await registry.deleteRun(id)
      }
      violations += tell(of: settled, "run", key)
    }
    for key in keys(models.map(\.tags)) {
      let settled = try await settle(key) {
        // One that a damaged export filled has another's id, and is no double of what came after it.
        let found = try await registry.loggedModels(inExperiments: experiments, tagged: key)
        return Dictionary(grouping: found) { $0.tags[OwnTags.exportID] ?? "" }.values
          .flatMap { ImportedLoggedModel.doubles(in: $0) }.map(\.id).sorted()
      } remove: { id in
        try await registry.deleteLoggedModel(id)
      }
      violations += tell(of: settled, "logged model", key)
    }
    return violations
  }

  /// Looks at everything with a key, under the lock that whoever makes something with it holds.
  private func settle(
    _ key: Tag, doubles: @Sendable () async throws -> [String], remove: @Sendable (String) async throws -> Void
  ) async throws -> Settled {
    // What no model of the ledger's can have made is not ours to judge.
    guard let lock = lock(of: key) else { return Settled() }
    guard let locks else { return Settled(ids: try await doubles()) }
    let settled = try await locks.ifFree(lock) { held in
      let ids = try await doubles()
      for id in ids {
        try await held.prove()
        try await remove(id)
      }
      return Settled(ids: ids, isRemoved: true)
    }
    // Another job is at it: what seems to be a double may be what it is making.
    return settled ?? Settled()
  }

  private func keys(_ tags: [[Tag]]) -> [Tag] {
    Set(tags.compactMap { $0[OwnTags.sourceKey].map { ExactText($0) } }).sorted()
      .map { Tag(OwnTags.sourceKey, $0.text) }
  }

  /// A run is made under a lock named as its key, what belongs to one version under its model's.
  private func lock(of key: Tag) -> String? {
    let parts = key.value.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count == 3, parts[0] == "run", parts[1] == state.workspace.text { return key.value }
    // Workspace, model, version, time and generation.
    guard parts.count == 5, parts[0] == state.workspace.text else { return nil }
    return state.models[ModelID(text: String(parts[1]))]?.id.stream
  }

  private func isNamed(_ run: String) -> Bool {
    state.models.values.contains { model in
      model.versions.values.contains { $0.imports[target.id]?.live?.marketplaceRunID == run }
    }
  }

  private func tell(of settled: Settled, _ what: String, _ key: Tag) -> [Violation] {
    settled.ids.map { id in
      Violation(
        "J4",
        "\(state.workspace): the registry holds \(what) \(id), empty and unused, made by a job that died, with the key "
          + "\(key.value) of another"
          + (settled.isRemoved ? ". Removed." : "; 'marketplace check --repair' removes it."), isPending: true)
    }
  }
}
