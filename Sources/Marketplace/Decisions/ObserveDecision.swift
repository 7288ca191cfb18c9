/// From a workspace's history and a reading of its registry to the events that say what changed.
///
/// Pure: the same history and reading give the same events with the same ids. Nothing is concluded from what a
/// listing does not hold; only an ``Observation/Absence`` deletes.
public struct ObserveDecision {
  private let observation: Observation
  private var draft: EventDraft
  /// When the workspace was last read completely: what changed did so after that.
  private let before: Int64?
  /// The models that earlier readings saw. Of another nothing is known before now: it may have been hidden from us.
  private let seen: Set<ModelID>

  /// The events that `observation` adds to `state`.
  public static func decide(_ state: WorkspaceState, _ observation: Observation) -> EventDraft {
    var decision = ObserveDecision(observation, on: state)
    decision.decideModels()
    return decision.draft
  }

  private init(_ observation: Observation, on state: WorkspaceState) {
    self.observation = observation
    draft = EventDraft(on: state)
    before = state.lastComplete?.observedFrom
    seen = Set(state.models.keys)
  }

  private mutating func decideModels() {
    let matches = matchIncarnations()
    for model in draft.state.models.values.sorted(by: { $0.id < $1.id }) where matches[model.id] == nil {
      let isGone = observation.absences.contains(.model(model.key))
      guard isGone else { continue }
      delete(model.live, of: model)
      removeAliases(of: model, but: [], name: model.name)
    }
    for (id, observed) in matches.sorted(by: { $0.key < $1.key }) { decide(observed, as: id) }
  }

  /// Which incarnation each listed model is: known by name and creation time, renamed, or new.
  private func matchIncarnations() -> [ModelID: ObservedModel] {
    var matches: [ModelID: ObservedModel] = [:]
    var unknown: [ObservedModel] = []
    let known = Dictionary(
      draft.state.models.values.map { ($0.key, $0.id) },
      uniquingKeysWith: { first, _ in first })
    for observed in observation.models {
      if let id = known[observed.key] {
        matches[id] = observed
      } else {
        unknown.append(observed)
      }
    }
    for observed in unknown {
      let id =
        renamed(observed, among: unknown, matched: matches)
        ?? ModelID(workspace: draft.state.workspace, name: observed.name, created: observed.created)
      matches[id] = observed
    }
    return matches
  }

  /// The incarnation that now bears another name: gone under the old one, created at the same time, its
  /// versions among the new one's. Where two would fit, none does: it counts as deleted and new.
  private func renamed(
    _ observed: ObservedModel, among unknown: [ObservedModel], matched: [ModelID: ObservedModel]
  ) -> ModelID? {
    let isOnly = unknown.filter { $0.created == observed.created }.count == 1
    let candidates = draft.state.models.values.filter { model in
      model.created == observed.created && matched[model.id] == nil
        && observation.absences.contains(.model(model.key))
        && !model.live.isEmpty
        && model.live.allSatisfy { version in
          observed.versions.contains { $0.number == version.number && $0.created == version.created }
        }
    }
    guard isOnly, candidates.count == 1 else { return nil }
    return candidates.first?.id
  }

  private mutating func decide(_ observed: ObservedModel, as id: ModelID) {
    if let model = draft.state.models[id], !model.name.isExactly(observed.name) {
      let event = ModelRenamed(
        model: id.text, from: model.name, to: observed.name, notBefore: before, notAfter: observation.to)
      draft.add(.modelRenamed(event), stream: id.stream, subject: observed.name)
    }
    for version in observed.versions.sorted(by: { $0.number < $1.number }) {
      decide(version, of: observed, as: id)
    }
    if let model = draft.state.models[id] {
      let gone = model.live.filter {
        observation.absences.contains(.version(model: id, number: $0.number, created: $0.created))
      }
      delete(gone, of: model)
    }
    decideAliases(observed, as: id)
    decideDescription(observed, as: id)
  }

  private mutating func decide(_ version: ObservedVersion, of observed: ObservedModel, as id: ModelID) {
    let known = draft.state.models[id]?.versions[version.number]
    if known?.created != version.created || known?.isDeleted == true {
      if let model = draft.state.models[id], let known, !known.isDeleted { delete([known], of: model) }
      let registered = ModelVersionRegistered(
        model: id.text, name: observed.name, modelCreated: observed.created, version: version.number,
        created: version.created, source: version.source, runID: version.runID, modelID: version.modelID,
        notBefore: before.map { min($0, version.created) }, notAfter: observation.to)
      draft.add(
        .modelVersionRegistered(registered), stream: id.stream, subject: String(version.number),
        occurredAt: version.created)
    }
    guard let now = draft.state.models[id]?.versions[version.number], !now.isDeleted,
      now.stage != version.stage
    else { return }
    // A version first seen in a stage went there after it was made: the source's clock narrows the bracket.
    // One made before the last reading was hidden from that one, which says nothing about it then.
    let earliest = known?.created == version.created ? before : version.created
    let transition = StageTransitioned(
      model: id.text, name: observed.name, version: version.number, created: version.created, from: now.stage,
      to: version.stage, notBefore: earliest.map { min($0, observation.to) }, notAfter: observation.to,
      sourceTime: version.lastUpdated)
    draft.add(.stageTransitioned(transition), stream: id.stream, subject: String(version.number))
  }

  private mutating func delete(_ versions: [VersionState], of model: ModelState) {
    for version in versions {
      let event = ModelVersionDeleted(
        model: model.id.text, name: model.name, version: version.number, created: version.created,
        notBefore: before, notAfter: observation.to)
      draft.add(.modelVersionDeleted(event), stream: model.id.stream, subject: String(version.number))
    }
  }

  private mutating func decideAliases(_ observed: ObservedModel, as id: ModelID) {
    guard let model = draft.state.models[id] else { return }
    let kept = observed.aliases.filter { !hasMovedToNothing($0.key, $0.value, of: model) }
    removeAliases(of: model, but: Set(kept.keys), name: observed.name)
    for (alias, number) in observed.aliases.sorted(by: { $0.key < $1.key }) {
      guard let version = model.versions[number], !version.isDeleted,
        model.aliases[alias] != AliasTarget(number: number, created: version.created)
      else { continue }
      let event = AliasAssigned(
        model: id.text, name: observed.name, alias: alias.text, version: number, created: version.created,
        from: model.aliases[alias]?.number,
        notBefore: seen.contains(id) ? before : min(version.created, observation.to),
        notAfter: observation.to)
      draft.add(.aliasAssigned(event), stream: id.stream, subject: alias.text)
    }
  }

  /// Whether an alias names another version than before, and that one, as the registry says, does not exist.
  private func hasMovedToNothing(_ alias: ExactText, _ number: Int, of model: ModelState) -> Bool {
    guard model.aliases[alias]?.number != number else { return false }
    return observation.absences.contains(.aliased(model: model.id, number: number))
  }

  private mutating func removeAliases(of model: ModelState, but kept: Set<ExactText>, name: String) {
    for (alias, target) in model.aliases.sorted(by: { $0.key < $1.key }) where !kept.contains(alias) {
      let event = AliasRemoved(
        model: model.id.text, name: name, alias: alias.text, version: target.number, notBefore: before,
        notAfter: observation.to)
      draft.add(.aliasRemoved(event), stream: model.id.stream, subject: alias.text)
    }
  }

  private mutating func decideDescription(_ observed: ObservedModel, as id: ModelID) {
    guard let model = draft.state.models[id] else { return }
    let snapshot = ModelDescribed.snapshot(
      model: id, name: observed.name, description: observed.description, tags: observed.tags)
    guard !snapshot.saysTheSame(as: model.described) else { return }
    draft.add(.modelDescribed(snapshot), stream: id.stream, subject: "")
  }
}
