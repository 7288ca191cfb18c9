import Foundation
import Ledger
import Marketplace
import Registry
import Storage

/// Copies one version to storage: every file hashed on its way, the manifest last, then the event.
struct ExportJob: Sendable {
  /// A file whose body ends early or whose size is not the listed one is fetched so often.
  static let attemptsMax = 3
  /// Files of one version fetched side by side.
  static let filesConcurrent = 4

  let context: JobContext
  let workspace: SourceWorkspace

  /// Exports the version and appends what became of it.
  ///
  /// - Returns: what to tell, and the sequences appended.
  func run(_ due: DueTransfer) async throws -> (Item, [Int64]) {
    let history = History(ledger: context.ledger, run: context.run)
    let identity = VersionIdentity(workspace.id, due.model, due.version)
    do {
      let (exported, described) = try await export(identity, due)
      var events = [
        ProposedEvent(
          stream: due.model.id.stream, expectedVersion: nil,
          id: identity.eventID("export", generation: due.version.exportGeneration), event: .modelExported(exported))
      ]
      if due.version.described != described {
        events.append(
          ProposedEvent(
            stream: due.model.id.stream, expectedVersion: nil,
            id: NameBasedUUID.make(["described", exported.exportID]), event: .modelDescribed(described)))
      }
      let sequences = try await append(events, history)
      return (
        Item(.exported, model: due.model.name, version: due.version.number, bytes: exported.bytes), sequences
      )
    } catch {
      let trouble = try Trouble(error)
      return try await failed(trouble, due, identity, history)
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
      id: NameBasedUUID.make([
        "export failed", workspace.id.text, due.model.id.text, String(due.version.number), context.run.uuidString,
      ]), event: .exportFailed(data))
    return (item, try await append([event], history))
  }

  private func export(_ identity: VersionIdentity, _ due: DueTransfer) async throws -> (ModelExported, ModelDescribed) {
    let source = try await ExportSource(identity, named: due.model.name, in: workspace.registry)
    let generation = due.version.exportGeneration
    let exportID = try await ExportClaim.exportID(
      of: identity, generation: generation, fresh: context.randomID(), in: context.pool)
    let folder = try ExportFolder(identity, name: due.model.firstName, exportID: exportID)
    let manifestKey = try folder.file(Manifest.fileName)
    if try await context.storage.size(of: manifestKey) == nil {
      let manifest = try await copy(source, identity, generation: generation, exportID: exportID, to: folder)
      _ = try await context.storage.putIfAbsent(try manifest.encoded(), at: manifestKey)
    }
    // What counts is what lies there: a run that was killed before its event left a manifest that is as good.
    let bytes = try await context.storage.bytes(of: manifestKey)
    let manifest = try Manifest(bytes: bytes, at: manifestKey)
    let exported = ModelExported(
      model: identity.model.text, name: due.model.name, version: identity.version, created: identity.created,
      generation: generation, exportID: exportID, uri: folder.uri(in: context.storage),
      manifestSHA256: StreamDigest.of(bytes).sha256, modelSHA256: manifest.modelSHA256, files: manifest.files.count,
      bytes: manifest.bytes)
    return (exported, try await describe(source, due, manifest: manifest, folder: folder))
  }

  private func copy(
    _ source: ExportSource, _ identity: VersionIdentity, generation: Int, exportID: String, to folder: ExportFolder
  ) async throws -> Manifest {
    let present = Dictionary(
      try await context.storage.files(below: folder.key).map { ($0.key, $0.size) },
      uniquingKeysWith: { first, _ in first })
    var files = try await concurrently(source.files, limit: Self.filesConcurrent) { file in
      let key = try folder.file(file.path)
      // A finished file of an earlier attempt under this export id came whole; hash it where it lies.
      if let size = present[key], size == file.file.size { return try await digest(key, path: file.path) }
      let written = try await fetch(file, to: key)
      context.progress(
        .exporting(workspace.id, model: source.version.name, version: identity.version, bytes: written.size))
      return Manifest.File(path: file.path, size: written.size, sha256: written.sha256)
    }
    for (path, bytes) in try await source.documents(in: workspace.registry) {
      let upload = try await context.storage.upload(to: try folder.file(path))
      let written = try await finishing(upload) { try await upload.write(bytes) }
      files.append(Manifest.File(path: path, size: written.size, sha256: written.sha256))
    }
    return Manifest(
      identity: identity, exportID: exportID, name: source.version.name, generation: generation,
      modelPath: source.modelPath, runID: source.run?.id, loggedModelID: source.loggedModel?.id, files: files)
  }

  private func digest(_ key: StorageKey, path: String) async throws -> Manifest.File {
    var digest = StreamDigest()
    for try await chunk in try await context.storage.read(key) { digest.update(chunk) }
    let all = digest.finish()
    return Manifest.File(path: path, size: all.size, sha256: all.sha256)
  }

  /// One file from the registry to storage. Every attempt begins at the first byte.
  private func fetch(_ file: ExportSource.File, to key: StorageKey) async throws -> WrittenFile {
    var arrived: Int64 = 0
    for attempt in 1... {
      let upload = try await context.storage.upload(to: key)
      do {
        arrived = try await workspace.registry.download(file.file, from: file.location) { try await upload.write($0) }
        guard let listed = file.file.size, listed != arrived else { return try await upload.finish() }
        await upload.abandon()
      } catch let error as RegistryError where error.code == .incompleteBody && attempt < Self.attemptsMax {
        await upload.abandon()
        continue
      } catch {
        await upload.abandon()
        throw error
      }
      guard attempt < Self.attemptsMax else { break }
    }
    throw Trouble(
      "incomplete_file",
      "\(file.path) is listed with \(file.file.size ?? 0) bytes, \(arrived) arrived, \(Self.attemptsMax) times. The "
        + "tracking server or its store cuts the file short. Nothing was recorded; the next run tries again.",
      retriable: true)
  }

  private func finishing(
    _ upload: any StorageUpload, _ write: () async throws -> Void
  ) async throws -> WrittenFile {
    do {
      try await write()
      return try await upload.finish()
    } catch {
      await upload.abandon()
      throw error
    }
  }

  /// What the catalog shows of the version: description and tags, the run's parameters and last metrics, and what
  /// `MLmodel` says of flavours and signature.
  private func describe(
    _ source: ExportSource, _ due: DueTransfer, manifest: Manifest, folder: ExportFolder
  ) async throws -> ModelDescribed {
    var snapshot = ModelDescribed.snapshot(
      model: due.model.id, name: due.model.name, version: due.version.number, description: source.version.description,
      tags: dictionary(source.version.tags.map { ($0.key, $0.value) }))
    snapshot.owner = snapshot.owner ?? source.version.userID ?? source.run?.userID
    if let file = manifest.modelFiles.first(where: { $0.path == MLmodelFile.fileName }),
      file.size <= MLmodelFile.bytesMax
    {
      let key = try folder.file("\(manifest.modelPath)/\(MLmodelFile.fileName)")
      let parsed = MLmodelFile(bytes: try await context.storage.bytes(of: key))
      snapshot.flavors = parsed?.flavors
      snapshot.signature = parsed?.signature.map(ModelDescribed.bounded(signature:))
    }
    if let run = source.run {
      snapshot.params = ModelDescribed.bounded(dictionary(run.params.map { ($0.key, $0.value) }))
      let metrics = run.metrics.sorted { $0.key < $1.key }.prefix(ModelDescribed.entriesMax)
      snapshot.metrics = Dictionary(
        metrics.map { ($0.key.kept(bytes: ModelDescribed.entryBytesMax), MetricValue($0.value)) },
        uniquingKeysWith: { first, _ in first })
      snapshot.runName = run.name.isEmpty ? nil : run.name.kept(bytes: ModelDescribed.entryBytesMax)
    }
    snapshot.experiment = source.experiment?.name.kept(bytes: ModelDescribed.entryBytesMax)
    return snapshot
  }
}
