import Foundation
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("Following under kills and races", .enabled(if: MLflowServers.three != nil))
struct DriftTests {
  /// One model, available, with a counting registry before the marketplace.
  private static func world() async throws -> (TestWorld, InterposedRegistry) {
    var world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    _ = try await world.sync()
    let target = world.interposeTarget()
    return (world, target)
  }

  /// Somebody's observation between what a job decided and what it records.
  private static func observeAnother(_ world: TestWorld, _ text: String) async throws {
    try await world.source().updateRegisteredModel(named: "m", description: text)
    _ = try await world.elsewhere { try await $0.sync(.observe) }
  }

  /// Where the job that puts back is killed.
  enum Kill: String, Sendable, CaseIterable {
    case beforePuttingBack
    case halfway
    case beforeSayingSo

    func happens(_ call: InterposedRegistry.Call, _ moment: InterposedRegistry.Moment) -> Bool {
      switch self {
      case .beforePuttingBack: call == .transitionStage && moment == .before
      case .halfway: call == .setAlias && moment == .before
      case .beforeSayingSo: call == .setAlias && moment == .after
      }
    }
  }

  @Test("what was changed by hand is told once, wherever the job that puts it back is killed", arguments: Kill.allCases)
  func killed(_ kill: Kill) async throws {
    let (world, target) = try await Self.world()
    for round in 1...2 {
      try await world.marketplace.deleteAlias("champion", ofModel: "dev01.m")
      try await world.marketplace.promote("dev01.m", 1, to: "Archived")
      target.restart { call, moment, _ in if kill.happens(call, moment) { throw CancellationError() } }
      await #expect(throws: CancellationError.self) { try await world.sync() }
      #expect(try await world.count(.marketplaceDriftFound) == round)
      #expect(try await world.promotionCauses().count { $0 == .drift } == round - 1)

      target.restart()
      let report = try await world.sync()
      #expect(report.isClean)
      #expect(report.items.map(\.action) == [.driftPutBack])
      #expect(try await world.count(.marketplaceDriftFound) == round)
      #expect(try await world.promotionCauses().count { $0 == .drift } == round)
      #expect(try await world.promotion("dev01.m") == .init(staged: [1], alias: 1))
      #expect(try await world.sync().items.isEmpty)
    }
    #expect(try await world.violations().isEmpty)
  }

  @Test("another change by hand after a kill is told too")
  func otherDrift() async throws {
    let (world, target) = try await Self.world()
    try await world.marketplace.deleteAlias("champion", ofModel: "dev01.m")
    target.restart { call, _, _ in if call == .transitionStage { throw CancellationError() } }
    await #expect(throws: CancellationError.self) { try await world.sync() }
    try await world.marketplace.promote("dev01.m", 1, to: "Archived")
    target.restart()
    _ = try await world.sync()
    #expect(try await world.count(.marketplaceDriftFound) == 2)
    #expect(try await world.promotionCauses() == [.promotion, .drift])
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("a promotion whose record comes second is decided again in the same run")
  func lostRace() async throws {
    var world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    let target = world.interposeTarget()
    let fixed = world
    target.restart { call, moment, number in
      if call == .setAlias, moment == .after, number == 1 { try await Self.observeAnother(fixed, "described anew") }
    }
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.exported, .imported, .promoted])
    #expect(try await world.promotionCauses() == [.promotion])
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a promotion that the source took back meanwhile is taken back, and is nobody's hand")
  func takenBack() async throws {
    var world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("m", stage: "Production")
    let target = world.interposeTarget()
    let fixed = world
    target.restart { call, moment, number in
      guard call == .setAlias, moment == .after, number == 1 else { return }
      try await source.promote("m", 1, to: "Archived")
      _ = try await fixed.elsewhere { try await $0.sync(.observe) }
    }
    let report = try await world.sync()
    #expect(report.count(.promoted) == 0)
    #expect(try await world.promotion("dev01.m") == .init(staged: [], alias: nil))
    #expect(try await world.promotionCauses().isEmpty)
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.count(.marketplaceDriftFound) == 0)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a history that never holds still is reported as contended, not as done")
  func contended() async throws {
    var world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    let target = world.interposeTarget()
    let fixed = world
    target.restart { call, moment, number in
      guard call == .setAlias, moment == .after else { return }
      try await Self.observeAnother(fixed, "described, number \(number)")
    }
    let report = try await world.sync()
    #expect(!report.isClean)
    #expect(report.failures["contended"]?.retriable == true)
    #expect(try await world.promotionCauses().isEmpty)
    target.restart()
    let again = try await world.sync()
    #expect(again.isClean)
    #expect(again.items.map(\.action) == [.promoted])
    #expect(try await world.violations().isEmpty)
  }

  @Test("putting back is decided again when its record comes second, and told once")
  func lostRaceOfDrift() async throws {
    let (world, target) = try await Self.world()
    try await world.marketplace.deleteAlias("champion", ofModel: "dev01.m")
    target.restart { call, moment, number in
      if call == .setAlias, moment == .after, number == 1 { try await Self.observeAnother(world, "described anew") }
    }
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.driftPutBack])
    #expect(try await world.count(.marketplaceDriftFound) == 1)
    #expect(try await world.promotionCauses() == [.promotion, .drift])
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }
}
