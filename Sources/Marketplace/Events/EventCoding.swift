extension DomainEvent {
  /// The event's data as the ledger keeps it: one line of JSON, keys sorted, slashes as they are.
  ///
  /// - Throws: ``DomainError`` when a value has no JSON form.
  public func json() throws -> String {
    do {
      return String(decoding: try ExactJSON.encode(coded.1), as: UTF8.self)
    } catch {
      throw DomainError(.malformedEvent, "\(type) cannot be written as JSON: \(error)")
    }
  }

  /// Reads an event back.
  ///
  /// - Returns: `nil` for a type that is not the domain's, such as a batch job's own.
  /// - Throws: ``DomainError`` when data and type disagree, or the type version is not known.
  public init?(type: String, typeVersion: Int = 1, json: String) throws {
    guard let kind = Kind(rawValue: type) else { return nil }
    guard typeVersion == 1 else {
      throw DomainError(
        .malformedEvent,
        "\(type) has version \(typeVersion), this program knows version 1: use a newer program.")
    }
    let bytes = Array(json.utf8)
    func read<T: Decodable>(_ form: T.Type) throws -> T {
      do {
        return try ExactJSON.decode(form, bytes)
      } catch {
        throw DomainError(.malformedEvent, "\(type) does not have the fields its type promises: \(error)")
      }
    }
    self =
      switch kind {
      case .workspaceConnected: .workspaceConnected(try read(WorkspaceConnected.self))
      case .workspaceDisconnected: .workspaceDisconnected(try read(WorkspaceDisconnected.self))
      case .workspaceObserved: .workspaceObserved(try read(WorkspaceObserved.self))
      case .modelVersionRegistered: .modelVersionRegistered(try read(ModelVersionRegistered.self))
      case .modelVersionDeleted: .modelVersionDeleted(try read(ModelVersionDeleted.self))
      case .modelRenamed: .modelRenamed(try read(ModelRenamed.self))
      case .modelDescribed: .modelDescribed(try read(ModelDescribed.self))
      case .stageTransitioned: .stageTransitioned(try read(StageTransitioned.self))
      case .aliasAssigned: .aliasAssigned(try read(AliasAssigned.self))
      case .aliasRemoved: .aliasRemoved(try read(AliasRemoved.self))
      case .modelExported: .modelExported(try read(ModelExported.self))
      case .exportFailed: .exportFailed(try read(TransferFailed.self))
      case .exportInvalidated: .exportInvalidated(try read(ExportInvalidated.self))
      case .marketplaceNameAssigned: .marketplaceNameAssigned(try read(MarketplaceNameAssigned.self))
      case .modelImported: .modelImported(try read(ModelImported.self))
      case .importFailed: .importFailed(try read(TransferFailed.self))
      case .importLost: .importLost(try read(ImportLost.self))
      case .marketplacePromotionSet: .marketplacePromotionSet(try read(MarketplacePromotionSet.self))
      case .marketplaceDriftFound: .marketplaceDriftFound(try read(MarketplaceDriftFound.self))
      case .tokenCreated: .tokenCreated(try read(TokenCreated.self))
      case .tokenRevoked: .tokenRevoked(try read(TokenRevoked.self))
      }
  }
}
