/// A fact of the marketplace, as the ledger keeps it. The page Events in the documentation lists every field.
public enum DomainEvent: Sendable, Hashable {
  /// A workspace was connected, or its address or its promotion rule changed.
  case workspaceConnected(WorkspaceConnected)
  /// A command disconnected a workspace: nothing in it counts as promoted any more.
  case workspaceDisconnected(WorkspaceDisconnected)
  /// A run read a workspace's registry, or tried to.
  case workspaceObserved(WorkspaceObserved)
  /// A model version was seen for the first time.
  case modelVersionRegistered(ModelVersionRegistered)
  /// A model version is gone: the registry said so when asked for it by name.
  case modelVersionDeleted(ModelVersionDeleted)
  /// A model has another name; it is the same incarnation.
  case modelRenamed(ModelRenamed)
  /// What the source says about a model or a version, taken when it changed.
  case modelDescribed(ModelDescribed)
  /// A version is in another stage.
  case stageTransitioned(StageTransitioned)
  /// An alias names another version.
  case aliasAssigned(AliasAssigned)
  /// An alias is gone.
  case aliasRemoved(AliasRemoved)
  /// A complete, verified copy of a version lies on external storage.
  case modelExported(ModelExported)
  /// A version could not be exported; appended when the reason changes.
  case exportFailed(TransferFailed)
  /// An export was found rotten or missing; the next generation opens.
  case exportInvalidated(ExportInvalidated)
  /// A model has its name in the marketplace, for ever.
  case marketplaceNameAssigned(MarketplaceNameAssigned)
  /// An export is a version in the marketplace registry.
  case modelImported(ModelImported)
  /// An export could not be imported; appended when the reason changes.
  case importFailed(TransferFailed)
  /// A marketplace version was found missing; the next generation opens.
  case importLost(ImportLost)
  /// Which marketplace version of a model is promoted changed, by us.
  case marketplacePromotionSet(MarketplacePromotionSet)
  /// Somebody changed the marketplace by hand.
  case marketplaceDriftFound(MarketplaceDriftFound)
  /// A token of the service was made.
  case tokenCreated(TokenCreated)
  /// A token of the service is valid no longer.
  case tokenRevoked(TokenRevoked)

  /// The type's name in the ledger.
  public var type: String { kind.rawValue }

  /// The types, by their names in the ledger.
  public enum Kind: String, Sendable, CaseIterable {
    case workspaceConnected = "WorkspaceConnected"
    case workspaceDisconnected = "WorkspaceDisconnected"
    case workspaceObserved = "WorkspaceObserved"
    case modelVersionRegistered = "ModelVersionRegistered"
    case modelVersionDeleted = "ModelVersionDeleted"
    case modelRenamed = "ModelRenamed"
    case modelDescribed = "ModelDescribed"
    case stageTransitioned = "StageTransitioned"
    case aliasAssigned = "AliasAssigned"
    case aliasRemoved = "AliasRemoved"
    case modelExported = "ModelExported"
    case exportFailed = "ExportFailed"
    case exportInvalidated = "ExportInvalidated"
    case marketplaceNameAssigned = "MarketplaceNameAssigned"
    case modelImported = "ModelImported"
    case importFailed = "ImportFailed"
    case importLost = "ImportLost"
    case marketplacePromotionSet = "MarketplacePromotionSet"
    case marketplaceDriftFound = "MarketplaceDriftFound"
    case tokenCreated = "TokenCreated"
    case tokenRevoked = "TokenRevoked"
  }

  /// Which type the event is of.
  public var kind: Kind { coded.0 }

  /// The data to encode, beside its type: the one place where a case meets its name.
  var coded: (Kind, any Codable & Sendable) {
    switch self {
    case .workspaceConnected(let data): (.workspaceConnected, data)
    case .workspaceDisconnected(let data): (.workspaceDisconnected, data)
    case .workspaceObserved(let data): (.workspaceObserved, data)
    case .modelVersionRegistered(let data): (.modelVersionRegistered, data)
    case .modelVersionDeleted(let data): (.modelVersionDeleted, data)
    case .modelRenamed(let data): (.modelRenamed, data)
    case .modelDescribed(let data): (.modelDescribed, data)
    case .stageTransitioned(let data): (.stageTransitioned, data)
    case .aliasAssigned(let data): (.aliasAssigned, data)
    case .aliasRemoved(let data): (.aliasRemoved, data)
    case .modelExported(let data): (.modelExported, data)
    case .exportFailed(let data): (.exportFailed, data)
    case .exportInvalidated(let data): (.exportInvalidated, data)
    case .marketplaceNameAssigned(let data): (.marketplaceNameAssigned, data)
    case .modelImported(let data): (.modelImported, data)
    case .importFailed(let data): (.importFailed, data)
    case .importLost(let data): (.importLost, data)
    case .marketplacePromotionSet(let data): (.marketplacePromotionSet, data)
    case .marketplaceDriftFound(let data): (.marketplaceDriftFound, data)
    case .tokenCreated(let data): (.tokenCreated, data)
    case .tokenRevoked(let data): (.tokenRevoked, data)
    }
  }
}
