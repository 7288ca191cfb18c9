import NIOHTTP1

extension MLflowRegistry {
  struct RunAnswer: Decodable {
    var run: Wire.Run
  }

  struct ExperimentAnswer: Decodable {
    var experiment: Wire.Experiment
  }

  private struct MetricPage: ListingPage {
    var metrics: [Wire.Metric]?
    var next_page_token: String?
    var items: [Metric] { (metrics ?? []).map(\.asMetric) }
  }

  private struct RunPage: ListingPage {
    var runs: [Wire.Run]?
    var next_page_token: String?
    var items: [Run] { (runs ?? []).compactMap { $0.value() } }
  }

  /// One run, a deleted one too, or `nil` when it does not exist.
  public func run(_ id: String) async throws -> Run? {
    let operation = "reading run \(id.shown)"
    return try await unlessAbsent {
      let (answer, body) = try await getWithBody(
        "runs/get", [("run_id", id)], as: RunAnswer.self, operation: operation)
      return try whole(answer.run.value(body: body), operation: operation)
    }
  }

  func whole(_ run: Run?, operation: String) throws -> Run {
    guard let run else {
      throw RegistryError(
        .invalidResponse, operation: operation, url: transport.address.text,
        message: "the server's answer is a run without an identifier")
    }
    return run
  }

  /// The whole history of one metric of a run, page by page; none when the run has no such metric.
  public func metricHistory(
    run id: String, key: String, page: ([Metric]) async throws -> Void
  ) async throws {
    let operation = "reading metric \(key.shown) of run \(id.shown)"
    let base = [("run_id", id), ("metric_key", key), ("max_results", String(bounds.metricsPerPage))]
    try await eachPage(operation: operation) { token in
      try await get(
        "metrics/get-history", base.paged(token), as: MetricPage.self, operation: operation)
    } page: { answer in
      try await page(answer.items)
    }
  }

  /// One experiment, a deleted one too, or `nil` when it does not exist.
  public func experiment(_ id: String) async throws -> Experiment? {
    try await experiment(
      "experiments/get", [("experiment_id", id)], operation: "reading experiment \(id.shown)")
  }

  /// The experiment of that name, a deleted one too, or `nil` when there is none.
  public func experiment(named name: String) async throws -> Experiment? {
    try await experiment(
      "experiments/get-by-name", [("experiment_name", name)],
      operation: "reading experiment named \(name.shown)")
  }

  private func experiment(
    _ path: String, _ query: [(String, String)], operation: String
  ) async throws -> Experiment? {
    try await unlessAbsent {
      let (answer, body) = try await getWithBody(
        path, query, as: ExperimentAnswer.self, operation: operation)
      return answer.experiment.value(body: body)
    }
  }

  /// Every run of these experiments, deleted ones too, with a tag of exactly this key and value, oldest
  /// first.
  public func runs(inExperiments experiments: [String], tagged tag: Tag) async throws -> [Run] {
    let operation = "searching runs by tag \(tag.key.shown)"
    let filter = try expressible(FilterText.tagged(tag), operation: operation)
    return try await runs(inExperiments: experiments, where: filter, view: "ALL", operation: operation)
      .filter { $0.tags[tag.key]?.hasSameBytes(as: tag.value) == true }
  }

  /// Every run of these experiments whose status is `RUNNING`, without deleted ones, oldest first.
  public func unfinishedRuns(inExperiments experiments: [String]) async throws -> [Run] {
    try await runs(
      inExperiments: experiments, where: "attributes.status = '\(Run.runningStatus)'", view: "ACTIVE_ONLY",
      operation: "searching unfinished runs"
    ).filter { $0.status == Run.runningStatus && !$0.isDeleted }
  }

  private func runs(
    inExperiments experiments: [String], where filter: String, view: String, operation: String
  ) async throws -> [Run] {
    struct Content: Encodable {
      var experiment_ids: [String]
      var filter: String
      var run_view_type: String
      var max_results: Int
      var order_by = ["attributes.start_time ASC"]
      var page_token: String?
    }
    guard !experiments.isEmpty else { return [] }
    return try await wholeListing(
      operation: operation, pageSize: bounds.runsPerPage, key: { (run: Run) in run.id }
    ) { token in
      try await send(
        .POST, "runs/search",
        Content(
          experiment_ids: experiments, filter: filter, run_view_type: view, max_results: bounds.runsPerPage,
          page_token: token),
        as: RunPage.self, idempotent: true, operation: operation)
    }
  }
}
