import Foundation
import Ledger
import Marketplace
import NIOHTTP1
import Postgres
import TestSupport
import Testing

@testable import Registry
@testable import Transfer

/// What the source says arrives to the last entry, or is marked.
@Suite("Everything the source says, on real MLflow", .enabled(if: MLflowServers.three != nil))
struct ExactContentTests {
  /// Two texts that Swift holds for equal and MLflow does not.
  static let twins = ["\u{c5}", "\u{212b}"]

  @Test("parameters, metrics and tags whose keys Swift holds for equal stay two, all the way")
  func equivalentKeys() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    var training = Training()
    training.params = Self.twins.enumerated().map { Param($1, "p\($0)") }
    training.tags = Self.twins.enumerated().map { Registry.Tag($1, "t\($0)") }
    training.metrics = Self.twins.enumerated().flatMap { number, key in
      [Double(number), .nan].enumerated().map { step, value in
        Metric(key: key, value: value, timestamp: 1_700_000_000_000, step: Int64(step))
      }
    }
    let run = try await server.train(training)
    let model = try await server.logModel("twins", in: run)
    try await server.registerVersion(of: "twins", source: "models:/\(model.id)", run: run)
    for (number, key) in Self.twins.enumerated() {
      try await server.setTag(Registry.Tag(key, "m\(number)"), ofModel: "twins")
      try await server.setTag(Registry.Tag(key, "v\(number)"), ofModel: "twins", version: 1)
    }
    #expect(try await world.sync().isClean)

    let imported = try await world.marketplaceRun(of: "dev01.twins", version: 1)
    let version = try #require(try await world.marketplace.modelVersion(name: "dev01.twins", version: 1))
    let registered = try #require(try await world.marketplace.registeredModel(named: "dev01.twins"))
    let state = try await world.model("twins")
    let described = try #require(state.versions[1]?.described)
    for (number, key) in Self.twins.enumerated() {
      #expect(imported.params[key] == "p\(number)")
      #expect(imported.tags[key] == "t\(number)")
      #expect(version.tags[key] == "v\(number)")
      #expect(registered.tags[key] == "m\(number)")
      let history = try await world.marketplace.metricHistory(run: imported.id, key: key)
      #expect(history.map { "\($0.value)" } == ["\(Double(number))", "nan"])
      #expect(state.described?.tags[ExactText(key)] == "m\(number)")
      #expect(described.tags[ExactText(key)] == "v\(number)")
      #expect(described.params?[ExactText(key)] == "p\(number)")
    }
    #expect(described.metrics?.count == 2)
    #expect(try await world.sync().items.isEmpty)

    // A value written another way is another value, and goes along with the next version.
    try await server.setTag(Registry.Tag(Self.twins[0], "\u{c5}"), ofModel: "twins")
    try await server.registerVersion(of: "twins", source: "models:/\(model.id)", run: run)
    #expect(try await world.sync().isClean)
    try await server.setTag(Registry.Tag(Self.twins[0], "\u{212b}"), ofModel: "twins")
    try await server.registerVersion(of: "twins", source: "models:/\(model.id)", run: run)
    #expect(try await world.sync().isClean)
    let tags = try #require(try await world.marketplace.registeredModel(named: "dev01.twins")).tags
    #expect(tags[Self.twins[0]]?.isExactly("\u{212b}") == true)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a logged model keeps 150 parameters, its tags, and metrics with what they were measured by")
  func loggedModel() async throws {
    struct Measured: Encodable {
      var key = "auc"
      var value = 0.75
      var timestamp: Int64 = 1_700_000_000_000
      var step: Int64 = 3
      var model_id: String
      var dataset_name = "patients"
      var dataset_digest = "abc"
    }
    struct Batch: Encodable {
      var run_id: String
      var metrics: [Measured]
    }
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let run = try await server.train()
    let params = (0..<150).map { Param("p\($0)", "value \($0)") }
    let model = try await server.createLoggedModel(
      NewLoggedModel(
        experimentID: run.experimentID, name: "rich", modelType: "forest", sourceRunID: run.id, params: params,
        tags: [Registry.Tag("note", "n")]))
    try await server.putModel("rich", to: server.artifactLocation(of: model))
    _ = try await server.finalizeLoggedModel(model.id)
    _ = try await server.send(
      .POST, "runs/log-batch", Batch(run_id: run.id, metrics: [Measured(model_id: model.id)]), as: Wire.Nothing.self,
      idempotent: true, operation: "measuring a model")
    try await server.registerVersion(of: "rich", source: "models:/\(model.id)", run: run)
    #expect(try await world.sync().isClean)

    let stored = try world.stored().keys.first { $0.hasSuffix("/logged_model.json") }
    let bytes = try Data(contentsOf: URL(fileURLWithPath: try #require(stored)))
    let document = try ExportDocument<LoggedModelDocument>.decode(Array(bytes))
    #expect(document.params.count == 150 && document.params["p149"] == "value 149")
    #expect(document.tags["note"] == "n")
    #expect(document.status == "LOGGED_MODEL_READY" && document.artifactLocation == model.artifactURI)
    let measured = try #require(document.metrics?.first)
    #expect(document.metrics?.count == 1)
    #expect(measured.key == "auc" && measured.value == 0.75 && measured.step == 3)
    #expect(measured.modelID == model.id && measured.runID == run.id)
    #expect(measured.datasetName == "patients" && measured.datasetDigest == "abc")

    let version = try #require(try await world.marketplace.modelVersion(name: "dev01.rich", version: 1))
    let modelID = try #require(version.modelID)
    let imported = try #require(try await world.marketplace.loggedModel(modelID))
    #expect(Set(imported.params) == Set(params))
    #expect(imported.tags["note"] == "n" && imported.modelType == "forest")
  }

  @Test("a model that says more than an event can hold is exported, and the event says what was cut")
  func tooMuchToSay() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    var training = Training()
    // A control character takes one byte here and six in the event.
    training.params = (0..<150).map { Param("p\($0)", String(repeating: "\u{1}", count: 2_000)) }
    let run = try await server.train(training)
    let flavors = (0..<5_000).map { "  flavor\($0):\n    loader_module: none\n" }.joined()
    let columns = (0..<4_000).map { #"{"type": "double", "name": "column \#($0)"}"# }.joined(separator: ", ")
    let mlmodel = "flavors:\n\(flavors)signature:\n  inputs: '[\(columns)]'\n  outputs: '[]'\n  odd: '[]'\n"
    let model = try await server.logModel(nil, in: run, files: [("MLmodel", Array(mlmodel.utf8))])
    try await server.registerVersion(of: "talkative", source: "models:/\(model.id)", run: run)
    for number in 0..<12 {
      let tag = Registry.Tag("t\(number)", String(repeating: "\u{1}", count: 50_000))
      try await server.setTag(tag, ofModel: "talkative", version: 1)
    }
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.compactMap(\.trouble) == [])
    let described = try #require(try await world.model("talkative").versions[1]?.described)
    #expect(described.cut == ["flavors", "params", "signature", "tags"])
    #expect(described.flavors?.count == ModelDescribed.entriesMax && described.tags.count == 12)
    #expect(described.signature == ["outputs": "[]"])
    #expect(try await world.violations().isEmpty)
  }

  @Test("an export stands even where the ledger refuses its description")
  func refusedDescription() async throws {
    let world = try await TestWorld.make("dev01")
    try await world.source().register("mute", stage: "Production")
    _ = try await world.sync(.observe)
    try await world.pool.withSession { session in
      _ = try session.execute("delete from ledger.event_type where type = 'ModelDescribed'")
    }
    let report = try await world.sync(.export)
    let item = try #require(report.items.first)
    #expect(item.action == .exported && item.trouble?.code == "description_refused")
    #expect(try await world.count(.modelExported) == 1)
    #expect(try await world.model("mute").versions[1]?.described == nil)
    let imported = try await world.sync(.import)
    #expect(imported.count(.imported) == 1)
  }
}
