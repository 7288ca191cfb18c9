import Foundation
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

/// MLflow's basic-auth answers a listing with what the principal may see: with nothing and status 200, if need be.
@Suite(
  "A principal that lost its permission",
  .enabled(if: MLflowServers.three != nil && AuthenticatedMLflow.isThere), .serialized)
struct LostPermissionTests {
  @Test("sees nothing, and nothing is concluded from it", arguments: ["every model", "one model"])
  func lost(_ extent: String) async throws {
    let administrator = try AuthenticatedMLflow.administrator()
    let user = try await AuthenticatedMLflow.newUser()
    var world = try await TestWorld.make("dev02")
    world.sources["dev01"] = try user.registry()
    let names = ["sepsis", "readmission"].map { "\($0)-\(user.user)" }
    for name in names { try await administrator.register(name, stage: "Production") }
    try await world.source("dev02").register("other", stage: "Production")
    // The server is shared with other tests: their models are none of this test's business, and stay unpromoted here.
    world.rules["dev01"] = PromotionRule(aliases: ["pick-\(user.user)"], stages: [])
    for name in names { try await administrator.setAlias("pick-\(user.user)", ofModel: name, version: 1) }
    let others = try await administrator.registeredModels().map(\.name).filter { !names.contains($0) }
    try await user.forbid(others)
    let first = try await world.sync()
    #expect(first.isClean)
    #expect(first.count(.imported) == 3)
    // Other tests' models come and go on this server; these are the ones that matter.
    let models = Set(try await world.state().models.values.filter { names.contains($0.name) }.map(\.id))
    let before = try await world.events().filter { $0.model.map(models.contains) ?? false }
    #expect(models.count == 2)

    let forbidden = extent == "one model" ? [names[0]] : names
    try await user.forbid(forbidden)
    let visible = try await user.registry().registeredModels().map(\.name)
    #expect(Set(visible).isDisjoint(with: forbidden))
    try await world.source("dev02").register("other", stage: "Production")
    let bad = try await world.sync()
    let report = bad.workspaces.first { $0.workspace.text == "dev01" }
    #expect(report?.trouble?.code == "not_permitted")
    #expect(report?.items.isEmpty == true)
    let during = try await world.events().filter { $0.model.map(models.contains) ?? false }
    #expect(during == before)
    #expect(try await world.observations() == [.complete, .unreadable])
    for name in names { #expect(try await world.promotion("dev01.\(name)") == .init(staged: [1], alias: 1)) }
    #expect(try await world.promotion("dev02.other") == .init(staged: [2], alias: 2))
    #expect(try await world.violations().isEmpty)

    try await user.allow(forbidden)
    let good = try await world.sync()
    #expect(good.isClean)
    #expect(good.items.isEmpty)
    let after = try await world.events().filter { $0.model.map(models.contains) ?? false }
    #expect(after == before)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a wrong password is named, and nothing is concluded from it")
  func wrongPassword() async throws {
    var world = try await TestWorld.make("dev01")
    try await world.source().register("m", stage: "Production")
    _ = try await world.sync()
    let before = try await world.events()
    let good = try world.source()
    world.sources["dev01"] = try MLflowRegistry(
      .init(url: MLflowServers.authenticated ?? "", credentials: .basic(user: "nobody", password: "wrong")))
    let bad = try await world.sync()
    #expect(bad.workspaces.first?.trouble?.code == "not_authenticated")
    #expect(bad.workspaces.first?.trouble?.message.contains("wrong") == false)
    world.sources["dev01"] = good
    let again = try await world.sync()
    #expect(again.isClean)
    #expect(try await world.events() == before)
    #expect(try await world.violations().isEmpty)
  }
}
