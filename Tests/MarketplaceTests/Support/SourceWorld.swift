import Marketplace

/// A source registry in memory and the history that was observed of it.
struct SourceWorld {
  struct Model {
    var created: Int64
    var description: String?
    var versions: [Int: ObservedVersion] = [:]
    var aliases: [ExactText: Int] = [:]
  }

  /// By name.
  var models: [String: Model] = [:]
  /// What has been observed so far.
  var state: WorkspaceState
  /// Every event ever drafted.
  private(set) var history: [ProposedEvent] = []
  private(set) var now: Int64 = 1_000

  init(rule: PromotionRule = .standard) throws {
    state = WorkspaceState(workspace: try WorkspaceID("dev01"))
    var draft = EventDraft(on: state)
    draft.add(
      .workspaceConnected(WorkspaceConnected(registry: "r", kind: "mlflow", promoted: rule)),
      stream: "workspace", subject: "")
    take(draft)
  }

  /// A later moment, different from every other.
  mutating func tick() -> Int64 {
    now += 10
    return now
  }

  mutating func create(_ name: String, created: Int64? = nil, description: String? = nil) {
    models[name] = Model(created: created ?? tick(), description: description)
  }

  /// The next version of a model, which is made when it does not exist.
  mutating func register(_ name: String, number: Int? = nil, stage: String = "None") {
    if models[name] == nil { create(name) }
    let next = number ?? (models[name]?.versions.keys.max() ?? 0) + 1
    let created = tick()
    models[name]?.versions[next] = ObservedVersion(
      number: next, created: created, lastUpdated: created, stage: stage, source: "s3://\(created)")
  }

  mutating func move(_ name: String, _ number: Int, to stage: String) {
    let now = tick()
    models[name]?.versions[number]?.stage = stage
    models[name]?.versions[number]?.lastUpdated = now
  }

  /// As MLflow does: its aliases go with it.
  mutating func delete(_ name: String, _ number: Int) {
    models[name]?.versions[number] = nil
    let aliases = models[name]?.aliases ?? [:]
    models[name]?.aliases = aliases.filter { $0.value != number }
  }

  mutating func rename(_ name: String, to other: String) {
    models[other] = models.removeValue(forKey: name)
  }

  /// A whole reading, and what the registry answers when asked for what it does not list.
  func reading(from: Int64? = nil) -> Observation {
    var absences: Set<Observation.Absence> = []
    for known in state.models.values where !known.live.isEmpty {
      guard let model = models[known.name], model.created == known.created else {
        absences.insert(.model(known.key))
        continue
      }
      for version in known.live where model.versions[version.number]?.created != version.created {
        absences.insert(.version(model: known.id, number: version.number, created: version.created))
      }
    }
    return Observation(from: from ?? now, to: now + 5, models: listing(), absences: absences)
  }

  /// In an order of its own, so that a history that fails once fails again.
  func listing() -> [ObservedModel] {
    models.sorted { $0.key < $1.key }.map { name, model in
      ObservedModel(
        name: name, created: model.created, description: model.description, aliases: model.aliases,
        versions: model.versions.values.sorted { $0.number < $1.number }, isComplete: true)
    }
  }

  /// Observes and takes what follows into the history.
  ///
  /// - Returns: the events, without the one that says that there was a reading.
  @discardableResult
  mutating func observe(_ given: Observation? = nil) -> [DomainEvent] {
    let observation = given ?? reading()
    let draft = ObserveDecision.decide(state, observation)
    take(draft)
    var whole = EventDraft(on: state)
    whole.add(
      .workspaceObserved(
        WorkspaceObserved(
          outcome: .complete, models: models.count, versions: 0, changes: draft.events.count,
          observedFrom: observation.from, observedTo: observation.to)),
      stream: "workspace", subject: "")
    take(whole)
    _ = tick()
    return draft.events.map(\.event)
  }

  /// Appends a fact of a model's stream that some job found.
  mutating func append(_ event: DomainEvent, recordedAt: Int64 = 0) {
    let stream = event.model?.stream ?? "workspace"
    state.apply(
      event, stream: stream, streamVersion: (state.streamVersions[stream] ?? 0) + 1,
      sequence: state.sequence + 1, recordedAt: recordedAt)
  }

  mutating func take(_ draft: EventDraft) {
    history += draft.events
    state = draft.state
  }

  /// The model of that name that still lives, else any.
  func model(_ name: String) -> ModelState? {
    let named = state.models.values.filter { $0.name == name }
    return named.first { !$0.live.isEmpty } ?? named.first
  }

  /// The version that the source means.
  func current(_ name: String) -> Int? { model(name).flatMap { state.current(of: $0)?.number } }
}

extension [DomainEvent] {
  /// The events' types.
  var kinds: [DomainEvent.Kind] { map(\.kind) }
}
