import Foundation
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("Which model is which", .enabled(if: MLflowServers.three != nil))
struct ModelIdentityTests {
  @Test("a model deleted and created again is a new incarnation that goes on under the marketplace name")
  func recreated() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.mlflow()
    try await source.register("m", content: "old", stage: "Production")
    _ = try await world.sync()
    try await source.delete(model: "m")
    try await source.register("m", content: "new", stage: "Production")

    let report = try await world.sync()
    #expect(report.isClean)
    #expect(Set(report.items.map(\.action)) == [.exported, .imported, .promoted, .withdrawn])
    #expect(try await world.state().models.count == 2)
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    #expect(try await world.marketplaceVersions("dev01.m") == [1, 2])
    #expect(try await world.count(.marketplaceNameAssigned, in: "marketplace") == 1)
    #expect(try await world.violations().isEmpty)
    // The two do not fight over the name.
    for _ in 1...2 {
      let quiet = try await world.sync()
      #expect(quiet.items.isEmpty)
      #expect(quiet.workspaces.map(\.changes) == [0])
    }
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
  }

  @Test("a model created again and not promoted leaves the marketplace name empty")
  func recreatedUnpromoted() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.mlflow()
    try await source.register("m", stage: "Production")
    _ = try await world.sync()
    try await source.delete(model: "m")
    try await source.register("m")
    let report = try await world.sync()
    #expect(report.items.map(\.action) == [.withdrawn])
    #expect(try await world.promotion("dev01.m") == .init(staged: [], alias: nil))
    #expect(try await world.violations().isEmpty)

    try await source.promote("m", 1)
    let promoted = try await world.sync()
    #expect(promoted.items.map(\.action) == [.exported, .imported, .promoted])
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("many models created again at once are no withdrawals")
  func manyRecreated() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.mlflow()
    for number in 1...4 { try await source.register("m\(number)", stage: "Production") }
    _ = try await world.sync()
    for number in 1...4 {
      try await source.delete(model: "m\(number)")
      try await source.register("m\(number)", stage: "Production")
    }
    var reports: [JobReport] = []
    for _ in 1...2 { reports.append(try await world.sync()) }
    #expect(reports[0].count(.imported) == 4)
    let blocked = reports.map { $0.count(.blocked) }
    #expect(blocked == [0, 0])
    #expect(reports[1].items.isEmpty)
    for number in 1...4 { #expect(try await world.promotion("dev01.m\(number)") == .init(staged: [2], alias: 2)) }
    #expect(try await world.violations().isEmpty)
  }

  @Test("a renamed model stays what it is, and nothing is copied")
  func renamed() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.mlflow()
    try await source.register("before", stage: "Production")
    _ = try await world.sync()
    let stored = try world.stored()
    try await source.rename(model: "before", to: "after")

    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.isEmpty)
    #expect(try await world.kinds().filter { $0 == .modelRenamed || $0 == .modelVersionDeleted } == [.modelRenamed])
    #expect(try await world.state().models.count == 1)
    #expect(try await world.promotion("dev01.before") == .init(staged: [1], alias: 1))
    #expect(try world.stored() == stored)

    // It goes on under its first name.
    try await source.register("after", stage: "Production")
    let next = try await world.sync()
    #expect(next.items.map(\.action) == [.exported, .imported, .promoted])
    #expect(try await world.promotion("dev01.before") == .init(staged: [2], alias: 2))
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("two models that swap their names keep their marketplace names and versions")
  func swapped() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.mlflow()
    try await source.register("a", content: "first", stage: "Production")
    try await source.register("b", content: "second", stage: "Production")
    _ = try await world.sync()
    let a = try await world.model("a").id
    try await source.rename(model: "a", to: "aside")
    try await source.rename(model: "b", to: "a")
    try await source.rename(model: "aside", to: "b")

    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.isEmpty)
    #expect(try await world.count(.modelRenamed) == 2)
    #expect(try await world.count(.modelVersionDeleted) == 0)
    #expect(try await world.model("b").id == a)

    // A promotion of what is now called b belongs to the model first seen as a.
    try await source.register("b", stage: "Production")
    _ = try await world.sync()
    #expect(try await world.promotion("dev01.a") == .init(staged: [2], alias: 2))
    #expect(try await world.promotion("dev01.b") == .init(staged: [1], alias: 1))
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("a new model under the old name of a renamed one does not take its marketplace name")
  func renamedAndReplaced() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.mlflow()
    try await source.register("m", content: "old", stage: "Production")
    _ = try await world.sync()
    try await source.rename(model: "m", to: "m-classic")
    try await source.register("m", content: "new", stage: "Production")

    let report = try await world.sync()
    #expect(report.count(.withdrawn) == 0)
    let failure = report.items.first { $0.action == .failed }
    #expect(failure?.trouble?.code == "name_collision")
    #expect(failure?.trouble?.message.contains("m-classic") == true)
    #expect(try await world.promotion("dev01.m") == .init(staged: [1], alias: 1))
    #expect(try await world.count(.modelRenamed) == 1)
    #expect(try await world.count(.modelVersionDeleted) == 0)
    #expect(try await world.violations().isEmpty)

    // Once the old one is gone the name is free for the new one.
    try await source.delete(model: "m-classic")
    let freed = try await world.sync { $0.retryFailed = true }
    #expect(freed.isClean)
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }
}
