import Foundation
import Ledger
import Marketplace
import NIOHTTP1
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("The marketplace changed by hand", .enabled(if: MLflowServers.three != nil))
struct HandmadeChangeTests {
  /// One model with a superseded v1 and an available v2, another with v1 withdrawn.
  private static func world() async throws -> TestWorld {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("m", content: "m1", stage: "Production")
    try await source.register("gone", stage: "Production")
    _ = try await world.sync()
    try await source.register("m", content: "m2", stage: "Production")
    try await source.promote("gone", 1, to: "Archived")
    _ = try await world.sync()
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    #expect(try await world.promotion("dev01.gone") == .init(staged: [], alias: nil))
    return world
  }

  /// The world is as it should be, and stays.
  private static func expectSettled(_ world: TestWorld) async throws {
    #expect(try await world.violations().isEmpty)
    let events = try await world.events()
    let quiet = try await world.sync()
    #expect(quiet.isClean)
    #expect(quiet.items.isEmpty)
    #expect(try await world.events() == events)
  }

  /// A change that leaves every version there, and is put back.
  struct Change: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var make: @Sendable (MLflowRegistry) async throws -> Void
  }

  static let changes: [Change] = [
    Change(testDescription: "the available version archived") { try await $0.promote("dev01.m", 2, to: "Archived") },
    Change(testDescription: "another version promoted beside it") { try await $0.promote("dev01.m", 1) },
    Change(testDescription: "another version promoted in its place") {
      try await $0.transitionStage(name: "dev01.m", version: 1, to: "Production", archiveExistingVersions: true)
    },
    Change(testDescription: "the alias moved") { try await $0.setAlias("champion", ofModel: "dev01.m", version: 1) },
    Change(testDescription: "the alias removed") { try await $0.deleteAlias("champion", ofModel: "dev01.m") },
    Change(testDescription: "a withdrawn version promoted again") { try await $0.promote("dev01.gone", 1) },
    Change(testDescription: "a withdrawn version given the alias") {
      try await $0.setAlias("champion", ofModel: "dev01.gone", version: 1)
    },
  ]

  @Test("what was promoted or demoted by hand is put back and reported", arguments: changes)
  func putBack(_ change: Change) async throws {
    let world = try await Self.world()
    try await change.make(world.marketplace)
    let plan = try await world.sync { $0.isDryRun = true }
    #expect(plan.items.map(\.action) == [.driftPutBack])
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.driftPutBack])
    #expect(report.items.first?.trouble?.code == "marketplace_drift")
    #expect(try await world.count(.marketplaceDriftFound) == 1)
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    #expect(try await world.promotion("dev01.gone") == .init(staged: [], alias: nil))
    try await Self.expectSettled(world)
  }

  @Test("a deleted version is imported again, without a byte read from the source")
  func deletedVersion() async throws {
    let world = try await Self.world()
    try await world.marketplace.deleteModelVersion(name: "dev01.m", version: 2)
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.lost, .imported, .promoted])
    #expect(try await world.count(.importLost) == 1)
    #expect(try await world.count(.modelExported) == 3)
    #expect(try await world.promotion("dev01.m") == .init(staged: [3], alias: 3))
    #expect(try await world.marketplaceVersions("dev01.m") == [1, 3])
    try await Self.expectSettled(world)
  }

  @Test("a deleted superseded version is known to be lost, and imported again when the source goes back to it")
  func deletedPredecessor() async throws {
    let world = try await Self.world()
    try await world.marketplace.deleteModelVersion(name: "dev01.m", version: 1)
    let report = try await world.sync()
    #expect(report.items.map(\.action) == [.lost])
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    try await Self.expectSettled(world)

    try await world.source().promote("m", 2, to: "Archived")
    let back = try await world.sync()
    #expect(back.items.map(\.action) == [.imported, .promoted])
    #expect(try await world.promotion("dev01.m") == .init(staged: [3], alias: 3))
    try await Self.expectSettled(world)
  }

  @Test("a superseded version deleted while a run is at work on its model is found by that run or the next")
  func deletedMeanwhile() async throws {
    var world = try await Self.world()
    try await world.source().register("m", content: "m3", stage: "Production")
    let target = world.interposeTarget()
    let marketplace = world.marketplace
    target.restart { call, moment, number in
      guard call == .setAlias, moment == .after, number == 1 else { return }
      try await marketplace.deleteModelVersion(name: "dev01.m", version: 1)
    }
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.exported, .imported, .promoted, .lost])
    target.restart()
    // It is told, so the next run has nothing to look at.
    #expect(try await world.sync().items.isEmpty)
    #expect(target.count(.modelVersions) == 0)
    try await Self.expectSettled(world)
  }

  @Test("a superseded version deleted while a run is about to end is found by the next")
  func deletedWhileStopping() async throws {
    var world = try await Self.world()
    try await world.source().register("m", content: "m3", stage: "Production")
    let target = world.interposeTarget()
    let marketplace = world.marketplace
    let sign = StopSign()
    world.isStopping = { sign.isUp }
    target.restart { call, moment, number in
      guard call == .setAlias, moment == .after, number == 1 else { return }
      try await marketplace.deleteModelVersion(name: "dev01.m", version: 1)
      sign.raise()
    }
    #expect(try await world.sync().wasInterrupted)
    #expect(try await world.count(.importLost) == 0)
    target.restart()
    world.isStopping = { false }
    #expect(try await world.sync().items.map(\.action) == [.lost])
    try await Self.expectSettled(world)
  }

  @Test("until a sync has told of it, a missing version is an alarm only where it is the available one")
  func pendingLoss() async throws {
    let world = try await Self.world()
    try await world.marketplace.deleteModelVersion(name: "dev01.m", version: 1)
    try await world.marketplace.deleteModelVersion(name: "dev01.gone", version: 1)
    let found = try await world.violations()
    #expect(found.map(\.invariant) == ["J4", "J4"])
    #expect(found.map(\.isPending) == [true, true])
    let report = try await world.sync()
    #expect(report.items.map(\.action) == [.lost, .lost])
    try await Self.expectSettled(world)

    try await world.marketplace.deleteModelVersion(name: "dev01.m", version: 2)
    let alarm = try await world.violations()
    #expect(alarm.contains { $0.invariant == "J4" && !$0.isPending })
    _ = try await world.sync()
    try await Self.expectSettled(world)
  }

  @Test("a second version with our key is removed, and the one that history names stays")
  func doubled() async throws {
    let world = try await Self.world()
    let ours = try #require(try await world.marketplace.modelVersion(name: "dev01.m", version: 2))
    let double = try await world.marketplace.createModelVersion(
      NewModelVersion(
        name: "dev01.m", source: ours.source, runID: ours.runID, tags: ours.tags))
    #expect(try await world.violations().map(\.invariant) == ["J4"])
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(try await world.marketplace.modelVersion(name: "dev01.m", version: double.version) == nil)
    #expect(try await world.marketplaceVersions("dev01.m") == [1, 2])
    try await Self.expectSettled(world)
  }

  @Test("a withdrawn version that was deleted stays away until the source promotes it again")
  func deletedWithdrawn() async throws {
    let world = try await Self.world()
    try await world.marketplace.deleteModelVersion(name: "dev01.gone", version: 1)
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.count(.imported) == 0)
    try await Self.expectSettled(world)
    try await world.source().promote("gone", 1)
    let back = try await world.sync()
    #expect(back.items.map(\.action) == [.imported, .promoted])
    #expect(try await world.promotion("dev01.gone") == .init(staged: [2], alias: 2))
    try await Self.expectSettled(world)
  }

  @Test("a deleted registered model is made again, and its new numbers are not taken for the old ones")
  func deletedModel() async throws {
    let world = try await Self.world()
    try await world.marketplace.delete(model: "dev01.m")
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.lost, .lost, .imported, .promoted])
    // Numbers begin at 1 again: now it is the source's v2.
    #expect(try await world.promotion("dev01.m") == .init(staged: [1], alias: 1))
    let version = try await world.marketplace.modelVersion(name: "dev01.m", version: 1)
    #expect(version?.tags[OwnTags.version] == "2")
    try await Self.expectSettled(world)

    // A rollback now needs v1 anew, and must not promote the number that v1 once had.
    try await world.source().promote("m", 2, to: "Archived")
    let back = try await world.sync()
    #expect(back.items.map(\.action) == [.imported, .promoted])
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    let rolledBack = try await world.marketplace.modelVersion(name: "dev01.m", version: 2)
    #expect(rolledBack?.tags[OwnTags.version] == "1")
    try await Self.expectSettled(world)
  }

  @Test("somebody else's version under a number of ours is not promoted")
  func replacedModel() async throws {
    let world = try await Self.world()
    try await world.marketplace.delete(model: "dev01.m")
    for _ in 1...2 { try await world.marketplace.register("dev01.m", stage: "Production", alias: "champion") }
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.count(.lost) == 2)
    #expect(try await world.promotion("dev01.m") == .init(staged: [3], alias: 3))
    #expect(try await world.marketplaceVersions("dev01.m") == [3])
    try await Self.expectSettled(world)
  }

  @Test("an emptied marketplace is filled again from storage alone")
  func emptied() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    for number in 1...5 { try await source.register("m\(number)", stage: "Production") }
    _ = try await world.sync()
    let stored = try world.stored()
    for number in 1...5 { try await world.marketplace.delete(model: "dev01.m\(number)") }
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.count(.lost) == 5)
    #expect(report.count(.imported) == 5)
    #expect(report.count(.exported) == 0)
    for number in 1...5 { #expect(try await world.promotion("dev01.m\(number)") == .init(staged: [1], alias: 1)) }
    #expect(try world.stored() == stored)
    try await Self.expectSettled(world)
  }

  @Test("a marketplace that cannot be read is not followed, and nothing is taken for lost")
  func unreadableMarketplace() async throws {
    try await RegistryProxy.with { proxy in
      var world = try await TestWorld.make("dev01")
      let source = try world.source()
      let workspace = try await MLflowServers.freshWorkspace("market")
      world.target = try proxy.registry(workspace)
      try await source.register("m", stage: "Production")
      _ = try await world.sync()
      let before = try await world.events()
      let lies: [RegistryProxy.Lie] = [
        { _ in .down },
        { request in request.isModelListing ? .html("<!doctype html>") : nil },
        { request in
          // Listed as gone, and forbidden to ask for: a token that lost its permission.
          if request.isModelListing { return .json("{}") }
          return request.uri.contains("/model-versions/") ? .html("Permission denied", status: .forbidden) : nil
        },
      ]
      for lie in lies {
        proxy.tell(lie)
        let bad = try await world.sync()
        #expect(!bad.isClean)
        #expect(bad.count(.lost) == 0)
        #expect(bad.count(.imported) == 0)
        #expect(try await world.events() == before)
      }
      proxy.tell(nil)
      let good = try await world.sync()
      #expect(good.isClean)
      #expect(good.items.isEmpty)
      #expect(try await world.violations().isEmpty)
    }
  }
}
