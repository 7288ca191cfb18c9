import Foundation
import Ledger
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

/// What a request makes that arrives when the work it belonged to is done.
@Suite("A request that arrives too late", .enabled(if: MLflowServers.three != nil))
struct LateDoublesTests {
  private let world: TestWorld
  private let marketplace: any ModelRegistry
  private let imported: ModelVersion
  private let run: Run
  private let model: LoggedModel

  /// A model that is imported, each of whose entities in the marketplace is there once.
  init() async throws {
    world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    #expect(try await world.sync().isClean)
    marketplace = world.marketplace
    imported = try #require(try await marketplace.modelVersion(name: "dev01.m", version: 1))
    run = try #require(try await marketplace.run(imported.runID ?? ""))
    model = try #require(try await marketplace.loggedModel(String(imported.source.dropFirst("models:/".count))))
  }

  private func key(_ tags: [Registry.Tag]) throws -> Registry.Tag {
    Tag(OwnTags.sourceKey, try #require(tags[OwnTags.sourceKey]))
  }

  /// The same requests once more, as if they had been on their way all the time.
  private func arrive() async throws -> (run: Run, model: LoggedModel) {
    let run = try await marketplace.createRun(
      NewRun(experimentID: run.experimentID, name: run.name, startTime: run.startTime, tags: [key(run.tags)]))
    let model = try await marketplace.createLoggedModel(
      NewLoggedModel(
        experimentID: model.experimentID, name: model.name, sourceRunID: self.run.id,
        tags: [key(model.tags), Tag(OwnTags.exportID, try #require(model.tags[OwnTags.exportID]))]))
    return (run, model)
  }

  private func check(repairs: Bool) async throws -> [Violation] {
    try await CheckJob(
      context: world.context(), workspaces: [try WorkspaceID("dev01")], target: world.marketplaceTarget,
      readsData: true, repairs: repairs
    ).run()
  }

  private func runs() async throws -> [String] {
    try await marketplace.runs(inExperiments: [run.experimentID], tagged: key(run.tags)).filter { !$0.isDeleted }
      .map(\.id)
  }

  private func models() async throws -> [String] {
    try await marketplace.loggedModels(inExperiments: [model.experimentID], tagged: key(model.tags)).map(\.id)
  }

  @Test("what it makes is told of, and removed by the check that may repair, and nothing else is")
  func removed() async throws {
    #expect(try await check(repairs: true).isEmpty)
    let late = try await arrive()
    let told = try await check(repairs: false)
    #expect(told.map(\.invariant) == ["J4", "J4"])
    #expect(told.allSatisfy { $0.isPending && $0.message.contains("check --repair") })
    #expect(told.first?.message.contains("run \(late.run.id)") == true)
    #expect(told.last?.message.contains("logged model \(late.model.id)") == true)
    #expect(Set(try await runs()) == [run.id, late.run.id])

    let removed = try await check(repairs: true)
    #expect(removed.count == 2 && removed.allSatisfy { $0.isPending && $0.message.hasSuffix("Removed.") })
    #expect(try await runs() == [run.id])
    #expect(try await models() == [model.id])
    #expect(try await check(repairs: true).isEmpty)
    #expect(try await world.marketplaceFile("MLmodel", of: "dev01.m", version: 1).isEmpty == false)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("what another job may be making is left to it")
  func underWay() async throws {
    let late = try await arrive()
    let locks = ModelLocks(context: world.context())
    let stream = try await world.model("m").id.stream
    let told = try await locks.ifFree(stream) { _ in
      try await locks.ifFree(key(run.tags).value) { _ in try await check(repairs: true) }
    }
    await locks.close()
    #expect(told??.isEmpty == true)
    #expect(Set(try await runs()) == [run.id, late.run.id])
    #expect(Set(try await models()) == [model.id, late.model.id])
  }

  @Test("what was begun and is alone, what is not empty any more, and keys that the ledger does not know stay")
  func kept() async throws {
    let foreign = Tag(OwnTags.sourceKey, "dev01/00000000-0000-0000-0000-000000000000/1/1/1")
    let begun = Tag(OwnTags.sourceKey, "run/dev01/begun")
    for key in [foreign, foreign, begun] {
      _ = try await marketplace.createRun(NewRun(experimentID: run.experimentID, tags: [key]))
    }
    let ended = try await marketplace.createRun(NewRun(experimentID: run.experimentID, tags: [key(run.tags)]))
    try await marketplace.updateRun(ended.id, status: "FINISHED", endTime: nil, name: nil)
    for id in ["1", "2"] {
      let key = try key(model.tags)
      _ = try await marketplace.createLoggedModel(
        NewLoggedModel(experimentID: model.experimentID, name: id, tags: [key, Tag(OwnTags.exportID, id)]))
    }
    #expect(try await check(repairs: true).isEmpty)
    #expect(Set(try await runs()) == [run.id, ended.id])
    #expect(try await models().count == 3)
  }

  @Test("a whole run that was deleted by hand comes back, whatever arrived beside it")
  func beforeTheDeleted() async throws {
    let source = try world.mlflow()
    let trainedID = try #require(run.tags[OwnTags.runID])
    let trained = try #require(try await source.run(trainedID))
    let second = try await source.logModel("two", in: trained)
    try await source.registerVersion(of: "m", source: "models:/\(second.id)", run: trained)
    try await marketplace.deleteRun(run.id)
    let late = try await arrive()
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.exported, .imported, .promoted])
    #expect(try await runs() == [run.id])
    #expect(try await marketplace.run(late.run.id)?.isDeleted == true)
    let version = try #require(try await marketplace.modelVersion(name: "dev01.m", version: 2))
    #expect(version.runID == run.id)
    let made = try await marketplace.loggedModel(String(version.source.dropFirst("models:/".count)))
    #expect(made?.sourceRunID == run.id)
    #expect(try await world.sync().items.isEmpty)
  }
}
