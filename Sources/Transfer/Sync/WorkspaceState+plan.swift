import Marketplace

/// What a dry run takes for done, so that its plan goes on where the real run would: an export is followed by an
/// import, an import by a promotion. Nothing of it reaches the ledger.
extension WorkspaceState {
  /// Folds in an event that the real run would append.
  mutating func assume(_ event: DomainEvent, stream: String) {
    apply(event, stream: stream, streamVersion: streamVersions[stream] ?? 0, sequence: sequence, recordedAt: 0)
  }

  /// As if the version had been exported.
  mutating func assume(exported due: DueTransfer) {
    let data = ModelExported(
      model: due.model.id.text, name: due.model.name, version: due.version.number, created: due.version.created,
      generation: due.version.exportGeneration, exportID: "", uri: "", manifestSHA256: "", modelSHA256: "", files: 0,
      bytes: 0)
    assume(.modelExported(data), stream: due.model.id.stream)
  }

  /// As if the version had been imported under this name, with a number that no registry has given.
  mutating func assume(imported due: DueTransfer, target: MarketplaceTarget, name: MarketplaceName) {
    let known = models[due.model.id]?.marketplace[target.id]
    let number = (known?.sourceVersions.keys.max() ?? 0) + (known?.everPromoted.max() ?? 0) + 1
    let data = ModelImported(
      model: due.model.id.text, name: due.model.name, version: due.version.number, created: due.version.created,
      generation: due.version.imports[target.id]?.generation ?? 1, exportID: "", target: target.id,
      marketplaceName: name.text, marketplaceVersion: number, marketplaceRunID: nil, manifestSHA256: "")
    assume(.modelImported(data), stream: due.model.id.stream)
  }
}
