import Foundation
import Marketplace
import Registry

/// A version in the marketplace, found by its key or made: files first, the version last.
struct ImportedVersion: Sendable {
  let registry: any ModelRegistry
  let contents: ExportContents
  let workspace: WorkspaceID
  /// The tag that every entity made for this version carries from its creation.
  let key: Tag
  let name: MarketplaceName
  /// Whether the model was made now, and has no version yet.
  let isFirst: Bool
  let locks: ModelLocks
  let notes: UploadNotes
  /// Whether what carries this export's id was made from one that was found damaged since.
  let isOutdated: @Sendable (_ exportID: String?) async throws -> Bool
  let proveLock: @Sendable () async throws -> Void
  let progress: @Sendable (Int64) -> Void

  /// Where the version's files lie in the marketplace.
  private struct Place {
    var source: String
    var run: Run?
    var loggedModel: LoggedModel?
  }

  /// The version with our key, complete, and the run it belongs to.
  func ensure(_ source: RegisteredModelDocument.Version) async throws -> (ModelVersion, Run?) {
    let experiments = ImportedExperiments(
      registry: registry, workspace: workspace,
      source: source.experimentName.isEmpty ? source.name : source.experimentName)
    let run = try await ensureRun(experiments)
    let tags =
      OwnTags.copied(source.tags) + [
        key, Tag(OwnTags.workspace, workspace.text), Tag(OwnTags.model, source.name),
        Tag(OwnTags.version, source.version),
      ]
    let known = isFirst ? Found() : try await find()
    if let ours = known.ours {
      guard ours.status != ModelVersion.pendingStatus else {
        throw Trouble(
          "not_registered", "Version \(ours.version) of \(name.text) is still \(ours.status) in the marketplace.",
          retriable: true)
      }
      try await remove(known.others)
      try await describe(ours, as: source.description, tags)
      return (ours, run)
    }
    let place = try await placeFiles(experiments, run: run)
    let made = try await registry.createModelVersion(
      NewModelVersion(
        name: name.text, source: place.source, runID: place.run?.id, modelID: place.loggedModel?.id,
        description: source.description,
        tags: tags + [Tag(OwnTags.exportID, contents.manifest.exportID)]))
    // Creating is not idempotent and cannot be fenced. What another makes meanwhile is seen when everything that this run
    // wrote is looked at once more: history says then which is the one. In a new model nobody has looked yet for what has
    // another name.
    let there = isFirst ? try await find(besides: made) : Found(ours: made, others: known.others)
    try await remove(there.others)
    return (there.ours ?? made, run)
  }

  /// What carries our key.
  private struct Found {
    /// The lowest version that no damaged export was the source of, and that the registry did not fail to take in.
    var ours: ModelVersion?
    /// To be removed once there is one. Those under other names are too: an attempt that was killed before its event made
    /// them, when the model was still to have that name.
    var others: [ModelVersion] = []
  }

  /// Nothing is adopted or deleted on the word of a search alone: each version is asked for by itself.
  ///
  /// - Parameter made: one that was made just now.
  private func find(besides made: ModelVersion? = nil) async throws -> Found {
    var found: [ModelVersion] = []
    for version in try await registry.modelVersions(tagged: key) {
      if let made, made.version == version.version, made.name.isExactly(version.name) {
        found.append(version)
      } else if let version = try await registry.modelVersion(name: version.name, version: version.version),
        version.tags[key.key]?.isExactly(key.value) == true
      {
        found.append(version)
      }
    }
    var ours: [ModelVersion] = []
    for version in found where version.name.isExactly(name.text) && version.status != ModelVersion.failedStatus {
      if try await !isOutdated(version.tags[OwnTags.exportID]) { ours.append(version) }
    }
    let first = ours.min { $0.version < $1.version }
    return Found(ours: first, others: found.filter { $0 != first })
  }

  private func remove(_ versions: [ModelVersion]) async throws {
    for version in versions {
      try await registry.deleteModelVersion(name: version.name, version: version.version)
    }
  }

  /// Brings a version that is adopted up to date: a ledger that was lost may have imported it long ago.
  private func describe(_ version: ModelVersion, as description: String, _ tags: [Tag]) async throws {
    let isDescribed = version.description.isExactly(description)
    let changed = tags.filter { version.tags[$0.key]?.isExactly($0.value) != true }
    guard !isDescribed || !changed.isEmpty else { return }
    // Another run may have adopted it since, and have recorded it.
    try await proveLock()
    if !isDescribed {
      try await registry.updateModelVersion(name: version.name, version: version.version, description: description)
    }
    for tag in changed {
      try await registry.setTag(tag, ofModel: version.name, version: version.version)
    }
  }

  /// The run, made once however many versions came from it: under a lock, since two of them may be imported at once.
  private func ensureRun(_ experiments: ImportedExperiments) async throws -> Run? {
    guard let document = try await contents.run() else { return nil }
    return try await locks.whenFree("run/\(workspace.text)/\(document.info.runID)") {
      let imported = ImportedRun(
        registry: registry, contents: contents, workspace: workspace, experiments: try await experiments.read(),
        notes: notes, progress: progress)
      return try await imported.ensure(document)
    }
  }

  private func placeFiles(_ experiments: ImportedExperiments, run: Run?) async throws -> Place {
    if let run, let runID = contents.manifest.runID, contents.manifest.modelPath.hasPrefix("\(runID)/artifacts"),
      run.tags[OwnTags.exportID] == contents.manifest.exportID
    {
      // The model's files are artifacts of the run, and have been written with it from this very export. A run that
      // another export wrote may hold other bytes at the same path, so then the model gets a place of its own.
      let path = contents.manifest.modelPath.dropFirst("\(runID)/artifacts".count)
      return Place(source: run.artifactURI + path, run: run)
    }
    let known = try await experiments.read()
    guard try await registry.serverInfo().hasLoggedModels else { return try await placeInRun(known, run: run) }
    let imported = ImportedLoggedModel(
      registry: registry, contents: contents, key: key, experiments: known, run: run, notes: notes,
      isOutdated: isOutdated, progress: progress)
    let model = try await imported.ensure(try await contents.loggedModel())
    return Place(source: "models:/\(model.id)", run: run, loggedModel: model)
  }

  /// A server without logged models keeps the files in a run, made for the purpose when the version has none.
  private func placeInRun(_ experiments: ImportedExperiments, run: Run?) async throws -> Place {
    let home: Run
    if let run {
      home = run
    } else if let found = try await findHome(experiments) {
      home = found
    } else {
      let experiment = try await experiments.home()
      let made = try await registry.createRun(NewRun(experimentID: experiment.id, name: name.text, tags: [key]))
      let oldest = try await findHome(experiments.with(experiment)) ?? made
      if oldest.id != made.id { try await registry.deleteRun(made.id) }
      home = oldest
    }
    // One run may have logged several models, and their versions bear the same numbers: the export tells them apart.
    let folder = "model-\(contents.manifest.exportID)"
    let files = contents.files(below: contents.manifest.modelPath).map { (file: $0.file, path: "\(folder)/\($0.path)") }
    try await contents.upload(
      files, to: registry.artifactLocation(of: home), of: registry, notes: notes, progress: progress)
    if run == nil { try await registry.updateRun(home.id, status: "FINISHED", endTime: nil, name: nil) }
    return Place(source: "\(home.artifactURI)/\(folder)", run: home)
  }

  /// The oldest run that was made for the version's files alone.
  private func findHome(_ experiments: ImportedExperiments) async throws -> Run? {
    try await registry.runs(inExperiments: experiments.ids, tagged: key).first { !$0.isDeleted }
  }
}
