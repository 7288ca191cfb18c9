import NIOHTTP1

extension MLflowRegistry {
  private struct VersionKey: Encodable {
    var name: String
    var version: String
    var description: String?
    var stage: String?
    var archive_existing_versions: Bool?
    var key: String?
    var value: String?

    init(_ name: String, _ version: Int) {
      self.name = name
      self.version = String(version)
    }
  }

  /// Creates a version, and waits until the registry has it. **Not idempotent**: each call adds one, so it is sent at
  /// most once.
  public func createModelVersion(_ version: NewModelVersion) async throws -> ModelVersion {
    struct Content: Encodable {
      var name: String
      var source: String
      var run_id: String?
      var model_id: String?
      var description: String?
      var tags: [Tag]
      var run_link: String?
    }
    // Servers demand the logged model's identifier beside a source that names it.
    let content = Content(
      name: version.name, source: version.source, run_id: version.runID,
      model_id: version.modelID ?? ArtifactSource.loggedModelID(in: version.source),
      description: version.description, tags: version.tags, run_link: version.runLink)
    let operation = "creating a version of \(version.name.shown)"
    let made = try await send(
      .POST, "model-versions/create", content, as: VersionAnswer.self, idempotent: false, operation: operation
    ).model_version.value
    return try await registered(made, operation: operation)
  }

  /// Sets the description of a version.
  public func updateModelVersion(name: String, version: Int, description: String) async throws {
    var content = VersionKey(name, version)
    content.description = description
    _ = try await send(
      .PATCH, "model-versions/update", content, as: Wire.Nothing.self, idempotent: true,
      operation: "describing version \(version) of \(name.shown)")
  }

  /// Sets one tag of a version.
  public func setTag(_ tag: Tag, ofModel name: String, version: Int) async throws {
    var content = VersionKey(name, version)
    content.key = tag.key
    content.value = tag.value
    _ = try await send(
      .POST, "model-versions/set-tag", content, as: Wire.Nothing.self, idempotent: true,
      operation: "tagging version \(version) of \(name.shown)")
  }

  /// Moves a version to a stage: None, Staging, Production or Archived.
  public func transitionStage(
    name: String, version: Int, to stage: String, archiveExistingVersions: Bool
  ) async throws {
    var content = VersionKey(name, version)
    content.stage = stage
    content.archive_existing_versions = archiveExistingVersions
    _ = try await send(
      .POST, "model-versions/transition-stage", content, as: Wire.Nothing.self, idempotent: true,
      operation: "moving version \(version) of \(name.shown) to stage \(stage.shown)")
  }

  /// Removes a version; done as well when it does not exist.
  public func deleteModelVersion(name: String, version: Int) async throws {
    _ = try await unlessAbsent {
      try await send(
        .DELETE, "model-versions/delete", VersionKey(name, version), as: Wire.Nothing.self,
        idempotent: true, operation: "deleting version \(version) of \(name.shown)")
    }
  }
}
