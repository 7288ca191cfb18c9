import Foundation
import Ledger
import Marketplace
import Registry
import Storage

/// Makes one export a version of the marketplace registry: experiment, run, model files, and the version last.
struct ImportJob: Sendable {
  /// Files of one version written side by side.
  static let filesConcurrent = 4

  let context: JobContext
  let target: MarketplaceTarget
  let state: WorkspaceState
  let locks: ModelLocks
  let names: NameRegister

  /// Imports the version and appends what became of it.
  ///
  /// - Returns: what to tell, and the sequences appended.
  func run(_ due: DueTransfer, export: LiveExport) async throws -> (Item, [Int64]) {
    do {
      let name = try await names.name(for: due.model, in: state, template: target.template)
      let imported = try await make(due, export: export.data, name: name)
      let event = ProposedEvent(
        stream: due.model.id.stream, expectedVersion: nil,
        id: identity(due).eventID("import", generation: imported.generation, target: target.id),
        event: .modelImported(imported))
      let cause = EventReference(workspace: state.workspace.text, sequence: export.sequence)
      let sequences = try await append(event, cause: cause)
      try await notes(due).forget(export.data)
      // Nothing appended: another run has done the same work, and tells of it.
      guard !sequences.isEmpty else {
        return (Item(.busy, model: due.model.name, version: due.version.number), [])
      }
      let item = Item(
        .imported, model: due.model.name, version: due.version.number, marketplaceName: name.text,
        bytes: export.data.bytes)
      return (item, sequences)
    } catch {
      return try await failed(try Trouble(error), due, export.data)
    }
  }

  private func identity(_ due: DueTransfer) -> VersionIdentity {
    VersionIdentity(state.workspace, due.model, due.version)
  }

  private func generation(_ due: DueTransfer) -> Int { due.version.imports[target.id]?.generation ?? 1 }

  private func key(_ due: DueTransfer) -> Tag {
    Tag(OwnTags.sourceKey, identity(due).sourceKey(generation: generation(due)))
  }

  private func notes(_ due: DueTransfer) -> UploadNotes {
    UploadNotes(memory: context.memory, target: target.id, key: key(due))
  }

  /// Another run that imported the same export first found or made the same version: its event says the same.
  private func append(_ event: ProposedEvent, cause: EventReference?) async throws -> [Int64] {
    do {
      return try await History(ledger: context.ledger, run: context.run).append(
        [event], to: state.workspace, cause: cause)
    } catch let error as LedgerError where error.isLostRace {
      return []
    }
  }

  private func failed(_ trouble: Trouble, _ due: DueTransfer, _ export: ModelExported) async throws -> (Item, [Int64]) {
    if trouble.code == Trouble.rottenCode {
      let data = ExportInvalidated(
        model: due.model.id.text, name: due.model.name, version: due.version.number, created: due.version.created,
        generation: export.generation, exportID: export.exportID,
        reason: trouble.message.kept(bytes: Trouble.messageBytesMax))
      let event = ProposedEvent(
        stream: due.model.id.stream, expectedVersion: nil,
        id: identity(due).eventID("export invalidated", generation: export.generation),
        event: .exportInvalidated(data))
      let item = Item(.invalidated, model: due.model.name, version: due.version.number, trouble: trouble)
      return (item, try await append(event, cause: nil))
    }
    let known = due.version.imports[target.id]
    let data = TransferFailed(
      model: due.model.id.text, name: due.model.name, version: due.version.number, created: due.version.created,
      generation: known?.generation ?? 1, exportID: export.exportID, target: target.id, code: trouble.code,
      message: trouble.message.kept(bytes: Trouble.messageBytesMax), retriable: trouble.retriable)
    let item = Item(.failed, model: due.model.name, version: due.version.number, trouble: trouble)
    guard VersionState.isNews(data, after: known?.failure, now: context.now()) else { return (item, []) }
    let event = ProposedEvent(
      stream: due.model.id.stream, expectedVersion: nil,
      id: data.eventID("import failed", in: state.workspace, after: known?.failure), event: .importFailed(data))
    return (item, try await append(event, cause: nil))
  }

  private func make(_ due: DueTransfer, export: ModelExported, name: MarketplaceName) async throws -> ModelImported {
    let contents = try await ExportContents(export, in: context.storage)
    let model = try await contents.registeredModel()
    guard let source = model.versions.first else {
      throw Trouble(Trouble.rottenCode, "model.json of \(export.uri) names no version.", retriable: true)
    }
    let isNew = try await ensureModel(model, named: name)
    let made = ImportedVersion(
      registry: target.registry, contents: contents, workspace: state.workspace, key: key(due), name: name,
      isFirst: isNew, locks: locks, notes: notes(due), isOutdated: { try await isOutdated($0, due) },
      proveLock: context.proveLock,
      progress: { [context, workspace = state.workspace] bytes in
        context.progress(
          .importing(workspace, model: due.model.name, version: due.version.number, bytes: bytes))
      })
    let (version, run) = try await made.ensure(source)
    return ModelImported(
      model: due.model.id.text, name: due.model.name, version: due.version.number, created: due.version.created,
      generation: generation(due), exportID: export.exportID, target: target.id, marketplaceName: name.text,
      marketplaceVersion: version.version, marketplaceRunID: run?.id, manifestSHA256: export.manifestSHA256)
  }

  /// Whether something in the marketplace was made from an export of this version that was found damaged since, and may
  /// have held other bytes and tags. An export that history does not know was made by a ledger that was lost.
  private func isOutdated(_ exportID: String?, _ due: DueTransfer) async throws -> Bool {
    guard let exportID, due.version.exportsGivenUp.contains(exportID) else { return false }
    // What is outdated will be removed, so this is no place for a run that has lost its lock.
    try await context.proveLock()
    return true
  }

  /// - Returns: whether the model was made now.
  private func ensureModel(_ source: RegisteredModelDocument.Model, named name: MarketplaceName) async throws -> Bool {
    let tags =
      OwnTags.copied(source.tags) + [
        Tag(OwnTags.workspace, state.workspace.text), Tag(OwnTags.model, source.name),
      ]
    let (model, isNew) = try await target.registry.createRegisteredModel(
      named: name.text, description: source.description, tags: tags)
    if !model.description.isExactly(source.description) {
      try await target.registry.updateRegisteredModel(named: name.text, description: source.description)
    }
    for tag in tags where model.tags[tag.key]?.isExactly(tag.value) != true {
      try await target.registry.setTag(tag, ofModel: name.text)
    }
    return isNew
  }
}
