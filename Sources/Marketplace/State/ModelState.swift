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
  /// Every version ever seen, deleted ones included, by number.
  public internal(set) var versions: [Int: VersionState] = [:]
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

  /// The living version with the identity an event names, so that facts about a replaced one stay with it.
  func version(_ number: Int, created: Int64) -> VersionState? {
    guard let version = versions[number], version.created == created else { return nil }
    return version
  }

  mutating func register(_ data: ModelVersionRegistered, sequence: Int64) {
    name = data.name
    // The source has it again: what was exported and imported of it still holds.
    if version(data.version, created: data.created) != nil {
      versions[data.version]?.isDeleted = false
      versions[data.version]?.stage = VersionState.firstStage
      return
    }
    versions[data.version] = VersionState(
      number: data.version, created: data.created, source: data.source, runID: data.runID,
      modelID: data.modelID, registered: sequence)
  }

  mutating func apply(_ event: DomainEvent, sequence: Int64, recordedAt: Int64) {
    switch event {
    case .modelVersionDeleted(let data):
      guard version(data.version, created: data.created) != nil else { return }
      versions[data.version]?.isDeleted = true
    case .modelRenamed(let data):
      name = data.to
    case .modelDescribed(let data):
      if let number = data.version {
        versions[number]?.described = data
      } else {
        described = data
      }
    case .stageTransitioned(let data):
      guard version(data.version, created: data.created) != nil else { return }
      versions[data.version]?.stage = data.to
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
      guard version(data.version, created: data.created) != nil else { return }
      versions[data.version]?.export = LiveExport(data: data, sequence: sequence)
      versions[data.version]?.exportGeneration = data.generation
      versions[data.version]?.exportFailure = nil
    case .exportFailed(let data):
      guard version(data.version, created: data.created) != nil else { return }
      versions[data.version]?.exportFailure = TransferFailure(data: data, recordedAt: recordedAt)
    case .exportInvalidated(let data):
      guard version(data.version, created: data.created)?.export?.data.generation == data.generation else {
        return
      }
      versions[data.version]?.export = nil
      versions[data.version]?.exportGeneration = data.generation + 1
    case .modelImported(let data):
      marketplace[data.target, default: MarketplaceState(name: data.marketplaceName)].imported(
        data, sequence: sequence)
      guard version(data.version, created: data.created) != nil else { return }
      versions[data.version]?.imports[data.target, default: ImportState()].imported(data, sequence: sequence)
    case .importFailed(let data):
      guard let target = data.target, version(data.version, created: data.created) != nil else { return }
      versions[data.version]?.imports[target, default: ImportState()].failure = TransferFailure(
        data: data, recordedAt: recordedAt)
    case .importLost(let data):
      marketplace[data.target]?.lost(data)
      guard version(data.version, created: data.created) != nil else { return }
      versions[data.version]?.imports[data.target]?.lost(data)
    case .marketplacePromotionSet(let data):
      marketplace[data.target, default: MarketplaceState(name: data.marketplaceName)].promoted(
        data, sequence: sequence, recordedAt: recordedAt)
    default:
      break
    }
  }
}
