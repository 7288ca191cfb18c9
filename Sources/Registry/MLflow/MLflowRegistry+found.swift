import NIOHTTP1

/// What an importer needs to find again, give up or bring back what it made.
extension MLflowRegistry {
  private struct ExperimentPage: ListingPage {
    var experiments: [Wire.Experiment]?
    var next_page_token: String?
    var items: [Experiment] { (experiments ?? []).map { $0.value() } }
  }

  /// Every experiment, deleted ones too, with a tag of exactly this key and value, oldest first.
  public func experiments(tagged tag: Tag) async throws -> [Experiment] {
    struct Content: Encodable {
      var filter: String
      var view_type = "ALL"
      var max_results: Int
      var order_by = ["creation_time ASC", "experiment_id ASC"]
      var page_token: String?
    }
    let operation = "searching experiments by tag \(tag.key.shown)"
    let filter = try expressible(FilterText.tagged(tag), operation: operation)
    let found = try await wholeListing(
      operation: operation, pageSize: bounds.runsPerPage, key: { (experiment: Experiment) in experiment.id }
    ) { token in
      try await send(
        .POST, "experiments/search",
        Content(filter: filter, max_results: bounds.runsPerPage, page_token: token), as: ExperimentPage.self,
        idempotent: true, operation: operation)
    }
    return found.filter { $0.tags[tag.key]?.hasSameBytes(as: tag.value) == true }
  }

  /// Brings a deleted run back; done as well when it was never deleted.
  public func restoreRun(_ id: String) async throws {
    struct Content: Encodable {
      var run_id: String
    }
    do {
      _ = try await send(
        .POST, "runs/restore", Content(run_id: id), as: Wire.Nothing.self, idempotent: true,
        operation: "restoring run \(id.shown)")
    } catch let error as RegistryError where error.code == .refused {
      guard try await run(id)?.isDeleted == false else { throw error }
    }
  }

  /// Removes a logged model; done as well when it does not exist.
  public func deleteLoggedModel(_ id: String) async throws {
    struct Content: Encodable {
      var model_id: String
    }
    _ = try await unlessAbsent {
      try await send(
        .DELETE, "logged-models/" + PercentEncoding.encode(id), Content(model_id: id), as: Wire.Nothing.self,
        idempotent: true, operation: "deleting logged model \(id.shown)")
    }
  }

  /// Adds parameters to a logged model, at most ``NewLoggedModel/paramsMax`` a call. **Not idempotent**: a server
  /// refuses a parameter that is there already, so leave those out.
  public func logParams(_ params: [Param], ofLoggedModel id: String) async throws {
    struct Content: Encodable {
      var model_id: String
      var params: [Param]
    }
    for start in stride(from: 0, to: params.count, by: NewLoggedModel.paramsMax) {
      let some = Array(params[start..<min(start + NewLoggedModel.paramsMax, params.count)])
      _ = try await send(
        .POST, "logged-models/" + PercentEncoding.encode(id) + "/params", Content(model_id: id, params: some),
        as: Wire.Nothing.self, idempotent: false, operation: "logging parameters of logged model \(id.shown)")
    }
  }

  /// Logs metrics of a logged model. MLflow keeps each under the run in which it was measured, and in that run's own
  /// history too. Idempotent.
  public func logMetrics(_ metrics: [Metric], ofLoggedModel id: String, run: String) async throws {
    struct Content: Encodable {
      struct Item: Encodable {
        var key: String
        var value: Double
        var timestamp: Int64
        var step: Int64
        var model_id: String
      }
      var run_id: String
      var metrics: [Item]
    }
    let items = metrics.map {
      Content.Item(key: $0.key, value: $0.value, timestamp: $0.timestamp, step: $0.step, model_id: id)
    }
    for start in stride(from: 0, to: items.count, by: LogBatches.metricsMax) {
      let some = Array(items[start..<min(start + LogBatches.metricsMax, items.count)])
      _ = try await send(
        .POST, "runs/log-batch", Content(run_id: run, metrics: some), as: Wire.Nothing.self, idempotent: true,
        operation: "logging metrics of logged model \(id.shown)")
    }
  }
}
