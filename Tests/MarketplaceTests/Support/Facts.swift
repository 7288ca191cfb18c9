import Marketplace

/// Facts that the export and import jobs leave, with what does not matter filled in.
extension DomainEvent {
  static func exported(_ model: ModelState, version: Int, created: Int64, generation: Int = 1) -> DomainEvent {
    .modelExported(
      ModelExported(
        model: model.id.text, name: model.name, version: version, created: created, generation: generation,
        exportID: "export-\(version)-\(generation)", uri: "file:///x", manifestSHA256: "m", modelSHA256: "s",
        files: 1, bytes: 1))
  }

  static func imported(
    _ model: ModelState, version: Int, created: Int64, as marketplaceVersion: Int, generation: Int = 1
  ) -> DomainEvent {
    .modelImported(
      ModelImported(
        model: model.id.text, name: model.name, version: version, created: created, generation: generation,
        exportID: "export-\(version)-1", target: "marketplace", marketplaceName: "dev01.\(model.name)",
        marketplaceVersion: marketplaceVersion, manifestSHA256: "m"))
  }

  static func lost(
    _ model: ModelState, version: Int, created: Int64, as marketplaceVersion: Int, generation: Int = 1
  ) -> DomainEvent {
    .importLost(
      ImportLost(
        model: model.id.text, name: model.name, version: version, created: created, generation: generation,
        target: "marketplace", marketplaceName: "dev01.\(model.name)", marketplaceVersion: marketplaceVersion,
        reason: "deleted by hand"))
  }
}
