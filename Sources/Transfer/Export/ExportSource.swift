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
  /// - Throws: ``Trouble`` with `deleted_since`, `unsupported_source`, `missing_artifacts` or `missing_mlmodel`, or
  ///   what the registry throws.
  init(_ identity: VersionIdentity, named name: String, in registry: any ModelRegistry) async throws {
    guard let model = try await registry.registeredModel(named: name),
      let version = try await registry.modelVersion(name: name, version: identity.version),
      version.created == identity.created
    else {
      throw Trouble(
        "deleted_since", "\(name) v\(identity.version) does not exist any more; the next observation will say so.",
        retriable: true)
    }
    guard version.status == "READY" else {
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
    if let experimentID { experiment = try await registry.experiment(experimentID) }
    files = try await Self.modelFiles(at: location, below: modelPath, of: registry, name: name, identity: identity)
    if let run { files += try await runFiles(of: run, in: registry) }
  }

  private static func modelFiles(
    at location: ArtifactLocation, below modelPath: String, of registry: any ModelRegistry, name: String,
    identity: VersionIdentity
  ) async throws -> [File] {
    let files = try await registry.artifacts(at: location).map {
      File(file: $0, location: location, path: "\(modelPath)/\($0.path)")
    }
    guard !files.isEmpty else {
      throw Trouble(
        "missing_artifacts",
        "\(name) v\(identity.version) has no files at \(location.root ?? "its source"): they were deleted or never "
          + "uploaded. Register the version again from a run that has them.", retriable: false)
    }
    guard files.contains(where: { $0.file.path == MLmodelFile.fileName }) else {
      throw Trouble(
        "missing_mlmodel",
        "\(name) v\(identity.version) has \(files.count) files at \(location.root ?? "its source") but no MLmodel "
          + "among them: it is not an MLflow model.", retriable: false)
    }
    return files
  }

  /// The run's own artifacts, but for those that are the model's files already.
  private func runFiles(of run: Run, in registry: any ModelRegistry) async throws -> [File] {
    let location = try registry.artifactLocation(of: run)
    if case .unsupported(let uri, let reason) = location {
      throw Trouble(
        "unsupported_source", "Run \(run.id) has its artifacts at \(uri): \(reason).", retriable: false)
    }
    let known = Set(files.map { Array($0.path.utf8) })
    return try await registry.artifacts(at: location)
      .map { File(file: $0, location: location, path: "\(run.id)/artifacts/\($0.path)") }
      .filter { !known.contains(Array($0.path.utf8)) }
  }
}
