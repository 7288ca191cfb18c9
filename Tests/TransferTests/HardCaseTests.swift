import Foundation
import Marketplace
import Postgres
import Registry
import TestSupport
import Testing

@testable import Transfer

/// Sources that other exporters get wrong or pass over in silence. Each ends right, or is named with its reason.
@Suite("Hard cases, on real MLflow", .enabled(if: MLflowServers.three != nil))
struct HardCaseTests {
  @Test("two models logged in one run each get their own files, and the run is imported once")
  func twoModelsOfOneRun() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let run = try await server.train()
    let a = try await server.logModel("A", in: run)
    let b = try await server.logModel("B", in: run)
    try await server.registerVersion(of: "multi-a", source: "models:/\(a.id)", run: run)
    try await server.registerVersion(of: "multi-b", source: "models:/\(b.id)", run: run)

    #expect(try await world.sync().isClean)
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.multi-a", version: 1) == Array("A".utf8))
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.multi-b", version: 1) == Array("B".utf8))
    let runOfA = try await world.marketplaceRun(of: "dev01.multi-a", version: 1)
    let runOfB = try await world.marketplaceRun(of: "dev01.multi-b", version: 1)
    #expect(runOfA.id == runOfB.id)
    #expect(Set(runOfB.modelOutputs.map(\.modelID)).count == 2)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a version logged outside any run is imported without one")
  func versionWithoutRun() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let model = try await server.logModel("alone")
    try await server.registerVersion(of: "runless", source: "models:/\(model.id)")

    #expect(try await world.sync().isClean)
    let version = try #require(try await world.marketplace.modelVersion(name: "dev01.runless", version: 1))
    #expect(version.runID == nil)
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.runless", version: 1) == Array("alone".utf8))
    #expect(try await world.violations().isEmpty)
  }

  @Test("a version whose run was deleted is exported and imported all the same")
  func deletedRun() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let version = try await server.register("orphan", content: "orphan", stage: "Production")
    try await server.deleteRun(try #require(version.runID))

    #expect(try await world.sync().isClean)
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.orphan", version: 1) == Array("orphan".utf8))
    #expect(try await world.marketplaceRun(of: "dev01.orphan", version: 1).params == [Param("C", "0.3")])
    #expect(try await world.violations().isEmpty)
  }

  @Test("a version without files fails with a reason, its predecessor stays, and mended it follows")
  func missingArtifacts() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    try await server.register("risk", content: "one", stage: "Production")
    #expect(try await world.sync().isClean)
    let empty = try await server.logModel(nil)
    try await server.registerVersion(of: "risk", source: "models:/\(empty.id)")

    let report = try await world.sync()
    let trouble = try #require(report.failures["missing_artifacts"])
    #expect(trouble.message.contains("risk v2"))
    #expect(!report.isClean)
    #expect(try await world.promotion("dev01.risk") == .init(staged: [1], alias: 1))
    let states = try await world.rows("select state from marketplace.catalog").map { try $0.string("state") }
    #expect(states == ["superseded, successor failed"])

    // Nothing has changed: the failure stands and is still told, but not recorded again.
    let before = try await world.events().count
    let held = try await world.sync()
    #expect(held.items.map(\.action) == [.held])
    #expect(!held.isClean)
    #expect(try await world.events().count == before)

    try await server.putModel("two", to: server.artifactLocation(of: empty))
    let mended = try await world.sync { $0.retryFailed = true }
    #expect(mended.isClean)
    #expect(try await world.promotion("dev01.risk") == .init(staged: [2], alias: 2))
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.risk", version: 2) == Array("two".utf8))
    #expect(try await world.violations().isEmpty)
  }

  @Test("files that are no model, a file gone from the store and a logged model that is gone are named as such")
  func otherMissingThings() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let noModel = try await server.logModel(nil, files: [("model.pkl", Array("x".utf8))])
    try await server.registerVersion(of: "no-mlmodel", source: "models:/\(noModel.id)")
    let gone = try await server.logModel("gone")
    try await server.registerVersion(of: "gone", source: "models:/\(gone.id)")
    try await server.removeFile("MLmodel", at: server.artifactLocation(of: gone))
    try await server.removeFile("model.pkl", at: server.artifactLocation(of: gone))
    let deleted = try await server.logModel("deleted")
    try await server.registerVersion(of: "nowhere", source: "models:/\(deleted.id)")
    try await server.deleteLoggedModel(deleted.id)
    try await server.registerVersion(of: "elsewhere", source: "s3://bucket/model")
    try await server.register("good", stage: "Production")

    let report = try await world.sync()
    let failures = Dictionary(
      report.items.filter { $0.action == .failed }.map { ($0.model, $0.trouble?.code) },
      uniquingKeysWith: { first, _ in first })
    #expect(failures["no-mlmodel"] == "missing_mlmodel")
    #expect(failures["gone"] == "missing_artifacts")
    #expect(failures["nowhere"] == "not_found")
    #expect(failures["elsewhere"] == "unsupported_source")
    #expect(failures.count == 4)
    // One model's trouble is not another's.
    #expect(report.count(.imported) == 1)
    #expect(try await world.promotion("dev01.good") == .init(staged: [1], alias: 1))
    #expect(try await world.violations().isEmpty)
  }

  @Test("a model that is gone by the time it is exported is named, and the next run withdraws nothing it never had")
  func goneBeforeExport() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    try await server.register("fleeting", stage: "Production")
    #expect(try await world.sync([.observe]).isClean)
    try await server.deleteRegisteredModel(named: "fleeting")
    let report = try await world.sync([.export])
    let trouble = try #require(report.failures["deleted_since"])
    #expect(trouble.message.contains("fleeting v1"))
    #expect(try await world.sync().isClean)
    #expect(try await world.rows("select name from marketplace.catalog").isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a second version of a run that is imported already brings its own files and what was logged since")
  func secondVersionOfARun() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let run = try await server.train()
    let first = try await server.logModel("first", in: run)
    try await server.registerVersion(of: "risk", source: "models:/\(first.id)", run: run)
    #expect(try await world.sync().isClean)

    let second = try await server.logModel("second", in: run)
    try await server.put(Array("later".utf8), at: "later.txt", to: server.artifactLocation(of: run))
    try await server.logBatch(
      run: run.id, metrics: [Metric(key: "late", value: 2, timestamp: 1_700_000_099_000)],
      params: [Param("late", "yes")], tags: [])
    try await server.registerVersion(of: "risk", source: "models:/\(second.id)", run: run)
    #expect(try await world.sync().isClean)

    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.risk", version: 1) == Array("first".utf8))
    #expect(try await world.marketplaceFile("model.pkl", of: "dev01.risk", version: 2) == Array("second".utf8))
    let runOfFirst = try await world.marketplaceRun(of: "dev01.risk", version: 1)
    let imported = try await world.marketplaceRun(of: "dev01.risk", version: 2)
    #expect(runOfFirst.id == imported.id)
    #expect(imported.params == [Param("late", "yes")])
    #expect(imported.metrics.map(\.key) == ["late"])
    let files = try await world.marketplace.artifacts(at: world.marketplace.artifactLocation(of: imported))
    #expect(files.map(\.path) == ["later.txt"])
    #expect(try await world.violations().isEmpty)
  }

  @Test("sources runs:/…, mlflow-artifacts:/… and models:/name/1 lead to the right files")
  func otherSources() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    let direct = try await server.registerInRun("direct", content: "direct")
    #expect(direct.source.hasPrefix("mlflow-artifacts:"))
    let run = try await server.train()
    for (folder, content) in [("model", "by run"), ("models", "other folder")] {
      try await server.put(Training.mlmodel, at: "\(folder)/MLmodel", to: server.artifactLocation(of: run))
      try await server.put(Array(content.utf8), at: "\(folder)/model.pkl", to: server.artifactLocation(of: run))
    }
    try await server.registerVersion(of: "by-run", source: "runs:/\(run.id)/model", run: run)
    try await server.registerVersion(of: "other-folder", source: "runs:/\(run.id)/models", run: run)
    try await server.registerVersion(of: "copy", source: "models:/direct/1")

    #expect(try await world.sync().isClean)
    for (name, content) in [
      ("direct", "direct"), ("by-run", "by run"), ("other-folder", "other folder"), ("copy", "direct"),
    ] {
      let bytes = try await world.marketplaceFile("model.pkl", of: "dev01.\(name)", version: 1)
      #expect(bytes == Array(content.utf8), "\(name)")
    }
    #expect(try await world.violations().isEmpty)
  }

  @Test("models of an MLflow 2 come into an MLflow 3 whole", .enabled(if: MLflowServers.two != nil))
  func twoIntoThree() async throws {
    let two = try TestWorld.two()
    let name = TestWorld.unique("from two")
    let alias = TestWorld.unique("only")
    var world = try await TestWorld.over(["dev02": two], marketplace: try await MLflowServers.registry("market"))
    world.rules["dev02"] = PromotionRule(aliases: [alias], stages: [])
    try await two.registerInRun(name, content: "old", stage: "Production", alias: alias)

    let report = try await world.sync()
    #expect(report.count(.imported) == 1)
    #expect(report.count(.failed) == 0)
    #expect(try await world.marketplaceFile("model.pkl", of: "dev02.\(name)", version: 1) == Array("old".utf8))
    let run = try await world.marketplaceRun(of: "dev02.\(name)", version: 1)
    let notes = try await world.marketplace.content("notes.txt", at: world.marketplace.artifactLocation(of: run))
    #expect(notes == Array("of old".utf8))
    #expect(run.startTime == 1_700_000_000_123 && run.endTime == 1_700_000_060_456 && run.userID == "alice")
    #expect(try await world.sync().count(.imported) == 0)
    #expect(try await world.violations().isEmpty)
  }

  @Test(
    "an alias that an MLflow 2 leaves on a version which came and went is on none",
    .enabled(if: MLflowServers.two != nil))
  func leftAlias() async throws {
    let two = try TestWorld.two()
    let name = TestWorld.unique("left")
    let alias = TestWorld.unique("only")
    let before = TestWorld.unique("before")
    var world = try await TestWorld.over(["dev02": two], marketplace: try await MLflowServers.registry("market"))
    // No stage: other tests promote theirs on this server meanwhile.
    world.rules["dev02"] = PromotionRule(aliases: [alias, before], stages: [])
    try await two.registerInRun(name, content: "one", stage: nil, alias: before)
    try await two.registerInRun(name, content: "two", stage: nil, alias: alias)
    #expect(try await world.sync().isClean)
    #expect(try await world.promotion("dev02.\(name)")?.alias == 1)

    try await two.registerInRun(name, content: "three", stage: nil, alias: alias)
    try await two.deleteModelVersion(name: name, version: 3)
    #expect(try await two.registeredModel(named: name)?.aliases[alias] == 3)
    #expect(try await world.sync().isClean)
    #expect(try await world.promotion("dev02.\(name)")?.alias == 2)
    let bytes = try await world.marketplaceFile("model.pkl", of: "dev02.\(name)", version: 2)
    #expect(bytes == Array("one".utf8))
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  @Test("models of an MLflow 3, with and without a run, come into an MLflow 2", .enabled(if: MLflowServers.two != nil))
  func threeIntoTwo() async throws {
    let id = TestWorld.unique("dev03")
    let source = try await MLflowServers.registry("dev03")
    let world = try await TestWorld.over([id: source], marketplace: try TestWorld.two())
    try await source.register("with-run", content: "with run", stage: "Production")
    let model = try await source.logModel("without run")
    try await source.registerVersion(of: "without-run", source: "models:/\(model.id)")

    #expect(try await world.sync().isClean)
    #expect(try await world.marketplaceFile("model.pkl", of: "\(id).with-run", version: 1) == Array("with run".utf8))
    let runless = try await world.marketplaceFile("model.pkl", of: "\(id).without-run", version: 1)
    #expect(runless == Array("without run".utf8))
    #expect(try await world.promotion("\(id).with-run") == .init(staged: [1], alias: 1))
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }
}
