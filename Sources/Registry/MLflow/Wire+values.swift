extension [Wire.Pair]? {
  var asTags: [Tag] { (self ?? []).map { Tag($0.key, $0.value ?? "") } }
  var asParams: [Param] { (self ?? []).map { Param($0.key, $0.value ?? "") } }
}

extension String? {
  /// MLflow writes "there is none" as an empty string.
  var orNilIfEmpty: String? { self?.isEmpty == false ? self : nil }
}

extension Wire.RegisteredModel {
  func value(body: [UInt8]? = nil) -> RegisteredModel {
    RegisteredModel(
      name: name, created: creation_timestamp?.value ?? 0,
      lastUpdated: last_updated_timestamp?.value ?? creation_timestamp?.value ?? 0,
      description: description ?? "", tags: tags.asTags,
      aliases: (aliases ?? []).map { Alias($0.alias, Int($0.version.value)) },
      latestVersions: (latest_versions ?? []).map(\.value), body: body)
  }
}

extension Wire.ModelVersion {
  var value: ModelVersion {
    let source = source ?? ""
    let said = model_id.orNilIfEmpty
    return ModelVersion(
      name: name, version: Int(version.value), created: creation_timestamp?.value ?? 0,
      lastUpdated: last_updated_timestamp?.value ?? creation_timestamp?.value ?? 0,
      stage: current_stage.orNilIfEmpty ?? "None", description: description ?? "", source: source,
      runID: run_id.orNilIfEmpty, status: status.orNilIfEmpty ?? "READY",
      userID: user_id.orNilIfEmpty, tags: tags.asTags, runLink: run_link ?? "",
      aliases: aliases ?? [], modelID: said ?? ArtifactSource.loggedModelID(in: source))
  }
}

extension Wire.Metric {
  var asMetric: Metric {
    // protobuf's JSON leaves out a value of 0 in some encoders.
    Metric(
      key: key, value: value?.value ?? 0, timestamp: timestamp?.value ?? 0, step: step?.value ?? 0)
  }
}

extension Wire.LoggedModel.ModelMetric {
  var asModelMetric: ModelMetric {
    ModelMetric(
      Metric(key: key, value: value?.value ?? 0, timestamp: timestamp?.value ?? 0, step: step?.value ?? 0),
      runID: run_id.orNilIfEmpty, datasetName: dataset_name.orNilIfEmpty, datasetDigest: dataset_digest.orNilIfEmpty)
  }
}

extension Wire.Run {
  func value(body: [UInt8]? = nil) -> Run? {
    guard let id = info.run_id.orNilIfEmpty ?? info.run_uuid.orNilIfEmpty else { return nil }
    return Run(
      id: id, experimentID: info.experiment_id ?? "", name: info.run_name ?? "",
      userID: info.user_id ?? "", status: info.status ?? "", startTime: info.start_time?.value,
      endTime: info.end_time?.value, artifactURI: info.artifact_uri ?? "",
      lifecycleStage: info.lifecycle_stage ?? "active", params: (data?.params).asParams,
      metrics: (data?.metrics ?? []).map(\.asMetric), tags: (data?.tags).asTags,
      datasetInputs: (inputs?.dataset_inputs ?? []).compactMap(\.value),
      modelOutputs: (outputs?.model_outputs ?? []).compactMap { output in
        output.model_id.orNilIfEmpty.map { ModelOutput(modelID: $0, step: output.step?.value ?? 0) }
      }, body: body)
  }
}

extension Wire.Run.DatasetInput {
  var value: DatasetInput? {
    guard let dataset else { return nil }
    return DatasetInput(
      name: dataset.name ?? "", digest: dataset.digest ?? "", sourceType: dataset.source_type ?? "",
      source: dataset.source ?? "", schema: dataset.schema, profile: dataset.profile, tags: tags.asTags)
  }
}

extension Wire.Experiment {
  func value(body: [UInt8]? = nil) -> Experiment {
    Experiment(
      id: experiment_id, name: name ?? "", artifactLocation: artifact_location ?? "",
      lifecycleStage: lifecycle_stage ?? "active", created: creation_time?.value,
      lastUpdated: last_update_time?.value, tags: tags.asTags, body: body)
  }
}

extension Wire.LoggedModel {
  func value(body: [UInt8]? = nil) -> LoggedModel {
    LoggedModel(
      id: info.model_id, experimentID: info.experiment_id ?? "", name: info.name ?? "",
      created: info.creation_timestamp_ms?.value ?? 0,
      lastUpdated: info.last_updated_timestamp_ms?.value ?? 0, artifactURI: info.artifact_uri ?? "",
      status: info.status ?? "", modelType: info.model_type ?? "",
      sourceRunID: info.source_run_id.orNilIfEmpty, tags: info.tags.asTags,
      statusMessage: info.status_message.orNilIfEmpty, params: (data?.params).asParams,
      metrics: (data?.metrics ?? []).map(\.asModelMetric), body: body)
  }
}
