import Marketplace
import Testing

/// What the simulator found wrong, as small as it can be told.
@Suite("Found by simulation")
struct FoundBySimulationTests {
  @Test("a model that was hidden at the last complete reading is not said to have changed since")
  func hidden() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.models["risk"]?.aliases = ["champion": 1]
    let created = try #require(world.models["risk"]?.versions[1]?.created)
    _ = world.tick()
    world.observe(Observation(from: world.now, to: world.now + 5, models: [], absences: []))
    let events = world.observe()
    #expect(events.kinds == [.modelVersionRegistered, .stageTransitioned, .aliasAssigned])
    for event in events {
      switch event {
      case .modelVersionRegistered(let data): #expect(data.notBefore == created)
      case .stageTransitioned(let data): #expect(data.notBefore == created)
      case .aliasAssigned(let data): #expect(data.notBefore == created)
      default: break
      }
    }
  }

  @Test("a re-created model that is renamed keeps the marketplace name it was imported under")
  func keepsName() throws {
    var names = AssignedNames()
    var world = try SourceWorld()
    world.register("risk")
    world.observe()
    let first = try #require(world.model("risk"))
    guard case .claim(_, let proposed) = try names.outcome(for: first, in: world.state, template: .standard),
      case .marketplaceNameAssigned(let assigned) = proposed.event
    else {
      Issue.record("the first has no name to claim")
      return
    }
    names.apply(assigned)
    // Gone, and there again.
    world.models["risk"] = nil
    world.observe()
    _ = world.tick()
    world.create("risk", created: world.now)
    world.register("risk")
    world.observe()
    let second = try #require(world.model("risk"))
    #expect(second.id != first.id)
    world.append(.imported(second, version: 1, created: try #require(second.live.first?.created), as: 2))
    world.rename("risk", to: "sepsis")
    world.observe()
    let renamed = try #require(world.model("sepsis"))
    #expect(renamed.id == second.id)
    let outcome = try names.outcome(for: renamed, in: world.state, template: .standard)
    #expect(outcome == .assigned(MarketplaceName("dev01.risk")))
  }

  @Test("a loss that is found late takes no number away from the import that has it now")
  func lateLoss() throws {
    var world = try SourceWorld()
    world.register("risk")
    world.register("risk")
    world.observe()
    let model = try #require(world.model("risk"))
    let (one, two) = (model.live[0], model.live[1])
    world.append(.imported(model, version: 1, created: one.created, as: 1))
    world.append(.imported(model, version: 2, created: two.created, as: 1))
    world.append(.lost(model, version: 1, created: one.created, as: 1))
    let known = world.model("risk")?.marketplace["marketplace"]?.sourceVersions
    #expect(known == [1: 2])
  }
}
