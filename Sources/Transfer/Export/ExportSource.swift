import Foundation
import Marketplace
import Registry

/// Everything about a version that an export copies, as its registry gives it.
struct ExportSource: Sendable {
  /// One file and where it comes from and goes to.
  struct File: Sendable {
    var file: ArtifactFile
    var location: ArtifactLocation
    /// Its path within the export.
    var path: String
  }

  var registeredModel: RegisteredModel
  var version: ModelVersion
  var run: Run?
  var experiment: Experiment?
  var loggedModel: LoggedModel?
  /// The folder, within the export, that holds `MLmodel`.
  var modelPath: String
  var files: [File]

  /// Where `MLmodel` lies in the export.
  var mlmodelPath: String { "\(modelPath)/\(MLmodelFile.fileName)" }
  /// The file `MLmodel`.
  var mlmodel: File? { files.first { $0.path.isExactly(mlmodelPath) } }

  /// Asks the registry for all of it.
  ///
  /// - Parameter known: what this run has learnt of the registry already and need not ask again.
  /// - Throws: ``Trouble`` with `deleted_since`, `unsupported_source`, `missing_artifacts` or `missing_mlmodel`, or
  ///   what the registry throws.
  init(
    _ identity: VersionIdentity, of state: ModelState, in registry: any ModelRegistry, known: SourceMemory
  ) async throws {
    let name = state.name
    guard let version = try await registry.modelVersion(name: name, version: identity.version),
      version.created == identity.created,
      let model = try await known.model(named: name, created: state.created, in: registry)
    else {
      throw Trouble(
        "deleted_since", "\(name) v\(identity.version) does not exist any more; the next observation will say so.",
        retriable: true)
    }
    guard version.status == ModelVersion.readyStatus else {
      throw Trouble(
        "not_ready", "\(name) v\(identity.version) is \(version.status) at its source, not READY.", retriable: true)
    }
    registeredModel = model
    self.version = version
    if let id = version.runID { run = try await registry.run(id) }
    let location = try await registry.artifactLocation(of: version)
    switch location {
    case .unsupported(let uri, let reason):
      throw Trouble(
        "unsupported_source", "\(name) v\(identity.version) has its files at \(uri): \(reason).", retriable: false)
    case .loggedModel(let id, _):
      loggedModel = try await registry.loggedModel(id)
      modelPath = "\(id)/artifacts"
    case .run(let id, let path, _):
      modelPath = ["\(id)/artifacts", path].filter { !$0.isEmpty }.joined(separator: "/")
      if run == nil { run = try await registry.run(id) }
    case .proxy:
      modelPath = "model/artifacts"
    }
    let experimentID = run?.experimentID ?? loggedModel?.experimentID
    if let experimentID { experiment = try await known.experiment(experimentID, in: registry) }
    let place = try run.map { try Self.place(of: $0, in: registry) }
    let (ofModel, ofRun) = try await Self.list(location, within: place, in: registry)
    try Self.check(ofModel, at: location, name: name, identity: identity)
    let folder = modelPath
    files = ofModel.map { File(file: $0, location: location, path: "\(folder)/\($0.path)") }
    guard let run, let place else { return }
    // The run's own artifacts, but for those that are the model's files already.
    let listed = Set(files.map { Array($0.path.utf8) })
    files += ofRun.map { File(file: $0, location: place, path: "\(run.id)/artifacts/\($0.path)") }
      .filter { !listed.contains(Array($0.path.utf8)) }
  }

  /// The files of the model and those of the run. Where the one lies within the other, one listing names all.
  private static func list(
    _ model: ArtifactLocation, within run: ArtifactLocation?, in registry: any ModelRegistry
  ) async throws -> (ofModel: [ArtifactFile], ofRun: [ArtifactFile]) {
    guard let run else { return (try await registry.artifacts(at: model), []) }
    guard let folder = model.path(within: run) else {
      return (try await registry.artifacts(at: model), try await registry.artifacts(at: run))
    }
    let all = try await registry.artifacts(at: run)
    guard !folder.isEmpty else { return (all, all) }
    return (all.compactMap { file in file.path.below(folder).map { ArtifactFile(path: $0, size: file.size) } }, all)
  }

  private static func check(
    _ files: [ArtifactFile], at location: ArtifactLocation, name: String, identity: VersionIdentity
  ) throws {
    guard !files.isEmpty else {
      throw Trouble(
        "missing_artifacts",
        "\(name) v\(identity.version) has no files at \(location.root ?? "its source"): they were deleted or never "
          + "uploaded. Register the version again from a run that has them.", retriable: false)
    }
    guard files.contains(where: { $0.path == MLmodelFile.fileName }) else {
      throw Trouble(
        "missing_mlmodel",
        "\(name) v\(identity.version) has \(files.count) files at \(location.root ?? "its source") but no MLmodel "
          + "among them: it is not an MLflow model.", retriable: false)
    }
  }

  private static func place(of run: Run, in registry: any ModelRegistry) throws -> ArtifactLocation {
    let location = try registry.artifactLocation(of: run)
    if case .unsupported(let uri, let reason) = location {
      throw Trouble(
        "unsupported_source", "Run \(run.id) has its artifacts at \(uri): \(reason).", retriable: false)
    }
    return location
  }
}

extension ArtifactLocation {
  /// The path of this place within that of a run; empty where they are the same, `nil` where it lies elsewhere.
  fileprivate func path(within run: ArtifactLocation) -> String? {
    guard let own = root, let root = run.root else { return nil }
    return own.isExactly(root) ? "" : own.below(root)
  }
}
