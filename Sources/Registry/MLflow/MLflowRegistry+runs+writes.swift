import NIOHTTP1

extension MLflowRegistry {
  /// Creates an experiment, or returns the one that has the name; a deleted one is restored.
  public func createExperiment(named name: String, tags: [Tag]) async throws -> Experiment {
    struct Content: Encodable {
      var name: String
      var tags: [Tag]
    }
    struct Answer: Decodable {
      var experiment_id: String
    }
    struct Restoration: Encodable {
      var experiment_id: String
    }
    let operation = "creating experiment \(name.shown)"
    var existing: Experiment?
    do {
      let answer = try await send(
        .POST, "experiments/create", Content(name: name, tags: tags), as: Answer.self, idempotent: true,
        operation: operation)
      existing = try await experiment(answer.experiment_id)
    } catch let error as RegistryError where error.serverCode == "RESOURCE_ALREADY_EXISTS" {
      existing = try await experiment(named: name)
      if let deleted = existing, deleted.isDeleted {
        _ = try await send(
          .POST, "experiments/restore", Restoration(experiment_id: deleted.id), as: Wire.Nothing.self,
          idempotent: true, operation: "restoring experiment \(name.shown)")
        existing = try await experiment(deleted.id)
      }
    }
    guard let existing else {
      throw RegistryError(
        .notFound, operation: operation, url: transport.address.text,
        message: "it was removed while it was being created", retriable: true)
    }
    return existing
  }

  /// Creates a run. **Not idempotent**: each call makes one, so it is sent at most once.
  public func createRun(_ run: NewRun) async throws -> Run {
    struct Content: Encodable {
      var experiment_id: String
      var run_name: String?
      var user_id: String?
      var start_time: Int64?
      var tags: [Tag]
    }
    let operation = "creating a run in experiment \(run.experimentID.shown)"
    let content = Content(
      experiment_id: run.experimentID, run_name: run.name, user_id: run.userID, start_time: run.startTime,
      tags: run.tags)
    let answer = try await send(
      .POST, "runs/create", content, as: RunAnswer.self, idempotent: false, operation: operation)
    return try whole(answer.run.value(), operation: operation)
  }

  /// Logs metrics, parameters and tags in as few calls as the server's limits allow. Idempotent.
  public func logBatch(run id: String, metrics: [Metric], params: [Param], tags: [Tag]) async throws {
    let operation = "logging to run \(id.shown)"
    let batches = try LogBatches.batches(
      run: id, metrics: metrics, params: params, tags: tags, operation: operation)
    for batch in batches {
      do {
        try await log(batch, run: id, operation: operation)
      } catch let error as RegistryError where error.serverCode == "BAD_REQUEST" && !batch.metrics.isEmpty {
        // MLflow 2 meets its own unique key when a NaN is logged again, so what is there already is left out.
        let missing = try await unlogged(batch.metrics, run: id)
        guard missing.count < batch.metrics.count else { throw error }
        let rest = try LogBatches.batches(
          run: id, metrics: missing, params: batch.params, tags: batch.tags, operation: operation)
        for batch in rest { try await log(batch, run: id, operation: operation) }
      }
    }
  }

  private func log(_ batch: LogBatches.Batch, run id: String, operation: String) async throws {
    let call = HTTPCall(
      operation: operation, method: .POST, path: Self.api + "runs/log-batch", body: try batch.body(run: id),
      idempotent: true)
    _ = try decode(Wire.Nothing.self, try await transport.answer(to: call), call)
  }

  private func unlogged(_ metrics: [Metric], run id: String) async throws -> [Metric] {
    var missing = metrics
    var asked: Set<[UInt8]> = []
    for key in metrics.map(\.key) where asked.insert(Array(key.utf8)).inserted {
      // A history may be long: of its values only those asked about are kept.
      let wanted = Set(metrics.filter { $0.key.hasSameBytes(as: key) }.map(LogBatches.Stored.init))
      var found: Set<LogBatches.Stored> = []
      try await metricHistory(run: id, key: key) { page in
        found.formUnion(page.map(LogBatches.Stored.init).filter(wanted.contains))
      }
      missing.removeAll { $0.key.hasSameBytes(as: key) && found.contains(LogBatches.Stored($0)) }
    }
    return missing
  }

  /// Logs the datasets a run read. Idempotent.
  public func logInputs(run id: String, datasets: [DatasetInput]) async throws {
    struct Dataset: Encodable {
      var name: String
      var digest: String
      var source_type: String
      var source: String
      var schema: String?
      var profile: String?
    }
    struct Input: Encodable {
      var tags: [Tag]
      var dataset: Dataset
    }
    struct Content: Encodable {
      var run_id: String
      var datasets: [Input]
    }
    let inputs = datasets.map { input in
      Input(
        tags: input.tags,
        dataset: Dataset(
          name: input.name, digest: input.digest, source_type: input.sourceType, source: input.source,
          schema: input.schema, profile: input.profile))
    }
    // One at a time: schemas and profiles may be megabytes each.
    for input in inputs {
      _ = try await send(
        .POST, "runs/log-inputs", Content(run_id: id, datasets: [input]), as: Wire.Nothing.self,
        idempotent: true, operation: "logging the datasets of run \(id.shown)")
    }
  }

  /// Links logged models as outputs of a run; those linked already stay as they are.
  ///
  /// MLflow answers a second link with 400 and the database's complaint, so a refusal is checked against the
  /// run.
  public func linkOutputs(run id: String, models: [ModelOutput]) async throws {
    struct Output: Encodable {
      var model_id: String
      var step: Int64
    }
    struct Content: Encodable {
      var run_id: String
      var models: [Output]
    }
    for model in models {
      do {
        _ = try await send(
          .POST, "runs/outputs",
          Content(run_id: id, models: [Output(model_id: model.modelID, step: model.step)]),
          as: Wire.Nothing.self, idempotent: true,
          operation: "linking \(model.modelID.shown) to run \(id.shown)")
      } catch let error as RegistryError where error.code == .refused || error.code == .server {
        let linked = try await run(id)?.modelOutputs ?? []
        guard linked.contains(where: { $0.modelID == model.modelID }) else { throw error }
      }
    }
  }

  /// Sets status, end time or name of a run; what is `nil` stays.
  public func updateRun(_ id: String, status: String?, endTime: Int64?, name: String?) async throws {
    struct Content: Encodable {
      var run_id: String
      var status: String?
      var end_time: Int64?
      var run_name: String?
    }
    _ = try await send(
      .POST, "runs/update", Content(run_id: id, status: status, end_time: endTime, run_name: name),
      as: Wire.Nothing.self, idempotent: true, operation: "updating run \(id.shown)")
  }

  /// Marks a run deleted; done as well when it is, or when it does not exist.
  public func deleteRun(_ id: String) async throws {
    struct Content: Encodable {
      var run_id: String
    }
    do {
      _ = try await unlessAbsent {
        try await send(
          .POST, "runs/delete", Content(run_id: id), as: Wire.Nothing.self, idempotent: true,
          operation: "deleting run \(id.shown)")
      }
    } catch let error as RegistryError where error.code == .refused {
      guard try await run(id)?.isDeleted != false else { throw error }
    }
  }
}
