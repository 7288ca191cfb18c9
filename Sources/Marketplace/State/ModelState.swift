/// What a model's events add up to.
public struct ModelState: Hashable, Sendable {
  /// The incarnation.
  public let id: ModelID
  /// The name under which it was first seen: the marketplace name is made from it and survives a rename.
  public let firstName: String
  /// The model's creation time at the source, in milliseconds since 1970.
  public let created: Int64
  /// The sequence of the event that first told of it.
  public let firstSeen: Int64
  /// Its name at the source now.
  public internal(set) var name: String
  /// The newest snapshot of the model itself.
  public internal(set) var described: ModelDescribed?
  /// The version that has each number, deleted ones included.
  public internal(set) var versions: [Int: VersionState] = [:]
  /// Versions whose number another one has now: an unlikely thing, but a registry restored from a backup does it.
  public internal(set) var replaced: [AliasTarget: VersionState] = [:]
  /// Which version each alias names.
  public internal(set) var aliases: [ExactText: AliasTarget] = [:]
  /// What the marketplace registries hold of it, by target.
  public internal(set) var marketplace: [String: MarketplaceState] = [:]

  init(id: ModelID, firstName: String, created: Int64, firstSeen: Int64) {
    self.id = id
    self.firstName = firstName
    self.created = created
    self.firstSeen = firstSeen
    name = firstName
  }

  /// Versions that the source still has, by rising number.
  public var live: [VersionState] {
    versions.values.filter { !$0.isDeleted }.sorted { $0.number < $1.number }
  }

  /// The one version that `rule` makes current: the first alias that names a living version, else the highest
  /// living version of the first stage that holds any.
  public func current(under rule: PromotionRule) -> VersionState? {
    for alias in rule.aliases {
      if let target = aliases[ExactText(alias)], let version = version(target.number, created: target.created),
        !version.isDeleted
      {
        return version
      }
    }
    for stage in rule.stages {
      if let version = live.last(where: { $0.stage == stage }) { return version }
    }
    return nil
  }

  /// The versions that `rule` wants exported and imported, by rising number: the current one, or every one under a
  /// promoted alias or in a promoted stage.
  public func promoted(under rule: PromotionRule) -> [VersionState] {
    guard rule.versions == .all else { return [current(under: rule)].compactMap(\.self) }
    let aliased = Set(rule.aliases.compactMap { aliases[ExactText($0)] })
    return live.filter { rule.stages.contains($0.stage) || aliased.contains($0.identity) }
  }

  /// The living version with the identity an event names, so that facts about a replaced one stay with it.
  func version(_ number: Int, created: Int64) -> VersionState? {
    guard let version = versions[number], version.created == created else { return nil }
    return version
  }

  mutating func register(_ data: ModelVersionRegistered, sequence: Int64) {
    name = data.name
    let before = versions[data.version]
    if let before, before.created != data.created { replaced[before.identity] = before }
    // The source has it again, be it that it was deleted or that another one had its number in between: what was
    // exported and imported of it still holds.
    if var again = version(data.version, created: data.created)
      ?? replaced.removeValue(forKey: AliasTarget(number: data.version, created: data.created))
    {
      again.isDeleted = false
      again.stage = VersionState.firstStage
      versions[data.version] = again
      return
    }
    versions[data.version] = VersionState(
      number: data.version, created: data.created, source: data.source, runID: data.runID,
      modelID: data.modelID, registered: sequence)
  }

  /// Changes the version with the identity an event names: the one that has the number, or one that had it before.
  private mutating func change(_ number: Int, _ created: Int64, _ body: (inout VersionState) -> Void) {
    if var version = version(number, created: created) {
      body(&version)
      versions[number] = version
    } else {
      let identity = AliasTarget(number: number, created: created)
      guard var version = replaced[identity] else { return }
      body(&version)
      replaced[identity] = version
    }
  }

  mutating func apply(_ event: DomainEvent, sequence: Int64, recordedAt: Int64) {
    switch event {
    case .modelVersionDeleted(let data):
      change(data.version, data.created) { $0.isDeleted = true }
    case .modelRenamed(let data):
      name = data.to
    case .modelDescribed(let data):
      if let number = data.version {
        versions[number]?.described = data
      } else {
        described = data
      }
    case .stageTransitioned(let data):
      change(data.version, data.created) { $0.stage = data.to }
    case .aliasAssigned(let data):
      aliases[ExactText(data.alias)] = AliasTarget(number: data.version, created: data.created)
    case .aliasRemoved(let data):
      aliases[ExactText(data.alias)] = nil
    default:
      applyTransfer(event, sequence: sequence, recordedAt: recordedAt)
    }
  }

  private mutating func applyTransfer(_ event: DomainEvent, sequence: Int64, recordedAt: Int64) {
    switch event {
    case .modelExported(let data):
      change(data.version, data.created) { $0.exported(data, sequence: sequence) }
    case .exportFailed(let data):
      change(data.version, data.created) {
        $0.exportFailure = TransferFailure(data: data, recordedAt: recordedAt)
      }
    case .exportInvalidated(let data):
      change(data.version, data.created) { $0.invalidated(data) }
    case .modelImported(let data):
      marketplace[data.target, default: MarketplaceState(name: data.marketplaceName)].imported(
        data, sequence: sequence)
      change(data.version, data.created) {
        $0.imports[data.target, default: ImportState()].imported(data, sequence: sequence)
      }
    case .importFailed(let data):
      guard let target = data.target else { return }
      change(data.version, data.created) {
        $0.imports[target, default: ImportState()].failure = TransferFailure(data: data, recordedAt: recordedAt)
      }
    case .importLost(let data):
      marketplace[data.target]?.lost(data)
      change(data.version, data.created) { $0.imports[data.target]?.lost(data) }
    case .marketplaceDriftFound(let data):
      marketplace[data.target]?.drift = data
    case .marketplacePromotionSet(let data):
      marketplace[data.target, default: MarketplaceState(name: data.marketplaceName)].promoted(
        data, sequence: sequence, recordedAt: recordedAt)
    default:
      break
    }
  }
}
