import NIOHTTP1
import Testing

@testable import Registry

@Suite("What registries send is read as they mean it")
struct DecodingTests {
  private func decode<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
    try JSON.decode(type, Array(text.utf8))
  }

  @Test("a registered model with everything left out")
  func bareModel() throws {
    let model = try decode(Wire.RegisteredModel.self, #"{"name": "m", "deployment_job_state": "X"}"#).value()
    #expect(model == RegisteredModel(name: "m", created: 0, lastUpdated: 0))
  }

  @Test("versions come as text, times as numbers or text")
  func numbers() throws {
    let text = #"""
      {"name": "m", "creation_timestamp": 1795409498966, "last_updated_timestamp": "1795409503116",
       "latest_versions": [{"name": "m", "version": "12", "run_id": "", "source": "models:/m-1a"}],
       "aliases": [{"alias": "champion", "version": "12"}, {"alias": "old", "version": 3}],
       "tags": [{"key": "k", "value": "v"}, {"key": "e"}]}
      """#
    let model = try decode(Wire.RegisteredModel.self, text).value()
    #expect(model.created == 1_795_409_498_966 && model.lastUpdated == 1_795_409_503_116)
    #expect(model.aliases == [Alias("champion", 12), Alias("old", 3)])
    #expect(model.tags == [Tag("k", "v"), Tag("e", "")])
    let version = try #require(model.latestVersions.first)
    #expect(version.version == 12 && version.runID == nil && version.stage == "None")
    #expect(version.modelID == "m-1a")
  }

  @Test(
    "metric values may be numbers or words",
    arguments: [
      ("0.5", 0.5), ("1", 1), ("\"Infinity\"", .infinity), ("\"-Infinity\"", -.infinity), ("1e308", 1e308),
    ])
  func metrics(text: String, value: Double) throws {
    let metric = try decode(
      Wire.Metric.self, #"{"key": "k", "value": \#(text), "timestamp": "5", "step": -1}"#
    ).asMetric
    #expect(metric == Metric(key: "k", value: value, timestamp: 5, step: -1))
  }

  @Test("NaN is a value")
  func nan() throws {
    #expect(try decode(Wire.Metric.self, #"{"key": "k", "value": "NaN"}"#).asMetric.value.isNaN)
    #expect(throws: (any Error).self) { try decode(Wire.Metric.self, #"{"key": "k", "value": "many"}"#) }
    #expect(throws: (any Error).self) { try decode(Wire.Metric.self, #"{"key": "k", "value": NaN}"#) }
  }

  @Test("a run with inputs, outputs and an old identifier")
  func run() throws {
    let text = #"""
      {"info": {"run_uuid": "r", "experiment_id": "1", "start_time": 5, "lifecycle_stage": "deleted"},
       "data": {"params": [{"key": "p", "value": "1"}]},
       "inputs": {"dataset_inputs": [{"dataset": {"name": "d", "digest": "x", "source_type": "code"}}],
                  "model_inputs": []},
       "outputs": {"model_outputs": [{"model_id": "m-1", "step": 2}, {"step": 1}]}}
      """#
    let run = try #require(try decode(Wire.Run.self, text).value())
    #expect(run.id == "r" && run.isDeleted && run.endTime == nil && run.params == [Param("p", "1")])
    #expect(
      run.datasetInputs.map(\.digest) == ["x"] && run.modelOutputs == [ModelOutput(modelID: "m-1", step: 2)])
    #expect(try decode(Wire.Run.self, #"{"info": {}}"#).value() == nil)
  }

  @Test("aliases that Swift holds for equal stay two")
  func equivalentAliases() throws {
    let text = #"{"name": "m", "aliases": [{"alias": "Å", "version": "1"}, {"alias": "\u212b", "version": "2"}]}"#
    let model = try decode(Wire.RegisteredModel.self, text).value()
    #expect(model.aliases["\u{c5}"] == 1)
    #expect(model.aliases["\u{212b}"] == 2)
  }

  @Test("metrics of a logged model keep what they were measured by")
  func loggedModelMetrics() throws {
    let text = #"""
      {"info": {"model_id": "m-1", "status_message": "fine"},
       "data": {"metrics": [{"key": "auc", "value": 0.5, "timestamp": 7, "step": 3, "model_id": "m-1", "run_id": "r",
                             "dataset_name": "d", "dataset_digest": "x"}, {"key": "plain"}]}}
      """#
    let model = try decode(Wire.LoggedModel.self, text).value()
    let measured = Metric(key: "auc", value: 0.5, timestamp: 7, step: 3)
    #expect(
      model.metrics == [
        ModelMetric(measured, runID: "r", datasetName: "d", datasetDigest: "x"),
        ModelMetric(Metric(key: "plain", value: 0, timestamp: 0)),
      ])
    #expect(model.statusMessage == "fine")
  }

  @Test("what cannot be read is named without being quoted")
  func reasons() {
    let error = #expect(throws: DecodingError.self) {
      try decode(Wire.RegisteredModel.self, #"{"name": 5, "description": "secret"}"#)
    }
    #expect(error.map { JSON.reason($0) } == "wrong type at name")
  }

  @Test("credentials never show a secret")
  func credentials() {
    for credentials in [Credentials.basic(user: "u", password: "hunter2"), .bearer("hunter2")] {
      var dumped = "\(credentials) \(String(reflecting: credentials))"
      dump(credentials, to: &dumped)
      #expect(!dumped.contains("hunter2"))
    }
  }

  @Test("a token is asked for before each request")
  func refreshedToken() async throws {
    try await ScriptedServer.with { _, _ in
      .json("{}")
    } _: { server in
      let registry = try MLflowRegistry.at(server) { configuration in
        configuration.credentials = .bearer(refreshing: { [server] in "t\(server.requests.count)\n" })
      }
      _ = try await registry.registeredModels()
      _ = try await registry.registeredModels()
      #expect(
        server.requests.compactMap { $0.headers.first(name: "authorization") } == ["Bearer t0", "Bearer t1"])
    }
  }

  @Test("a token that cannot be had or cannot be sent says so without showing it")
  func badTokens() async throws {
    struct NoFile: Error {}
    try await ScriptedServer.with { _, _ in
      .json("{}")
    } _: { server in
      let bad: [Credentials] = [.bearer("hunter2\nx: y"), .bearer(refreshing: { throw NoFile() })]
      for credentials in bad {
        let registry = try MLflowRegistry.at(server) { $0.credentials = credentials }
        let error = await registryError { try await registry.registeredModels() }
        #expect(error?.code == .notAuthenticated)
        #expect(!String(describing: error).contains("hunter2"))
      }
      #expect(server.requests.isEmpty)
    }
  }

  @Test(
    "addresses with credentials, queries or without a host are refused",
    arguments: ["", "mlflow", "ftp://h", "http://", "http://u:p@h", "http://h?x=1", "http://h#x", "http:/h"])
  func addresses(url: String) {
    let error = #expect(throws: RegistryError.self) {
      try MLflowRegistry(MLflowRegistry.Configuration(url: url))
    }
    #expect(error?.code == .configuration)
    #expect(error.map { "\($0)" }?.contains("u:p") != true)
  }
}
