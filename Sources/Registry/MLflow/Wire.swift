/// MLflow's JSON as it comes: empty lists, maps and defaults are left out, and unknown fields may be there.
enum Wire {
  /// Tags, parameters, or tags of datasets.
  struct Pair: Decodable {
    var key: String
    var value: String?
  }

  struct Alias: Decodable {
    var alias: String
    var version: LenientInteger
  }

  struct RegisteredModel: Decodable {
    var name: String
    var creation_timestamp: LenientInteger?
    var last_updated_timestamp: LenientInteger?
    var description: String?
    var latest_versions: [ModelVersion]?
    var tags: [Pair]?
    var aliases: [Alias]?
  }

  struct ModelVersion: Decodable {
    var name: String
    var version: LenientInteger
    var creation_timestamp: LenientInteger?
    var last_updated_timestamp: LenientInteger?
    var current_stage: String?
    var description: String?
    var source: String?
    var run_id: String?
    var status: String?
    var user_id: String?
    var tags: [Pair]?
    var run_link: String?
    var aliases: [String]?
    var model_id: String?
  }

  struct Metric: Decodable {
    var key: String
    var value: LenientDouble?
    var timestamp: LenientInteger?
    var step: LenientInteger?
  }

  struct Run: Decodable {
    struct Info: Decodable {
      var run_id: String?
      var run_uuid: String?
      var experiment_id: String?
      var run_name: String?
      var user_id: String?
      var status: String?
      var start_time: LenientInteger?
      var end_time: LenientInteger?
      var artifact_uri: String?
      var lifecycle_stage: String?
    }

    struct RunData: Decodable {
      var metrics: [Metric]?
      var params: [Pair]?
      var tags: [Pair]?
    }

    struct Dataset: Decodable {
      var name: String?
      var digest: String?
      var source_type: String?
      var source: String?
      var schema: String?
      var profile: String?
    }

    struct DatasetInput: Decodable {
      var tags: [Pair]?
      var dataset: Dataset?
    }

    struct Inputs: Decodable {
      var dataset_inputs: [DatasetInput]?
    }

    struct Output: Decodable {
      var model_id: String?
      var step: LenientInteger?
    }

    struct Outputs: Decodable {
      var model_outputs: [Output]?
    }

    var info: Info
    var data: RunData?
    var inputs: Inputs?
    var outputs: Outputs?
  }

  struct Experiment: Decodable {
    var experiment_id: String
    var name: String?
    var artifact_location: String?
    var lifecycle_stage: String?
    var creation_time: LenientInteger?
    var last_update_time: LenientInteger?
    var tags: [Pair]?
  }

  struct LoggedModel: Decodable {
    struct Info: Decodable {
      var model_id: String
      var experiment_id: String?
      var name: String?
      var creation_timestamp_ms: LenientInteger?
      var last_updated_timestamp_ms: LenientInteger?
      var artifact_uri: String?
      var status: String?
      var status_message: String?
      var model_type: String?
      var source_run_id: String?
      var tags: [Pair]?
    }

    struct ModelMetric: Decodable {
      var key: String
      var value: LenientDouble?
      var timestamp: LenientInteger?
      var step: LenientInteger?
      var run_id: String?
      var dataset_name: String?
      var dataset_digest: String?
    }

    struct ModelData: Decodable {
      var params: [Pair]?
      var metrics: [ModelMetric]?
    }

    var info: Info
    var data: ModelData?
  }

  struct File: Decodable {
    var path: String
    var is_dir: Bool?
    var file_size: LenientInteger?
  }

  /// An answer nobody reads; any JSON object will do.
  struct Nothing: Decodable {
    private enum Keys: CodingKey {}

    init(from decoder: any Decoder) throws {
      _ = try decoder.container(keyedBy: Keys.self)
    }
  }
}
