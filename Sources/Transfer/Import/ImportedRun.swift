import Foundation
import Marketplace
import Registry

/// A run in the marketplace with everything the exported one had: times, user, parameters, whole metric histories,
/// tags, datasets and artifacts.
struct ImportedRun: Sendable {
  let registry: any ModelRegistry
  let contents: ExportContents
  let workspace: WorkspaceID
  let experiments: ImportedExperiments
  let notes: UploadNotes
  let progress: @Sendable (Int64) -> Void

  /// Finds the run that an earlier attempt made, or makes it, and completes it.
  func ensure(_ document: RunDocument) async throws -> Run {
    let key = Tag(OwnTags.sourceKey, "run/\(workspace.text)/\(document.info.runID)")
    let run =
      if let found = try await find(key, in: experiments) { found } else { try await create(document, key: key) }
    let files = contents.files(below: "\(document.info.runID)/artifacts")
    if run.isWhole {
      try await complete(files, of: run)
    } else if !files.isEmpty {
      try await contents.upload(
        files, to: registry.artifactLocation(of: run), of: registry, notes: notes, progress: progress)
    }
    let datasets = document.inputs.datasetInputs.map(DatasetInput.init)
    if !datasets.isEmpty { try await registry.logInputs(run: run.id, datasets: datasets) }
    try await registry.updateRun(
      run.id, status: document.info.status, endTime: document.info.endTime, name: document.info.runName)
    try await log(document, to: run)
    return run
  }

  /// Logs parameters, metrics and tags. That is idempotent, and the source may have logged more since an earlier version
  /// of the run was imported. The last call tells that everything has been written.
  private func log(_ document: RunDocument, to run: Run) async throws {
    var pending: [Metric] = []
    try await contents.metricPages(of: document) { page in
      if !pending.isEmpty { try await registry.logBatch(run: run.id, metrics: pending, params: [], tags: []) }
      pending = page
    }
    let tags = OwnTags.copied(document.tags) + [Tag(OwnTags.complete, "true")]
    try await registry.logBatch(
      run: run.id, metrics: pending,
      params: document.params.sorted { $0.key < $1.key }.map { Param($0.key.text, $0.value) },
      tags: tags.filter { run.tags[$0.key]?.isExactly($0.value) != true })
  }

  /// Files that came into the run since it was imported, such as the model of a later version.
  private func complete(_ files: [(file: Manifest.File, path: String)], of run: Run) async throws {
    let location = try registry.artifactLocation(of: run)
    let present = Set(try await registry.artifacts(at: location).map { Array($0.path.utf8) })
    let missing = files.filter { !present.contains(Array($0.path.utf8)) }
    // What is there came from an export that was whole then. This one must be so now, or it would be lived on unseen.
    try await contents.verify(files.filter { present.contains(Array($0.path.utf8)) }.map(\.file))
    guard !missing.isEmpty else { return }
    try await contents.upload(missing, to: location, of: registry, notes: notes, progress: progress)
  }

  /// The oldest run with our key, in whichever of our experiments it lies. Deleted by hand, with its experiment or
  /// alone, it comes back as it was: what the source still means.
  private func find(_ key: Tag, in experiments: ImportedExperiments) async throws -> Run? {
    let found = try await registry.runs(inExperiments: experiments.ids, tagged: key)
    guard let run = Self.chosen(of: found) else { return nil }
    for double in Self.doubles(in: found) { try await registry.deleteRun(double.id) }
    // A run that was brought back while its experiment was being deleted is not deleted itself.
    try await experiments.restore(run.experimentID)
    guard run.isDeleted else { return run }
    try await registry.restoreRun(run.id)
    return try await registry.run(run.id) ?? run
  }

  /// Of several a whole one comes first, even a deleted one: versions and logged models name it.
  private static func chosen(of found: [Run]) -> Run? {
    let active = found.filter { !$0.isDeleted }
    return active.first(where: \.isWhole) ?? found.first(where: \.isWhole) ?? active.first ?? found.first
  }

  /// Of runs with one key, oldest first, those that are nobody's: a request of a job that was killed may arrive after
  /// its successor has looked, and after it is done.
  static func doubles(in found: [Run]) -> [Run] {
    let chosen = chosen(of: found)
    return found.filter { !$0.isDeleted && $0.id != chosen?.id && !$0.isWhole }
  }

  /// Creating is not idempotent: whoever finds an older run with the key afterwards takes that and gives up its own.
  private func create(_ document: RunDocument, key: Tag) async throws -> Run {
    let home = try await experiments.home()
    let made = try await registry.createRun(
      NewRun(
        experimentID: home.id, name: document.info.runName, userID: document.info.userID,
        startTime: document.info.startTime,
        tags: [
          key, Tag(OwnTags.runID, document.info.runID), Tag(OwnTags.workspace, workspace.text),
          Tag(OwnTags.exportID, contents.manifest.exportID),
        ]))
    guard let oldest = try await find(key, in: experiments.with(home)), oldest.id != made.id else { return made }
    try await registry.deleteRun(made.id)
    return oldest
  }
}

extension Run {
  /// Whether an import has written all there was to it.
  fileprivate var isWhole: Bool { tags[OwnTags.complete] != nil }
}

extension DatasetInput {
  init(_ document: RunDocument.Dataset) {
    self.init(
      name: document.dataset.name, digest: document.dataset.digest, sourceType: document.dataset.sourceType,
      source: document.dataset.source, schema: document.dataset.schema, profile: document.dataset.profile,
      tags: document.tags)
  }
}
