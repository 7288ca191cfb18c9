import Foundation
import NIOHTTP1
import Testing

@testable import Registry

@Suite("Runs, experiments and logged models on a real MLflow", .enabled(if: !LiveMLflow.available.isEmpty))
struct MLflowRunTests {
  @Test("an experiment is created once, and a deleted one is restored", arguments: LiveMLflow.available)
  func experiments(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let name = "/Users/alice@example.org/" + live.unique("e é")
    let created = try await registry.createExperiment(named: name, tags: [Tag("team", "ai")])
    #expect(created.name == name && created.tags["team"] == "ai" && created.body != nil)
    #expect(try await registry.createExperiment(named: name, tags: []).id == created.id)
    #expect(try await registry.experiment(named: name)?.id == created.id)
    _ = try await registry.send(
      .POST, "experiments/delete", ["experiment_id": created.id], as: Wire.Nothing.self, idempotent: true,
      operation: "deleting")
    #expect(try await registry.experiment(created.id)?.isDeleted == true)
    let restored = try await registry.createExperiment(named: name, tags: [])
    #expect(restored.id == created.id && !restored.isDeleted)
    #expect(try await registry.experiment("999999999") == nil)
    #expect(try await registry.experiment(named: name + "x") == nil)
  }

  @Test("a run keeps its times, its author and everything logged to it", arguments: LiveMLflow.available)
  func runs(live: LiveMLflow) async throws {
    let registry = try await live.registry { $0.bounds.metricsPerPage = 1000 }
    let key = Tag("marketplace.source", UUID().uuidString)
    let run = try await registry.someRun(tags: [key])
    let history = (0..<2500).map {
      Metric(
        key: "loss", value: 1 / Double($0 + 1), timestamp: 1_700_000_001_000 + Int64($0), step: Int64($0))
    }
    let odd = [
      Metric(key: "nan", value: .nan, timestamp: 1, step: 0),
      Metric(key: "inf", value: .infinity, timestamp: 1, step: -1),
      Metric(key: "zero", value: 0, timestamp: 0, step: 0),
    ]
    let params = (0..<250).map { Param("p\($0)", String(repeating: "é", count: 100)) } + [Param("empty", "")]
    let tags = (0..<120).map { Tag("t\($0)", String(repeating: "x", count: 4000)) }
    for _ in 1...2 {
      try await registry.logBatch(run: run.id, metrics: history + odd, params: params, tags: tags)
    }
    let input = DatasetInput(
      name: "iris", digest: "52173b19", sourceType: "code", source: "{}", schema: "{\"a\":1}", profile: nil,
      tags: [Tag("mlflow.data.context", "training")])
    for _ in 1...2 { try await registry.logInputs(run: run.id, datasets: [input]) }
    try await registry.logBatch(run: run.id, metrics: [], params: [], tags: [Tag("git", "abc")])
    try await registry.updateRun(run.id, status: "FINISHED", endTime: 1_700_000_009_999, name: "renamed")

    let read = try #require(try await registry.run(run.id))
    #expect(read.startTime == 1_700_000_000_123 && read.endTime == 1_700_000_009_999)
    #expect(read.userID == "alice" && read.name == "renamed" && read.status == "FINISHED")
    #expect(Set(read.params) == Set(params))
    #expect(read.tags["t119"] == tags[119].value && read.tags["git"] == "abc")
    #expect(read.datasetInputs.map(\.schema) == [input.schema])
    #expect(read.datasetInputs.first?.tags["mlflow.data.context"] == "training")
    #expect(read.metrics.first { $0.key == "nan" }?.value.isNaN == true)
    #expect(read.body != nil)
    #expect(try await registry.metricHistory(run: run.id, key: "loss") == history)
    #expect(try await registry.metricHistory(run: run.id, key: "nan").map(\.value.isNaN) == [true])
    #expect(
      try await registry.metricHistory(run: run.id, key: "inf").map(\.value) == [.greatestFiniteMagnitude])
    #expect(try await registry.metricHistory(run: run.id, key: "none").isEmpty)
    let found = try await registry.runs(inExperiments: [run.experimentID], tagged: key)
    #expect(found.map(\.id) == [run.id])
  }

  @Test("a run that has ended is not among the unfinished ones", arguments: LiveMLflow.available)
  func unfinishedRuns(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let (ended, running) = (try await registry.someRun(), try await registry.someRun())
    try await registry.updateRun(ended.id, status: "FINISHED", endTime: nil, name: nil)
    let found = try await registry.unfinishedRuns(inExperiments: [ended.experimentID, running.experimentID])
    #expect(found.map(\.id) == [running.id])
    #expect(try await registry.unfinishedRuns(inExperiments: []).isEmpty)
  }

  @Test("a deleted run is still found and read", arguments: LiveMLflow.available)
  func deletedRuns(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let key = Tag("marketplace.source", "k é")
    let run = try await registry.someRun(tags: [key])
    #expect(try await registry.unfinishedRuns(inExperiments: [run.experimentID]).map(\.id) == [run.id])
    try await registry.deleteRun(run.id)
    try await registry.deleteRun(run.id)
    #expect(try await registry.unfinishedRuns(inExperiments: [run.experimentID]).isEmpty)
    #expect(try await registry.run(run.id)?.isDeleted == true)
    #expect(
      try await registry.runs(inExperiments: [run.experimentID], tagged: key).map(\.isDeleted) == [true])
    #expect(try await registry.run(String(repeating: "0", count: 32)) == nil)
  }

  @Test("a changed parameter is refused and said so", arguments: LiveMLflow.available)
  func changedParameter(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let run = try await registry.someRun()
    try await registry.logBatch(run: run.id, metrics: [], params: [Param("C", "1")], tags: [])
    let error = await registryError {
      try await registry.logBatch(run: run.id, metrics: [], params: [Param("C", "2")], tags: [])
    }
    #expect(error?.code == .refused)
    #expect(error?.serverCode == "INVALID_PARAMETER_VALUE")
    #expect(error?.retriable == false)
  }

  @Test(
    "a logged model is created, finalized, linked once and found by its tag",
    .enabled(if: LiveMLflow.three.url != nil))
  func loggedModels() async throws {
    let registry = try await LiveMLflow.three.registry()
    let run = try await registry.someRun()
    let key = Tag("marketplace.source", "k")
    let model = try await registry.createLoggedModel(
      NewLoggedModel(
        experimentID: run.experimentID, name: "model", sourceRunID: run.id, params: [Param("C", "1")],
        tags: [key]))
    #expect(model.status == "LOGGED_MODEL_PENDING")
    #expect(try await registry.unfinishedLoggedModels(inExperiments: [run.experimentID]).map(\.id) == [model.id])
    #expect(try await registry.finalizeLoggedModel(model.id).status == "LOGGED_MODEL_READY")
    #expect(try await registry.unfinishedLoggedModels(inExperiments: [run.experimentID]).isEmpty)
    let outputs = [ModelOutput(modelID: model.id, step: 3)]
    for _ in 1...2 { try await registry.linkOutputs(run: run.id, models: outputs) }
    #expect(try await registry.run(run.id)?.modelOutputs == outputs)
    let read = try #require(try await registry.loggedModel(model.id))
    #expect(read.sourceRunID == run.id && read.params == [Param("C", "1")] && read.body != nil)
    let found = try await registry.loggedModels(inExperiments: [run.experimentID], tagged: key)
    #expect(found.map(\.id) == [model.id])
    let other = try await registry.loggedModels(inExperiments: [run.experimentID], tagged: Tag(key.key, "o"))
    #expect(other.isEmpty)
    #expect(try await registry.loggedModel("m-" + String(repeating: "0", count: 32)) == nil)
    let wrong = [ModelOutput(modelID: "m-" + String(repeating: "1", count: 32))]
    let unlinked = await registryError {
      try await registry.linkOutputs(run: String(repeating: "0", count: 32), models: wrong)
    }
    #expect(unlinked != nil)
  }

  @Test("MLflow 2 has no logged models, which is no failure to read", .enabled(if: LiveMLflow.two.url != nil))
  func noLoggedModels() async throws {
    let registry = try await LiveMLflow.two.registry()
    #expect(try await registry.loggedModel("m-1") == nil)
    #expect(try await registry.loggedModels(inExperiments: ["0"], tagged: Tag("k", "v")).isEmpty)
    #expect(try await registry.unfinishedLoggedModels(inExperiments: ["0"]).isEmpty)
    let error = await registryError {
      try await registry.createLoggedModel(NewLoggedModel(experimentID: "0", name: "m"))
    }
    #expect(error?.code == .unsupported)
  }
}
