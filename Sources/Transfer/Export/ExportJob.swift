import Foundation
import Ledger
import Marketplace
import Registry
import Storage

/// Copies one version to storage, and appends the event once the manifest lies there.
struct ExportJob: Sendable {
  /// So many folders are looked at: a claim whose folder cannot be gone on with is replaced, and so may be what
  /// another run replaced it with.
  static let claimsMax = 3

  let context: JobContext
  let workspace: SourceWorkspace
  let known: SourceMemory

  /// Exports the version and appends what became of it.
  ///
  /// - Returns: what to tell, and the sequences appended.
  func run(_ due: DueTransfer) async throws -> (Item, [Int64]) {
    let history = History(ledger: context.ledger, run: context.run)
    let identity = VersionIdentity(workspace.id, due.model, due.version)
    do {
      let (exported, described) = try await export(identity, due)
      let export = ProposedEvent(
        stream: due.model.id.stream, expectedVersion: nil,
        id: identity.eventID("export", generation: due.version.exportGeneration), event: .modelExported(exported))
      let description = ProposedEvent(
        stream: due.model.id.stream, expectedVersion: nil,
        id: NameBasedUUID.make(["described", exported.exportID]), event: .modelDescribed(described))
      let isKnown = described.saysTheSame(as: due.version.described)
      let (sequences, refusal) = try await append(export, isKnown ? nil : description, history)
      // Nothing appended: another run has done the same work, and tells of it.
      let item =
        sequences.isEmpty
        ? Item(.busy, model: due.model.name, version: due.version.number)
        : Item(.exported, model: due.model.name, version: due.version.number, bytes: exported.bytes, trouble: refusal)
      return (item, sequences)
    } catch {
      let trouble = try Trouble(error)
      return try await failed(trouble, due, identity, history)
    }
  }

  /// Appends both at once. An export counts even where the ledger takes its description for wrong: then it is appended
  /// alone, and the trouble says that the description is missing.
  private func append(
    _ export: ProposedEvent, _ description: ProposedEvent?, _ history: History
  ) async throws -> ([Int64], Trouble?) {
    guard let description else { return (try await append([export], history), nil) }
    do {
      return (try await append([export, description], history), nil)
    } catch let error as LedgerError {
      let sequences = try await append([export], history)
      let trouble = Trouble(
        "description_refused",
        "The export stands, but the ledger refused what the catalog would show of it: \(error)", retriable: false)
      return (sequences, trouble)
    }
  }

  /// An export that another run finished first is as good as ours: its event stays, our copy is collected later.
  private func append(_ events: [ProposedEvent], _ history: History) async throws -> [Int64] {
    do {
      return try await history.append(events, to: workspace.id)
    } catch let error as LedgerError where error.isLostRace {
      return []
    }
  }

  private func failed(
    _ trouble: Trouble, _ due: DueTransfer, _ identity: VersionIdentity, _ history: History
  ) async throws -> (Item, [Int64]) {
    let data = TransferFailed(
      model: due.model.id.text, name: due.model.name, version: due.version.number, created: due.version.created,
      generation: due.version.exportGeneration, code: trouble.code,
      message: trouble.message.kept(bytes: Trouble.messageBytesMax),
      retriable: trouble.retriable)
    let item = Item(.failed, model: due.model.name, version: due.version.number, trouble: trouble)
    guard VersionState.isNews(data, after: due.version.exportFailure, now: context.now()) else { return (item, []) }
    let event = ProposedEvent(
      stream: due.model.id.stream, expectedVersion: nil,
      id: data.eventID("export failed", in: workspace.id, after: due.version.exportFailure), event: .exportFailed(data))
    return (item, try await append([event], history))
  }

  private func export(_ identity: VersionIdentity, _ due: DueTransfer) async throws -> (ModelExported, ModelDescribed) {
    let source = try await ExportSource(identity, of: due.model, in: workspace.registry, known: known)
    for _ in 1...Self.claimsMax {
      let (manifest, sha256, folder) = try await copy(source, identity, due)
      guard let described = try await describe(source, due, manifest: manifest, folder: folder) else {
        // Damaged since an earlier run wrote it.
        _ = try await context.memory.replaceExportID(
          manifest.exportID, of: identity, generation: manifest.generation, fresh: context.randomID())
        continue
      }
      let exported = ModelExported(
        model: identity.model.text, name: due.model.name, version: identity.version, created: identity.created,
        generation: manifest.generation, exportID: manifest.exportID, uri: folder.uri(in: context.storage),
        manifestSHA256: sha256, modelSHA256: manifest.modelSHA256, files: manifest.files.count, bytes: manifest.bytes)
      return (exported, described)
    }
    throw damaged(identity, due)
  }

  /// Copies the version under the claimed id. What counts is what lies there: a run that was killed before its event
  /// left a manifest that is as good, unless it was damaged since.
  private func copy(
    _ source: ExportSource, _ identity: VersionIdentity, _ due: DueTransfer
  ) async throws -> (Manifest, sha256: String, ExportFolder) {
    let generation = due.version.exportGeneration
    let fresh = context.randomID()
    var exportID = try await context.memory.exportID(of: identity, generation: generation, fresh: fresh)
    // Nobody here has begun it; a database that was restored does not know of what was finished since its backup.
    if UUID(uuidString: exportID) == fresh, let lost = try await forgotten(source, identity, due) {
      exportID = try await context.memory.replaceExportID(exportID, of: identity, generation: generation, fresh: lost)
    }
    var earlier: EarlierFiles?
    for _ in 1...Self.claimsMax {
      let folder = try ExportFolder(identity, name: due.model.firstName, exportID: exportID)
      var copy = ExportCopy(
        context: context, workspace: workspace, source: source, identity: identity, generation: generation,
        exportID: exportID, folder: folder)
      switch try await copy.remains() {
      case .manifest(let manifest, let sha256):
        return (manifest, sha256, folder)
      case .files:
        let known =
          if let earlier { earlier } else { try await EarlierFiles(of: due.model, in: context.storage) }
        earlier = known
        copy.earlier = known
        do {
          let (manifest, sha256) = try await copy.run()
          return (manifest, sha256, folder)
        } catch is ExportCopy.SourceChanged {}
      case .unusable:
        break
      }
      exportID = try await context.memory.replaceExportID(
        exportID, of: identity, generation: generation, fresh: context.randomID())
    }
    throw damaged(identity, due)
  }

  /// The id of a whole export of this version and generation that lies in storage, whoever made it, and holds what the
  /// source has.
  private func forgotten(
    _ source: ExportSource, _ identity: VersionIdentity, _ due: DueTransfer
  ) async throws -> UUID? {
    for id in try await ExportFolder.finishedIDs(of: identity, name: due.model.firstName, in: context.storage) {
      let copy = ExportCopy(
        context: context, workspace: workspace, source: source, identity: identity,
        generation: due.version.exportGeneration, exportID: id.uuidString.lowercased(),
        folder: try ExportFolder(identity, name: due.model.firstName, exportID: id.uuidString.lowercased()))
      if try await copy.isForgotten() { return id }
    }
    return nil
  }

  private func damaged(_ identity: VersionIdentity, _ due: DueTransfer) -> Trouble {
    Trouble(
      "manifest_unreadable",
      "What earlier attempts to export \(due.model.name) v\(identity.version) left is damaged, \(Self.claimsMax) times "
        + "over. Check the storage. The next run tries again.", retriable: true)
  }

  /// What the catalog shows of the version: description and tags, the run's parameters and last metrics, and what
  /// `MLmodel` says of flavours and signature; `nil` where the stored `MLmodel` is not the one of the manifest.
  private func describe(
    _ source: ExportSource, _ due: DueTransfer, manifest: Manifest, folder: ExportFolder
  ) async throws -> ModelDescribed? {
    var snapshot = ModelDescribed.snapshot(
      model: due.model.id, name: due.model.name, version: due.version.number, description: source.version.description,
      tags: dictionary(source.version.tags.map { ($0.key, $0.value) }))
    if snapshot.owner == nil { snapshot.set(owner: source.version.userID ?? source.run?.userID) }
    if let file = manifest.modelFiles.first(where: { $0.path == MLmodelFile.fileName }),
      file.size <= MLmodelFile.bytesMax
    {
      let key = try folder.file("\(manifest.modelPath)/\(MLmodelFile.fileName)")
      let bytes = try await context.storage.bytes(of: key)
      let found = StreamDigest.of(bytes)
      guard found == WrittenFile(size: file.size, sha256: file.sha256) else {
        guard try await context.storage.size(of: key) == found.size else { throw Trouble.readShort(key, found.size) }
        return nil
      }
      let parsed = MLmodelFile(bytes: bytes)
      snapshot.set(flavors: parsed?.flavors)
      snapshot.set(signature: parsed?.signature)
    }
    if let run = source.run {
      snapshot.set(params: dictionary(run.params.map { ($0.key, $0.value) }))
      snapshot.set(metrics: dictionary(run.metrics.map { ($0.key, $0.value) }))
      snapshot.set(runName: run.name)
    }
    snapshot.set(experiment: source.experiment?.name)
    return snapshot
  }
}
