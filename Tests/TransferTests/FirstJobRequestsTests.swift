import Foundation
import Registry
import TestSupport
import Testing

@testable import Transfer

/// What a job asks for of many models at once it does not ask for each.
@Suite("The requests of a job with much to do, on real MLflow", .enabled(if: MLflowServers.three != nil))
struct FirstJobRequestsTests {
  private static let models = 9

  @Test("a first job lists all versions at once, asks once for what models share, and looks once for each version")
  func first() async throws {
    var world = try await TestWorld.make("dev01")
    let source = InterposedRegistry(try world.source())
    let target = InterposedRegistry(world.marketplace)
    for number in 1...Self.models { try await source.register("model-\(number)", stage: "Production") }
    (world.sources["dev01"], world.target) = (source, target)

    for version in 1...2 {
      source.restart()
      target.restart()
      let report = try await world.sync()
      #expect(report.isClean)
      #expect(report.items.count { $0.action == .imported } == Self.models)
      #expect(source.count(.registeredModels) == 1 && source.count(.allModelVersions) == 1)
      #expect(source.count(.modelVersions) == 0 && source.count(.registeredModel) == 0)
      #expect(source.count(.modelVersion) == Self.models)
      // Models transferred side by side may ask before the first is answered.
      #expect(source.count(.experiment) <= JobOptions().modelsConcurrent)
      #expect(target.count(.createExperiment) <= (version == 1 ? JobOptions().modelsConcurrent : 0))
      // One search for each version, and one for all that were written, when they are looked at once more.
      #expect(target.count(.versionsTagged) == Self.models + 1)
      #expect(target.count(.modelVersions) == 0)
      for number in 1...Self.models where version == 1 {
        try await source.register("model-\(number)", stage: "Production")
      }
    }
    #expect(try await world.violations().isEmpty)
  }

  @Test("a model that lies in its run is listed together with the run's other files")
  func oneListing() async throws {
    var world = try await TestWorld.make("dev01")
    let source = InterposedRegistry(try world.source())
    let experiment = try await source.createExperiment(named: "training", tags: [])
    let run = try await source.createRun(NewRun(experimentID: experiment.id, name: "old style", tags: []))
    let place = try source.artifactLocation(of: run)
    try await source.put(Array("notes".utf8), at: "notes.txt", to: place)
    try await source.put(Array("flavors: {}\n".utf8), at: "model/MLmodel", to: place)
    try await source.put(Array("bytes".utf8), at: "model/data/model.pkl", to: place)
    try await source.put(Array("another".utf8), at: "model-2/MLmodel", to: place)
    _ = try await source.createRegisteredModel(named: "old", description: nil, tags: [])
    _ = try await source.createModelVersion(
      NewModelVersion(name: "old", source: "\(run.artifactURI)/model", runID: run.id))
    try await source.promote("old", 1)
    source.restart()
    world.sources["dev01"] = source

    #expect(try await world.sync([.observe, .export]).isClean)
    #expect(source.count(.artifacts) == 1)
    #expect(
      source.downloads.sorted() == ["MLmodel", "data/model.pkl", "model-2/MLmodel", "notes.txt"],
      "\(source.downloads)")
    #expect(try await world.violations().isEmpty)
  }
}
