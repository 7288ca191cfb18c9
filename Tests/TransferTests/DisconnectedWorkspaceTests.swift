import Catalog
import Foundation
import Ledger
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("A workspace that nobody looks after", .enabled(if: MLflowServers.three != nil))
struct DisconnectedWorkspaceTests {
  @Test("keeps its models while it is only out of the configuration, and loses them when it is disconnected")
  func disconnected() async throws {
    var world = try await TestWorld.make("dev01", "dev02")
    try await world.source("dev01").register("stays", stage: "Production")
    for number in 1...5 { try await world.source("dev02").register("m\(number)", stage: "Production") }
    _ = try await world.sync()

    let removed = world.sources.removeValue(forKey: "dev02")
    let unattended = try await world.sync()
    #expect(unattended.isClean)
    #expect(unattended.items.isEmpty)
    #expect(unattended.unattended.map(\.text) == ["dev02"])
    for number in 1...5 { #expect(try await world.promotion("dev02.m\(number)") == .init(staged: [1], alias: 1)) }
    #expect(try await world.violations(of: "dev01", "dev02").isEmpty)

    try await world.disconnect("dev02")
    let plan = try await world.sync { $0.isDryRun = true }
    #expect(plan.count(.withdrawn) == 5)
    #expect(try await world.promotion("dev02.m1") == .init(staged: [1], alias: 1))

    // A person's word is permission enough for any number.
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.unattended.isEmpty)
    #expect(report.workspaces.map(\.workspace.text) == ["dev01", "dev02"])
    #expect(report.items.map(\.action) == Array(repeating: .withdrawn, count: 5))
    for number in 1...5 { #expect(try await world.promotion("dev02.m\(number)") == .init(staged: [], alias: nil)) }
    #expect(try await world.promotion("dev01.stays") == .init(staged: [1], alias: 1))
    #expect(try await world.violations(of: "dev01", "dev02").isEmpty)

    let quiet = try await world.sync()
    #expect(quiet.items.isEmpty)
    #expect(quiet.workspaces.map(\.workspace.text) == ["dev01"])

    // Promoted by hand afterwards: put back.
    try await world.marketplace.promote("dev02.m1", 1)
    let drift = try await world.sync()
    #expect(drift.items.map(\.action) == [.driftPutBack])
    #expect(try await world.promotion("dev02.m1") == .init(staged: [], alias: nil))

    // In the configuration again: connected again, without a byte copied.
    world.sources["dev02"] = removed
    let again = try await world.sync()
    #expect(again.isClean)
    #expect(again.items.map(\.action) == Array(repeating: .promoted, count: 5))
    #expect(try await world.promotion("dev02.m1") == .init(staged: [1], alias: 1))
    #expect(try await world.violations().isEmpty)
  }

  @Test("is not expected to be readable any more, and what is deleted of it by hand is told all the same")
  func unreadableThenDisconnected() async throws {
    var world = try await TestWorld.make("dev01", "dev02")
    try await world.source("dev02").register("m", stage: "Production")
    _ = try await world.sync()
    let source = try world.interpose("dev02")
    source.restart { _, _, _ in
      throw RegistryError(.unreachable, operation: "reading", message: "nobody answers", retriable: true)
    }
    #expect(try await world.sync().isClean == false)
    let catalog = Catalog(world.pool)
    let before = try await catalog.workspaces().filter(\.isUnreadable).map(\.workspace)
    #expect(before == ["dev02"])

    world.sources["dev02"] = nil
    try await world.disconnect("dev02")
    #expect(try await world.sync().items.map(\.action) == [.withdrawn])
    let after = try await catalog.workspaces().filter(\.isUnreadable).map(\.workspace)
    #expect(after.isEmpty)

    try await world.marketplace.deleteModelVersion(name: "dev02.m", version: 1)
    #expect(try await world.sync().items.map(\.action) == [.lost])
    #expect(try await world.violations(of: "dev01", "dev02").isEmpty)
    #expect(try await world.sync().items.isEmpty)
  }

  @Test("a run for some workspaces sees what somebody changed by hand in another's model, and leaves it to the next")
  func driftElsewhere() async throws {
    let world = try await TestWorld.make("dev01", "dev02")
    try await world.source("dev01").register("one", stage: "Production")
    let source = try world.source("dev02")
    try await source.register("two", stage: "Production")
    _ = try await world.sync()
    try await source.register("two", stage: "Production")
    _ = try await world.sync()

    // The listing hides v1, since it names the highest version of a stage only.
    try await world.marketplace.promote("dev02.two", 1)
    try await world.source("dev01").register("one", stage: "Production")
    let first = try await world.sync(only: ["dev01"])
    #expect(first.count(.imported) == 1)
    let all = try await world.sync()
    #expect(all.items.map(\.action) == [.driftPutBack])
    #expect(try await world.promotion("dev02.two") == .init(staged: [2], alias: 2))
    #expect(try await world.violations().isEmpty)
  }
}

extension TestWorld {
  /// What `marketplace workspace disconnect` appends.
  func disconnect(_ id: String) async throws {
    let state = try await state(id)
    var draft = EventDraft(on: state)
    draft.add(.workspaceDisconnected(WorkspaceDisconnected(reason: "moved")), stream: "workspace", subject: "")
    _ = try await History(ledger: ledger, run: UUID()).append(draft.events, to: try WorkspaceID(id))
  }
}
