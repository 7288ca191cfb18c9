import NIOHTTP1

extension MLflowRegistry {
  private struct ModelAnswer: Decodable {
    var model: Wire.LoggedModel
  }

  private struct ModelPage: ListingPage {
    var models: [Wire.LoggedModel]?
    var next_page_token: String?
    var items: [LoggedModel] { (models ?? []).map { $0.value() } }
  }

  /// One logged model, or `nil` when it does not exist or the server is MLflow 2.
  public func loggedModel(_ id: String) async throws -> LoggedModel? {
    try await unlessAbsent {
      try await unlessOld {
        let (answer, body) = try await getWithBody(
          "logged-models/" + PercentEncoding.encode(id), [], as: ModelAnswer.self,
          operation: "reading logged model \(id.shown)")
        return answer.model.value(body: body)
      }
    } ?? nil
  }

  /// `nil` when the server knows no logged models because it is too old; whether it is, is asked only then.
  private func unlessOld<T>(_ body: () async throws -> T) async throws -> T? {
    do {
      return try await body()
    } catch let error as RegistryError where error.code == .unsupported {
      guard try await serverVersion().hasLoggedModels else { return nil }
      throw error
    }
  }

  /// Creates a logged model in status `LOGGED_MODEL_PENDING`. **Not idempotent**, so it is sent at most once.
  public func createLoggedModel(_ model: NewLoggedModel) async throws -> LoggedModel {
    struct Content: Encodable {
      var experiment_id: String
      var name: String
      var model_type: String?
      var source_run_id: String?
      var params: [Param]
      var tags: [Tag]
    }
    let content = Content(
      experiment_id: model.experimentID, name: model.name, model_type: model.modelType,
      source_run_id: model.sourceRunID, params: model.params, tags: model.tags)
    let operation = "creating logged model \(model.name.shown)"
    let created = try await unlessOld {
      try await send(
        .POST, "logged-models", content, as: ModelAnswer.self, idempotent: false, operation: operation
      ).model.value()
    }
    guard let created else {
      throw RegistryError(
        .unsupported, operation: operation, url: transport.address.text,
        message: "this server is MLflow 2, which has no logged models",
        advice: "Write the files below the run's artifacts instead.")
    }
    return created
  }

  /// Ends the writing of a logged model: `LOGGED_MODEL_READY` or `LOGGED_MODEL_UPLOAD_FAILED`.
  public func finalizeLoggedModel(_ id: String, status: String) async throws -> LoggedModel {
    struct Content: Encodable {
      var model_id: String
      var status: String
    }
    return try await send(
      .PATCH, "logged-models/" + PercentEncoding.encode(id), Content(model_id: id, status: status),
      as: ModelAnswer.self, idempotent: true, operation: "finalizing logged model \(id.shown)"
    ).model.value()
  }

  /// Every logged model of these experiments with a tag of exactly this key and value, oldest first; none on
  /// MLflow 2.
  public func loggedModels(
    inExperiments experiments: [String], tagged tag: Tag
  ) async throws -> [LoggedModel] {
    let operation = "searching logged models by tag \(tag.key.shown)"
    let filter = try expressible(FilterText.tagged(tag), operation: operation)
    return try await loggedModels(inExperiments: experiments, where: filter, operation: operation)
      .filter { $0.tags[tag.key]?.hasSameBytes(as: tag.value) == true }
  }

  /// Every logged model of these experiments that was never finalized, oldest first; none on MLflow 2.
  ///
  /// All are listed, since the server cannot be asked: MLflow 3.17 compares the number it stores for a status with the
  /// word.
  public func unfinishedLoggedModels(inExperiments experiments: [String]) async throws -> [LoggedModel] {
    try await loggedModels(
      inExperiments: experiments, where: nil, operation: "searching unfinished logged models"
    ).filter { $0.status == LoggedModel.pendingStatus }
  }

  private func loggedModels(
    inExperiments experiments: [String], where filter: String?, operation: String
  ) async throws -> [LoggedModel] {
    struct Order: Encodable {
      var field_name = "creation_time"
      var ascending = true
    }
    struct Content: Encodable {
      var experiment_ids: [String]
      var filter: String?
      var max_results: Int
      var order_by = [Order()]
      var page_token: String?
    }
    guard !experiments.isEmpty else { return [] }
    let pageSize = min(bounds.runsPerPage, Self.loggedModelsPerPageMax)
    let found = try await unlessOld {
      try await wholeListing(
        operation: operation, pageSize: pageSize, key: { (model: LoggedModel) in model.id }
      ) { token in
        try await send(
          .POST, "logged-models/search",
          Content(experiment_ids: experiments, filter: filter, max_results: pageSize, page_token: token),
          as: ModelPage.self, idempotent: true, operation: operation)
      }
    }
    return found ?? []
  }

  /// Logged models a server returns at a time at most.
  static let loggedModelsPerPageMax = 50
}
