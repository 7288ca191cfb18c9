import Marketplace
import Registry

/// The JSON files of an export, laid out as mlflow-export-import lays them out, so that its importer reads them:
/// `{"info": …, "mlflow": …, "system": …}`.
struct ExportDocument<Content: Codable & Sendable>: Codable, Sendable {
  var info: [String: Int]
  var mlflow: Content
  var system: System

  struct System: Codable, Sendable {
    var exportFileVersion: String
    var mlflowVersion: String
    var packageVersion: String
    var script: String

    private enum CodingKeys: String, CodingKey {
      case exportFileVersion = "export_file_version"
      case mlflowVersion = "mlflow_version"
      case packageVersion = "package_version"
      case script
    }
  }

  init(_ content: Content, script: String, mlflowVersion: String, info: [String: Int] = [:]) {
    self.info = info
    mlflow = content
    system = System(
      exportFileVersion: "2", mlflowVersion: mlflowVersion, packageVersion: "model-marketplace/1", script: script)
  }

  func encoded() throws -> [UInt8] { try ExportJSON.encode(self) }

  static func decode(_ bytes: [UInt8]) throws -> Content {
    try ExactJSON.decode(Self.self, bytes).mlflow
  }
}

/// How an export writes JSON.
enum ExportJSON {
  /// JSON with sorted keys and a newline at the end, as a text file should have.
  static func encode(_ value: some Encodable) throws -> [UInt8] {
    try ExactJSON.encode(value, isPretty: true) + [UInt8(ascii: "\n")]
  }
}

/// `model.json`: the registered model with the one exported version.
struct RegisteredModelDocument: Codable, Sendable {
  var registeredModel: Model

  struct Model: Codable, Sendable {
    var name: String
    var creationTimestamp: Int64
    var lastUpdatedTimestamp: Int64
    var description: String
    var tags: [Tag]
    var aliases: [Alias]
    var versions: [Version]

    private enum CodingKeys: String, CodingKey {
      case name
      case creationTimestamp = "creation_timestamp"
      case lastUpdatedTimestamp = "last_updated_timestamp"
      case description, tags, aliases, versions
    }
  }

  struct Alias: Codable, Sendable {
    var alias: String
    var version: String
  }

  struct Version: Codable, Sendable {
    var name: String
    var version: String
    var creationTimestamp: Int64
    var lastUpdatedTimestamp: Int64
    var currentStage: String
    var description: String
    /// Where the model lies in the export. mlflow-export-import takes what follows the first "artifacts" for the path
    /// within the run, and so misreads the `mlflow-artifacts:/…` of a server that serves artifacts itself.
    var source: String
    /// What the registry says. Not part of mlflow-export-import's layout.
    var registeredSource: String
    var runID: String
    var runLink: String
    var userID: String
    var status: String
    var tags: [ExactText: String]
    var aliases: [String]
    var runArtifactURI: String
    var experimentName: String

    private enum CodingKeys: String, CodingKey {
      case name, version
      case creationTimestamp = "creation_timestamp"
      case lastUpdatedTimestamp = "last_updated_timestamp"
      case currentStage = "current_stage"
      case description, source
      case registeredSource = "marketplace_source"
      case runID = "run_id"
      case runLink = "run_link"
      case userID = "user_id"
      case status, tags, aliases
      case runArtifactURI = "_run_artifact_uri"
      case experimentName = "_experiment_name"
    }
  }

  private enum CodingKeys: String, CodingKey { case registeredModel = "registered_model" }
}

/// `<run_id>/run.json`: the run with its metric histories, or the ends of them and the name of the file with all.
struct RunDocument: Codable, Sendable {
  var info: Info
  var params: [ExactText: String]
  /// The last points of each metric, mostly all of them, but for points that JSON cannot hold.
  var metrics: [ExactText: [Point]]
  /// Points whose value is not a number, by metric. Not part of mlflow-export-import's layout, which writes a bare
  /// NaN that no JSON reader need accept.
  var nonFiniteMetrics: [ExactText: [Point]]
  /// Where all points stand, when they are too many for this document. Not part of mlflow-export-import's layout.
  var metricHistory: MetricHistory?
  var tags: [ExactText: String]
  var inputs: Inputs

  struct Info: Codable, Sendable {
    var runID: String
    var experimentID: String
    var runName: String
    var userID: String
    var status: String
    var startTime: Int64?
    var endTime: Int64?
    var artifactURI: String
    var lifecycleStage: String

    private enum CodingKeys: String, CodingKey {
      case runID = "run_id"
      case experimentID = "experiment_id"
      case runName = "run_name"
      case userID = "user_id"
      case status
      case startTime = "start_time"
      case endTime = "end_time"
      case artifactURI = "artifact_uri"
      case lifecycleStage = "lifecycle_stage"
    }
  }

  struct MetricHistory: Codable, Sendable {
    /// The file beside this document: lines as ``MetricHistories/Line``.
    var file: String
    /// The points in it.
    var points: Int64
  }

  struct Point: Codable, Sendable {
    /// Absent where the value is not finite; then ``text`` says what it is.
    var value: Double?
    var text: String?
    var timestamp: Int64
    var step: Int64

    init(_ metric: Metric) {
      value = metric.value.isFinite ? metric.value : nil
      text = metric.value.isFinite ? nil : metric.value.isNaN ? "NaN" : metric.value > 0 ? "Infinity" : "-Infinity"
      timestamp = metric.timestamp
      step = metric.step
    }

    func metric(_ key: String) -> Metric {
      let number = value ?? (text == "Infinity" ? .infinity : text == "-Infinity" ? -.infinity : .nan)
      return Metric(key: key, value: number, timestamp: timestamp, step: step)
    }
  }

  struct Inputs: Codable, Sendable {
    var datasetInputs: [Dataset]
    private enum CodingKeys: String, CodingKey { case datasetInputs = "dataset_inputs" }
  }

  struct Dataset: Codable, Sendable {
    var dataset: Facts
    var tags: [Tag]

    struct Facts: Codable, Sendable {
      var name: String
      var digest: String
      var sourceType: String
      var source: String
      var schema: String?
      var profile: String?

      private enum CodingKeys: String, CodingKey {
        case name, digest
        case sourceType = "source_type"
        case source, schema, profile
      }
    }
  }

  private enum CodingKeys: String, CodingKey {
    case info, params, metrics
    case nonFiniteMetrics = "marketplace_non_finite_metrics"
    case metricHistory = "marketplace_metric_history"
    case tags, inputs
  }
}

/// `<m-id>/logged_model.json`.
struct LoggedModelDocument: Codable, Sendable {
  var modelID: String
  var name: String
  var modelType: String
  var experimentID: String
  var creationTimestamp: Int64
  var sourceRunID: String?
  // Exports of earlier programs lack these.
  var lastUpdatedTimestamp: Int64?
  var artifactLocation: String?
  var status: String?
  var statusMessage: String?
  var params: [ExactText: String]
  /// As MLflow gives them: it reports NaN as 0 here. Exports of earlier programs lack them.
  var metrics: [Measured]?
  var tags: [ExactText: String]

  /// A metric's value, with what it was measured by.
  struct Measured: Codable, Sendable {
    var key: String
    /// Absent where the value is not finite; then ``text`` says what it is.
    var value: Double?
    var text: String?
    var timestamp: Int64
    var step: Int64
    var modelID: String
    var runID: String?
    var datasetName: String?
    var datasetDigest: String?

    private enum CodingKeys: String, CodingKey {
      case key, value, text, timestamp, step
      case modelID = "model_id"
      case runID = "run_id"
      case datasetName = "dataset_name"
      case datasetDigest = "dataset_digest"
    }
  }

  private enum CodingKeys: String, CodingKey {
    case modelID = "model_id"
    case name
    case modelType = "model_type"
    case experimentID = "experiment_id"
    case creationTimestamp = "creation_timestamp"
    case lastUpdatedTimestamp = "last_updated_timestamp"
    case artifactLocation = "artifact_location"
    case status
    case statusMessage = "status_message"
    case sourceRunID = "source_run_id"
    case params, metrics, tags
  }
}
