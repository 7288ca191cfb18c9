import Foundation
import Ledger
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

/// What a run holds, to the last point, and files that are unlike others; and work that was cut off.
@Suite("Hard contents and interrupted work, on real MLflow", .enabled(if: MLflowServers.three != nil))
struct HardContentTests {
  @Test("a run arrives whole: 1,500 points, NaN and infinity, 150 parameters, datasets, times, user and tags")
  func wholeRun() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let start: Int64 = 1_700_000_000_000
    var training = Training(name: "gründlich")
    training.metrics = (0..<1_500).map {
      Metric(key: "loss", value: 1 / Double($0 + 1), timestamp: start + Int64($0), step: Int64($0))
    }
    training.metrics += [Double.nan, .infinity, -.infinity, 0.5].enumerated().map {
      Metric(key: "strange", value: $1, timestamp: start + Int64($0), step: Int64($0))
    }
    training.params = (0..<150).map { Param("p\($0)", String(repeating: "ü", count: $0)) }
    training.tags = [Registry.Tag("note", "a 'quoted' \"value\"\nof two lines"), Registry.Tag("team", "")]
    training.datasets = [
      DatasetInput(
        name: "patients", digest: "abc123", sourceType: "local", source: #"{"uri": "/data/patients.csv"}"#,
        schema: #"{"columns": []}"#, profile: #"{"rows": 12}"#,
        tags: [Registry.Tag("mlflow.data.context", "training")])
    ]
    let run = try await server.train(training)
    let model = try await server.logModel("whole", in: run)
    try await server.registerVersion(of: "whole", source: "models:/\(model.id)", run: run)
    #expect(try await world.sync().isClean)

    let imported = try await world.marketplaceRun(of: "dev01.whole", version: 1)
    for key in ["loss", "strange"] {
      let expected = try await server.metricHistory(run: run.id, key: key).map(Self.point)
      let found = try await world.marketplace.metricHistory(run: imported.id, key: key).map(Self.point)
      #expect(expected.count == (key == "loss" ? 1_500 : 4))
      #expect(found == expected)
    }
    #expect(imported.params.sorted { $0.key < $1.key } == training.params.sorted { $0.key < $1.key })
    #expect(imported.datasetInputs == run.datasetInputs && imported.datasetInputs.count == 1)
    #expect(imported.startTime == training.startTime && imported.endTime == training.endTime)
    #expect(imported.userID == "alice" && imported.name == "gründlich" && imported.status == "FINISHED")
    for tag in run.tags { #expect(imported.tags[tag.key] == tag.value, "\(tag.key)") }
    #expect(try await world.violations().isEmpty)
  }

  private static func point(_ metric: Metric) -> String {
    "\(metric.key) \(metric.step) \(metric.timestamp) \(metric.value)"
  }

  @Test("files with spaces, accents written both ways, emoji, deep folders and no bytes arrive as they are")
  func strangeFiles() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let files: [(path: String, bytes: [UInt8])] = [
      ("empty", []), ("sub folder/empty too.txt", []), ("two  spaces.txt", Array("spaces".utf8)),
      ("caf\u{e9}.txt", Array("composed".utf8)), ("cafe\u{301}.txt", Array("decomposed!".utf8)),
      ("🫀/heart.bin", [0, 255, 0, 254]), ("a/b/c/d/e/f/g.txt", Array("deep".utf8)),
      ("plus+and&equals=.csv", Array("1,2".utf8)), ("big.bin", Array(repeating: 7, count: 3_000_001)),
    ]
    var training = Training()
    training.files = files
    let run = try await server.train(training)
    let model = try await server.logModel("strange", in: run, files: files)
    try await server.registerVersion(of: "logged", source: "models:/\(model.id)", run: run)
    // The same files once more as artifacts of a run that are the model's at the same time.
    try await server.put(Training.mlmodel, at: "MLmodel", to: server.artifactLocation(of: run))
    try await server.registerVersion(of: "in-run", source: "runs:/\(run.id)/", run: run)

    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.compactMap { $0.isFailure ? $0.trouble?.message : nil } == [])
    for name in ["logged", "in-run"] {
      for file in files {
        let bytes = try await world.marketplaceFile(file.path, of: "dev01.\(name)", version: 1)
        #expect(bytes == file.bytes, "\(file.path) of \(name)")
      }
    }
    let imported = try await world.marketplaceRun(of: "dev01.logged", version: 1)
    let listed = try await world.marketplace.artifacts(at: world.marketplace.artifactLocation(of: imported))
    let source = try await server.artifacts(at: server.artifactLocation(of: run))
    #expect(listed.map { Array($0.path.utf8) } == source.map { Array($0.path.utf8) })
    #expect(try await world.violations().isEmpty)
  }

  @Test("an export cut off midway is resumed and fetches small files and what was missing")
  func resumedExport() async throws {
    var world = try await TestWorld.make("dev01")
    let server = try world.server()
    let files = (1...10).map { (path: "part-\($0)", bytes: Array(repeating: UInt8($0), count: 1_048_576 + $0)) }
    let model = try await server.logModel("resumed", files: files)
    try await server.registerVersion(of: "resumed", source: "models:/\(model.id)")
    let source = try world.interpose()
    source.restart { call, moment, number in
      if call == .download, moment == .before, number >= 8 {
        throw RegistryError(.unreachable, operation: "downloading", message: "the cable was cut", retriable: true)
      }
    }

    let first = try await world.sync()
    #expect(first.failures["unreachable"]?.message.contains("the cable was cut") == true)
    #expect(first.count(.imported) == 0)
    let stored = try await world.storedFiles().filter { $0.isFile && $0.size > 0 }
    let complete = stored.filter { path in path.path.contains("/resumed/1-") && !path.path.contains("manifest.json") }
    #expect(complete.count >= 3 && complete.count < 12)
    #expect(!stored.contains { $0.path.hasSuffix("manifest.json") })

    source.restart()
    let second = try await world.sync()
    #expect(second.isClean)
    #expect(second.count(.imported) == 1)
    // MLmodel is compared and model.pkl is small: both come again, and of the ten parts what was missing.
    let parts = complete.count { $0.path.contains("part-") }
    #expect(parts >= 2 && complete.contains { $0.path.hasSuffix("/MLmodel") })
    #expect(source.count(.download) == 2 + 10 - parts)
    #expect(Set(source.downloads).count == source.downloads.count)
    let folders = try FileManager.default.contentsOfDirectory(atPath: "\(world.storageRoot)/exports/dev01/resumed")
    #expect(folders.count == 1)
    for file in files {
      #expect(try await world.marketplaceFile(file.path, of: "dev01.resumed", version: 1) == file.bytes)
    }
    #expect(try await world.violations().isEmpty)
  }

  @Test(
    "a job that dies right after any write to the marketplace leaves nothing double behind",
    arguments: [
      InterposedRegistry.Call.createRegisteredModel, .createExperiment, .createRun, .logBatch, .upload, .updateRun,
      .createLoggedModel, .finalizeLoggedModel, .linkOutputs, .createModelVersion, .transitionStage,
      .setAlias,
    ])
  func diesAfter(call: InterposedRegistry.Call) async throws {
    var world = try await TestWorld.make("dev01")
    try await world.source().register(
      "mortal", content: "mortal", stage: "Production",
      metrics: [Metric(key: "auc", value: .nan, timestamp: 1_700_000_000_500)], files: ["a.txt": [1, 2, 3]])
    let target = world.interposeTarget()
    target.restart { made, moment, number in
      if made == call, moment == .after, number == 1 { throw CancellationError() }
    }
    let dying = world
    await #expect(throws: CancellationError.self) { try await dying.sync() }
    #expect(target.count(call) >= 1)

    target.restart()
    #expect(try await world.sync().isClean)
    let version = try #require(try await world.marketplace.modelVersion(name: "dev01.mortal", version: 1))
    #expect(try await world.marketplace.modelVersions(of: "dev01.mortal").count == 1)
    #expect(try await world.promotion("dev01.mortal") == .init(staged: [1], alias: 1))
    let experiment = try #require(try await world.marketplace.experiment(named: "dev01/training"))
    let run = try await world.marketplaceRun(of: "dev01.mortal", version: 1)
    let key = try #require(run.tags[OwnTags.sourceKey])
    let runs = try await world.marketplace.runs(
      inExperiments: [experiment.id], tagged: Registry.Tag(OwnTags.sourceKey, key))
    #expect(runs.map(\.id) == [run.id])
    let ownKey = try #require(version.tags[OwnTags.sourceKey])
    let models = try await world.marketplace.loggedModels(
      inExperiments: [experiment.id], tagged: Registry.Tag(OwnTags.sourceKey, ownKey))
    #expect(models.count == 1 && models.first?.status == "LOGGED_MODEL_READY")
    #expect(try await world.marketplace.metricHistory(run: run.id, key: "auc").count == 1)
    #expect(run.endTime == 1_700_000_060_456)
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a ledger that was lost adopts what the marketplace already holds")
  func lostLedger() async throws {
    let world = try await TestWorld.make("dev01")
    try await world.source().register("known", content: "known", stage: "Production")
    #expect(try await world.sync().isClean)

    try await world.source().updateModelVersion(name: "known", version: 1, description: "said later")
    let fresh = try await TestWorld.over(world.sources, marketplace: world.marketplace)
    let report = try await fresh.sync()
    #expect(report.isClean)
    #expect(report.count(.imported) == 1)
    let versions = try await fresh.marketplace.modelVersions(of: "dev01.known")
    #expect(versions.map(\.version) == [1])
    #expect(versions.map(\.description) == ["said later"])
    #expect(try await fresh.promotion("dev01.known") == .init(staged: [1], alias: 1))
    #expect(try await fresh.sync().items.isEmpty)
    #expect(try await fresh.violations().isEmpty)
  }
}
