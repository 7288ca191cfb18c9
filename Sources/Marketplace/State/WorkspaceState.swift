/// What a workspace's events add up to: the fold from which every decision is made.
public struct WorkspaceState: Hashable, Sendable {
  /// The workspace whose events were folded.
  public let workspace: WorkspaceID
  /// The connection that holds, if the workspace was ever connected.
  public private(set) var connection: WorkspaceConnected?
  /// Whether a command disconnected it since.
  public private(set) var isDisconnected = false
  /// The newest observation that read everything.
  public private(set) var lastComplete: WorkspaceObserved?
  /// The newest observation, complete or not.
  public private(set) var lastObserved: WorkspaceObserved?
  /// Every incarnation ever seen.
  public private(set) var models: [ModelID: ModelState] = [:]
  /// The models imported or promoted under each marketplace name; the one that was so last stands last.
  private var bearers: [ExactText: [ModelID]] = [:]
  /// How far each stream has come: the expected version of the next event.
  public private(set) var streamVersions: [String: Int64] = [:]
  /// The sequence of the last event folded, 0 before any.
  public private(set) var sequence: Int64 = 0

  /// The state before any event.
  public init(workspace: WorkspaceID) { self.workspace = workspace }

  /// What counts as promoted now: nothing in a workspace that is disconnected or was never connected.
  public var rule: PromotionRule {
    guard let connection, !isDisconnected else { return PromotionRule(aliases: [], stages: []) }
    return connection.promoted
  }

  /// The version of `model` that the source means, if it means any.
  public func current(of model: ModelState) -> VersionState? { model.current(under: rule) }

  /// The versions of `model` that are to be exported and imported, by rising number.
  public func promoted(of model: ModelState) -> [VersionState] { model.promoted(under: rule) }

  /// Folds one event in. Events come in the order of their sequences.
  ///
  /// - Parameters:
  ///   - event: the event, or `nil` for one that is not the domain's and counts only for its stream.
  ///   - recordedAt: the ledger's time of it, in milliseconds since 1970.
  public mutating func apply(
    _ event: DomainEvent?, stream: String, streamVersion: Int64, sequence: Int64, recordedAt: Int64
  ) {
    self.sequence = sequence
    streamVersions[stream] = streamVersion
    switch event {
    case nil, .marketplaceNameAssigned:
      break
    case .workspaceConnected(let data):
      connection = data
      isDisconnected = false
    case .workspaceDisconnected:
      isDisconnected = true
    case .workspaceObserved(let data):
      lastObserved = data
      if data.outcome == .complete { lastComplete = data }
    case .modelVersionRegistered(let data):
      let id = ModelID(text: data.model)
      models[
        id,
        default: ModelState(
          id: id, firstName: data.name, created: data.modelCreated, firstSeen: sequence)
      ].register(data, sequence: sequence)
    case .some(let event):
      guard let id = event.model else { return }
      models[id]?.apply(event, sequence: sequence, recordedAt: recordedAt)
      if let name = event.marketplaceName, models[id] != nil { note(id, bears: ExactText(name)) }
    }
  }

  private mutating func note(_ id: ModelID, bears name: ExactText) {
    guard bearers[name]?.last != id else { return }
    bearers[name]?.removeAll { $0 == id }
    bearers[name, default: []].append(id)
  }

  /// Every model that was imported or promoted under a marketplace name, those that are gone included.
  func models(bearing name: String) -> [ModelState] { (bearers[ExactText(name)] ?? []).compactMap { models[$0] } }

  /// The living model that goes on under the name of `model`, which was deleted, replaced and has come back: the name
  /// stays with the one that was imported or promoted under it last, whatever that is called at the source by then.
  public func heir(of model: ModelState, to name: String) -> ModelState? {
    let bearers = models(bearing: name)
    guard let place = bearers.firstIndex(where: { $0.id == model.id }) else { return bearers.last { !$0.live.isEmpty } }
    return bearers[(place + 1)...].last { !$0.live.isEmpty }
  }
}

extension DomainEvent {
  /// The name that the event's model is found under in the marketplace from then on.
  fileprivate var marketplaceName: String? {
    switch self {
    case .modelImported(let data): data.marketplaceName
    case .marketplacePromotionSet(let data): data.to != nil ? data.marketplaceName : nil
    default: nil
    }
  }

  /// The model the event is about, for the events of a model's stream.
  public var model: ModelID? {
    let text: String? =
      switch self {
      case .modelVersionRegistered(let data): data.model
      case .modelVersionDeleted(let data): data.model
      case .modelRenamed(let data): data.model
      case .modelDescribed(let data): data.model
      case .stageTransitioned(let data): data.model
      case .aliasAssigned(let data): data.model
      case .aliasRemoved(let data): data.model
      case .modelExported(let data): data.model
      case .exportFailed(let data), .importFailed(let data): data.model
      case .exportInvalidated(let data): data.model
      case .modelImported(let data): data.model
      case .importLost(let data): data.model
      case .marketplacePromotionSet(let data): data.model
      case .marketplaceDriftFound(let data): data.model
      case .marketplaceNameAssigned(let data): data.model
      case .workspaceConnected, .workspaceDisconnected, .workspaceObserved, .tokenCreated, .tokenRevoked: nil
      }
    return text.map(ModelID.init(text:))
  }
}
