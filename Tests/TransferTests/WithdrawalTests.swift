import Foundation
import Ledger
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("What the source no longer promotes", .enabled(if: MLflowServers.three != nil))
struct WithdrawalTests {
  @Test("an archived, a deleted and a vanished model are withdrawn within one run, and their bytes are kept")
  func withdrawn() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.mlflow()
    for name in ["archived", "deleted", "vanished", "kept"] { try await source.register(name, stage: "Production") }
    _ = try await world.sync()
    let stored = try world.stored()

    try await source.promote("archived", 1, to: "Archived")
    try await source.deleteModelVersion(name: "deleted", version: 1)
    try await source.delete(model: "vanished")
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.items.map(\.action) == [.withdrawn, .withdrawn, .withdrawn])
    #expect(try await world.count(.modelVersionDeleted) == 2)
    for name in ["archived", "deleted", "vanished"] {
      #expect(try await world.promotion("dev01.\(name)") == .init(staged: [], alias: nil))
      let version = try await world.marketplace.modelVersion(name: "dev01.\(name)", version: 1)
      #expect(version?.stage == "Archived")
    }
    #expect(try await world.promotion("dev01.kept") == .init(staged: [1], alias: 1))
    #expect(try world.stored() == stored)
    #expect(try await world.violations().isEmpty)

    let quiet = try await world.sync()
    #expect(quiet.items.isEmpty)
    #expect(quiet.workspaces.map(\.changes) == [0])
  }

  @Test("more than three models and more than a tenth at once are withdrawn only with permission")
  func limit() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    for number in 1...5 { try await source.register("m\(number)", stage: "Production") }
    _ = try await world.sync()
    for number in 1...4 { try await source.promote("m\(number)", 1, to: "Archived") }

    let blocked = try await world.sync()
    #expect(blocked.items.map(\.action) == [.blocked, .blocked, .blocked, .blocked])
    #expect(!blocked.isClean)
    for number in 1...5 { #expect(try await world.promotion("dev01.m\(number)") == .init(staged: [1], alias: 1)) }

    // What is said is what was allowed, not what is allowed otherwise.
    let none = try await world.sync { $0.withdrawals = WithdrawalLimit(permitted: 0) }
    #expect(none.count(.blocked) == 4)
    let message = none.items.first?.trouble?.message
    #expect(message?.contains("no longer promotes 4 of 5 models, and this run may withdraw none. ") == true)
    #expect(blocked.items.first?.trouble?.message.contains("more than 3 and more than a tenth of them.") == true)

    // Too small a permission is none.
    let small = try await world.sync { $0.withdrawals = WithdrawalLimit(permitted: 3) }
    #expect(small.count(.blocked) == 4)
    #expect(try await world.promotionCauses().count == 5)

    let permitted = try await world.sync { $0.withdrawals = WithdrawalLimit(permitted: 4) }
    #expect(permitted.isClean)
    #expect(permitted.items.map(\.action) == [.withdrawn, .withdrawn, .withdrawn, .withdrawn])
    for number in 1...4 { #expect(try await world.promotion("dev01.m\(number)") == .init(staged: [], alias: nil)) }
    #expect(try await world.promotion("dev01.m5") == .init(staged: [1], alias: 1))
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("the withdrawal of a re-created model is held back too, and nothing is taken for somebody's hand")
  func recreated() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.mlflow()
    try await source.register("m", stage: "Production")
    _ = try await world.sync()
    try await source.delete(model: "m")
    _ = try await world.sync()
    try await source.register("m", stage: "Production")
    _ = try await world.sync()
    #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    try await source.promote("m", 1, to: "Archived")

    let plan = try await world.sync { $0.isDryRun = true }
    #expect(plan.items.map(\.action) == [.withdrawn])
    for _ in 1...2 {
      let blocked = try await world.sync { $0.withdrawals = WithdrawalLimit(permitted: 0) }
      #expect(blocked.items.map(\.action) == [.blocked])
      #expect(try await world.promotion("dev01.m") == .init(staged: [2], alias: 2))
    }
    #expect(try await world.count(.marketplaceDriftFound) == 0)
    #expect(try await world.violations().allSatisfy(\.isPending))

    #expect(try await world.sync().items.map(\.action) == [.withdrawn])
    #expect(try await world.promotion("dev01.m") == .init(staged: [], alias: nil))
    #expect(try await world.violations().isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("while withdrawals are held back, promotions go on")
  func promotionsGoOn() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    for number in 1...4 { try await source.register("m\(number)", stage: "Production") }
    _ = try await world.sync()
    for number in 1...4 { try await source.promote("m\(number)", 1, to: "Archived") }
    try await source.register("fresh", stage: "Production")
    let report = try await world.sync()
    #expect(report.count(.blocked) == 4)
    #expect(report.count(.imported) == 1)
    #expect(try await world.promotion("dev01.fresh") == .init(staged: [1], alias: 1))
    // Promoted again before anybody gave permission: as if nothing had been.
    for number in 1...4 { try await source.promote("m\(number)", 1) }
    let back = try await world.sync()
    #expect(back.isClean)
    #expect(back.items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }
}
