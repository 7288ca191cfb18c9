/// What the events about one model version add up to.
public struct VersionState: Hashable, Sendable {
  /// The stage of a version that was just registered.
  public static let firstStage = "None"

  /// Its number at the source.
  public let number: Int
  /// Its creation time at the source, in milliseconds since 1970.
  public let created: Int64
  /// Where the source registry says the files are.
  public let source: String?
  /// The run that made it.
  public let runID: String?
  /// The logged model it was made from.
  public let modelID: String?
  /// The sequence of its registration.
  public let registered: Int64
  /// Its stage; `None` until a transition says otherwise.
  public internal(set) var stage = VersionState.firstStage
  /// Whether the source said that it does not exist any more.
  public internal(set) var isDeleted = false
  /// The newest snapshot of it.
  public internal(set) var described: ModelDescribed?
  /// The export that holds, if any.
  public internal(set) var export: LiveExport?
  /// The generation of the export that holds, or of the next.
  public internal(set) var exportGeneration = 1
  /// Ids of exports that were found damaged and given up. What was made from one of them may hold other bytes than its
  /// source.
  public internal(set) var exportsGivenUp: Set<String> = []
  /// The newest failure since the last success.
  public internal(set) var exportFailure: TransferFailure?
  /// Its imports by marketplace registry.
  public internal(set) var imports: [String: ImportState] = [:]

  init(number: Int, created: Int64, source: String?, runID: String?, modelID: String?, registered: Int64) {
    self.number = number
    self.created = created
    self.source = source
    self.runID = runID
    self.modelID = modelID
    self.registered = registered
  }

  /// What tells it from another one of the same number.
  var identity: AliasTarget { AliasTarget(number: number, created: created) }

  mutating func exported(_ data: ModelExported, sequence: Int64) {
    export = LiveExport(data: data, sequence: sequence)
    exportGeneration = data.generation
    exportFailure = nil
  }

  mutating func invalidated(_ data: ExportInvalidated) {
    exportsGivenUp.insert(data.exportID)
    guard export?.data.generation == data.generation else { return }
    export = nil
    exportGeneration = data.generation + 1
  }
}

/// The version that an alias names: a number alone could be its successor's of the same number.
public struct AliasTarget: Hashable, Sendable {
  /// The version's number.
  public let number: Int
  /// The version's creation time at the source, in milliseconds since 1970.
  public let created: Int64

  /// Number and creation time.
  public init(number: Int, created: Int64) {
    self.number = number
    self.created = created
  }
}

/// An export that nothing has invalidated.
public struct LiveExport: Hashable, Sendable {
  /// What its event says.
  public let data: ModelExported
  /// The event's sequence: the cause of an import.
  public let sequence: Int64
}

/// The newest failure of a transfer.
public struct TransferFailure: Hashable, Sendable {
  /// What its event says.
  public let data: TransferFailed
  /// When the ledger recorded it, in milliseconds since 1970.
  public let recordedAt: Int64
}

/// A version's imports into one marketplace registry.
public struct ImportState: Hashable, Sendable {
  /// The generation of the import that holds, or of the next.
  public internal(set) var generation = 1
  /// The import that holds, if any.
  public internal(set) var live: ModelImported?
  /// The newest failure since the last success.
  public internal(set) var failure: TransferFailure?

  mutating func imported(_ data: ModelImported, sequence: Int64) {
    live = data
    generation = data.generation
    failure = nil
  }

  mutating func lost(_ data: ImportLost) {
    guard live?.generation == data.generation else { return }
    live = nil
    generation = data.generation + 1
  }
}

/// What one marketplace registry holds of a model.
public struct MarketplaceState: Hashable, Sendable {
  /// The model's name there.
  public let name: String
  /// The marketplace version that we promoted last, if it still is.
  public internal(set) var available: Int?
  /// The source version behind each marketplace version that was imported and not lost.
  public internal(set) var sourceVersions: [Int: Int] = [:]
  /// Marketplace versions that were promoted at some time: going back to one of them is a rollback.
  public internal(set) var everPromoted: Set<Int> = []
  /// When the last change of promotion was recorded, in milliseconds since 1970.
  public internal(set) var since: Int64?
  /// What somebody changed by hand, as long as nothing was set since.
  public internal(set) var drift: MarketplaceDriftFound?

  mutating func imported(_ data: ModelImported, sequence: Int64) {
    sourceVersions[data.marketplaceVersion] = data.version
  }

  mutating func lost(_ data: ImportLost) {
    // A model deleted there by hand and made again has given the number to another import since.
    if sourceVersions[data.marketplaceVersion] == data.version { sourceVersions[data.marketplaceVersion] = nil }
    // The number may come to name another version, once the whole model was deleted.
    everPromoted.remove(data.marketplaceVersion)
    if available == data.marketplaceVersion { available = nil }
  }

  mutating func promoted(_ data: MarketplacePromotionSet, sequence: Int64, recordedAt: Int64) {
    available = data.to
    since = recordedAt
    drift = nil
    if let to = data.to { everPromoted.insert(to) }
  }
}
