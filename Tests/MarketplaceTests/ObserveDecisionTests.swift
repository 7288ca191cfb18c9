import Marketplace
import Testing

@Suite("Observing a workspace")
struct ObserveDecisionTests {
  @Test("at first sight registers every version, then its stage, its aliases and what the model says of itself")
  func firstSight() throws {
    var world = try SourceWorld()
    world.create("risk", description: "Risk of readmission")
    world.register("risk")
    world.register("risk", stage: "Production")
    world.models["risk"]?.aliases = ["champion": 1]
    let events = world.observe()
    #expect(
      events.kinds == [
        .modelVersionRegistered, .modelVersionRegistered, .stageTransitioned, .aliasAssigned, .modelDescribed,
      ])
    guard case .stageTransitioned(let transition) = events[2] else { return }
    #expect(transition.from == "None")
    #expect(transition.to == "Production")
    // Nobody had looked before, but it was not in a stage before it was made.
    #expect(transition.notBefore == transition.created)
    #expect(world.current("risk") == 1)
  }

  @Test("of a model without versions says nothing until there is one")
  func noVersions() throws {
    var world = try SourceWorld()
    world.create("empty", description: "to come")
    #expect(world.observe() == [])
    world.register("empty")
    #expect(world.observe().kinds == [.modelVersionRegistered, .modelDescribed])
  }

  @Test("sees a promotion between the last complete reading and this one")
  func promotion() throws {
    var world = try SourceWorld()
    world.register("risk")
    let first = world.reading()
    world.observe(first)
    world.move("risk", 1, to: "Production")
    let second = world.reading()
    let events = world.observe(second)
    #expect(events.kinds == [.stageTransitioned])
    guard case .stageTransitioned(let transition) = events.first else { return }
    #expect(transition.notBefore == first.from)
    #expect(transition.notAfter == second.to)
    #expect(transition.sourceTime == world.models["risk"]?.versions[1]?.lastUpdated)
    #expect(world.current("risk") == 1)
  }

  @Test("follows a rollback: the newer version archived, the older one is meant again")
  func rollback() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.register("risk", stage: "Production")
    world.observe()
    #expect(world.current("risk") == 2)
    world.move("risk", 2, to: "Archived")
    #expect(world.observe().kinds == [.stageTransitioned])
    #expect(world.current("risk") == 1)
  }

  @Test("follows an archive of the only promoted version: nothing is meant")
  func archive() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.observe()
    world.move("risk", 1, to: "Archived")
    world.observe()
    #expect(world.current("risk") == nil)
  }

  @Test("does not see Production → Archived → Production within one interval, and sees both across two")
  func thereAndBack() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.observe()
    world.move("risk", 1, to: "Archived")
    world.move("risk", 1, to: "Production")
    #expect(world.observe() == [])
    world.move("risk", 1, to: "Archived")
    world.observe()
    world.move("risk", 1, to: "Production")
    #expect(world.observe().kinds == [.stageTransitioned])
    let ids = world.history.map(\.id)
    #expect(Set(ids).count == ids.count)
  }

  @Test("follows an alias: set, moved, moved back, removed")
  func alias() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.register("risk", stage: "Production")
    world.observe()
    world.models["risk"]?.aliases["champion"] = 1
    #expect(world.observe().kinds == [.aliasAssigned])
    #expect(world.current("risk") == 1)
    world.models["risk"]?.aliases["champion"] = 2
    guard case .aliasAssigned(let moved) = world.observe().first else {
      Issue.record("no AliasAssigned")
      return
    }
    #expect(moved.from == 1)
    #expect(world.current("risk") == 2)
    world.models["risk"]?.aliases["champion"] = 1
    world.observe()
    #expect(world.current("risk") == 1)
    world.models["risk"]?.aliases = [:]
    guard case .aliasRemoved(let removed) = world.observe().first else {
      Issue.record("no AliasRemoved")
      return
    }
    #expect(removed.version == 1)
    #expect(world.current("risk") == 2)
  }

  @Test("leaves an alias alone whose version it has not seen")
  func unknownTarget() throws {
    var world = try SourceWorld()
    world.register("risk")
    world.observe()
    world.models["risk"]?.aliases["champion"] = 9
    #expect(world.observe() == [])
  }

  @Test("takes an alias from a version when it names one that, as the registry says, does not exist")
  func goneTarget() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.register("risk")
    world.models["risk"]?.aliases["champion"] = 2
    world.observe()
    #expect(world.current("risk") == 2)
    world.models["risk"]?.aliases["champion"] = 3
    #expect(world.observe() == [])
    #expect(world.current("risk") == 2)

    let id = try #require(world.model("risk")?.id)
    var reading = world.reading()
    reading.absences.insert(.aliased(model: id, number: 3))
    guard case .aliasRemoved(let removed) = world.observe(reading).first else {
      Issue.record("the alias was not removed")
      return
    }
    #expect(removed.version == 2)
    #expect(world.current("risk") == 1)
    #expect(world.observe(reading) == [])
  }

  @Test("keeps identity, first name and history through a rename")
  func rename() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.observe()
    let id = world.model("risk")?.id
    world.rename("risk", to: "risk-2026")
    #expect(world.observe().kinds == [.modelRenamed])
    let renamed = world.model("risk-2026")
    #expect(renamed?.id == id)
    #expect(renamed?.firstName == "risk")
    #expect(world.current("risk-2026") == 1)
    #expect(world.state.models.count == 1)
  }

  @Test("tells two models apart that swap their names")
  func swap() throws {
    var world = try SourceWorld()
    world.register("a", stage: "Production")
    world.register("b")
    world.observe()
    let ids = ["a", "b"].map { world.model($0)?.id }
    world.rename("a", to: "c")
    world.rename("b", to: "a")
    world.rename("c", to: "b")
    #expect(world.observe().kinds == [.modelRenamed, .modelRenamed])
    #expect(["b", "a"].map { world.model($0)?.id } == ids)
    #expect(world.current("b") == 1)
    #expect(world.current("a") == nil)
  }

  @Test("sees a rename together with a new version, a transition and an alias")
  func renameWithChanges() throws {
    var world = try SourceWorld()
    world.register("a")
    world.observe()
    world.rename("a", to: "b")
    world.register("b")
    world.move("b", 1, to: "Production")
    world.models["b"]?.aliases["champion"] = 2
    #expect(
      world.observe().kinds == [.modelRenamed, .stageTransitioned, .modelVersionRegistered, .aliasAssigned])
    #expect(world.state.models.count == 1)
  }

  @Test("counts a rename that could be two as deleted and new")
  func ambiguousRename() throws {
    var world = try SourceWorld()
    for name in ["a", "b"] {
      world.create(name, created: 500)
      world.models[name]?.versions[1] = ObservedVersion(number: 1, created: 600, lastUpdated: 600, stage: "None")
    }
    world.observe()
    world.rename("a", to: "c")
    world.rename("b", to: "d")
    let kinds = world.observe().kinds
    #expect(kinds.count { $0 == .modelVersionDeleted } == 2)
    #expect(kinds.count { $0 == .modelVersionRegistered } == 2)
    #expect(!kinds.contains(.modelRenamed))
    #expect(world.state.models.count == 4)
  }

  @Test("is no rename when the versions are others")
  func notRenamed() throws {
    var world = try SourceWorld()
    world.create("a", created: 500)
    world.register("a")
    world.observe()
    world.models["a"] = nil
    world.create("b", created: 500)
    world.register("b")
    #expect(world.observe().kinds == [.modelVersionDeleted, .modelVersionRegistered])
  }

  @Test("tells spellings apart that only look equal, and sees a rename between them")
  func spellings() throws {
    var world = try SourceWorld()
    let version = ObservedVersion(number: 1, created: 9, lastUpdated: 9, stage: "None")
    var reading = Observation(
      from: 10, to: 11,
      models: [
        ObservedModel(name: "é", created: 7, versions: [version], isComplete: true),
        ObservedModel(name: "e\u{301}", created: 8, versions: [version], isComplete: true),
      ], absences: [])
    world.observe(reading)
    #expect(world.state.models.count == 2)
    reading.models[0].name = "e\u{301}"
    reading.models[1].name = "é"
    reading.absences = [.model(ModelKey("é", 7)), .model(ModelKey("e\u{301}", 8))]
    let events = ObserveDecision.decide(world.state, reading).events.map(\.event)
    #expect(events.kinds == [.modelRenamed, .modelRenamed])
  }

  @Test("deletes a version when the registry said that it does not exist, with the aliases it had")
  func deletedVersion() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.register("risk", stage: "Production")
    world.models["risk"]?.aliases["champion"] = 2
    world.observe()
    world.delete("risk", 2)
    #expect(world.observe().kinds == [.modelVersionDeleted, .aliasRemoved])
    #expect(world.current("risk") == 1)
  }

  @Test("deletes a model's versions and aliases when the registry said that the model does not exist")
  func deletedModel() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.register("risk")
    world.models["risk"]?.aliases["champion"] = 2
    world.observe()
    world.models["risk"] = nil
    #expect(world.observe().kinds == [.modelVersionDeleted, .modelVersionDeleted, .aliasRemoved])
    #expect(world.current("risk") == nil)
    #expect(world.observe() == [])
  }

  @Test("never deletes on the word of a listing: without a direct answer nothing follows from what is missing")
  func shortListing() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.register("risk", stage: "Production")
    world.register("other", stage: "Production")
    world.observe()
    world.models["other"]?.versions[1]?.stage = "Archived"
    var reading = world.reading()
    reading.models = reading.models.filter { $0.name == "other" }
    #expect(ObserveDecision.decide(world.state, reading).events.map(\.event.kind) == [.stageTransitioned])
    reading.models = []
    #expect(ObserveDecision.decide(world.state, reading).events == [])
    reading = world.reading()
    reading.models = reading.models.map {
      var model = $0
      model.versions = model.versions.filter { $0.number == 2 }
      model.isComplete = false
      return model
    }
    #expect(ObserveDecision.decide(world.state, reading).events == [])
  }

  @Test("tells a model created again under its name from the one before")
  func recreatedModel() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.observe()
    let id = world.model("risk")?.id
    world.models["risk"] = nil
    world.register("risk", stage: "Production")
    #expect(world.observe().kinds == [.modelVersionDeleted, .modelVersionRegistered, .stageTransitioned])
    #expect(world.model("risk")?.id != id)
    #expect(world.state.models.count == 2)
    #expect(world.current("risk") == 1)
  }

  @Test("tells a version created again with its number from the one before, and an alias on it too")
  func recreatedVersion() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.models["risk"]?.aliases["champion"] = 1
    world.observe()
    let before = world.model("risk")?.versions[1]
    world.register("risk", number: 1)
    #expect(world.observe().kinds == [.modelVersionDeleted, .modelVersionRegistered, .aliasAssigned])
    let after = world.model("risk")?.versions[1]
    #expect(after?.created != before?.created)
    #expect(after?.stage == "None")
    #expect(world.current("risk") == 1)
    world.register("risk", number: 1)
    world.models["risk"]?.aliases = [:]
    world.observe()
    #expect(world.current("risk") == nil)
    #expect(world.model("risk")?.aliases == [:])
  }

  @Test("takes a version back that the source has again, as after a restore, with its exports")
  func restored() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.observe()
    let model = try #require(world.model("risk"))
    let created = try #require(model.versions[1]?.created)
    world.append(.exported(model, version: 1, created: created))
    let backup = world.models
    world.models = [:]
    world.observe()
    #expect(world.current("risk") == nil)
    world.models = backup
    #expect(world.observe().kinds == [.modelVersionRegistered, .stageTransitioned])
    #expect(world.current("risk") == 1)
    #expect(world.model("risk")?.versions[1]?.export != nil)
    #expect(world.observe() == [])
  }

  @Test("describes a model when what it says changes, and our own tags say nothing")
  func description() throws {
    var world = try SourceWorld()
    world.create("risk")
    world.register("risk")
    #expect(world.observe().kinds == [.modelVersionRegistered])
    world.models["risk"]?.description = "new"
    #expect(world.observe().kinds == [.modelDescribed])
    var reading = world.reading()
    reading.models = reading.models.map {
      var model = $0
      model.tags = ["marketplace.exported": "yes"]
      return model
    }
    #expect(ObserveDecision.decide(world.state, reading).events == [])
    world.models["risk"]?.description = String(repeating: "x", count: 30_000)
    world.observe()
    #expect(world.model("risk")?.described?.description?.utf8.count == ModelDescribed.descriptionBytesMax)
    #expect(world.observe() == [])
    world.models["risk"]?.description = nil
    #expect(world.observe().kinds == [.modelDescribed])
    #expect(world.observe() == [])
  }

  @Test("two aliases that Swift holds for equal name a version each")
  func equivalentAliases() throws {
    var world = try SourceWorld()
    world.register("risk")
    world.register("risk")
    world.models["risk"]?.aliases = ["\u{c5}": 1, "\u{212b}": 2]
    world.observe()
    #expect(world.model("risk")?.aliases.mapValues(\.number) == ["\u{c5}": 1, "\u{212b}": 2])
    let rule = PromotionRule(aliases: ["\u{212b}"], stages: [])
    #expect(world.model("risk")?.current(under: rule)?.number == 2)
    world.models["risk"]?.aliases["\u{c5}"] = nil
    #expect(world.observe().kinds == [.aliasRemoved])
    #expect(world.model("risk")?.aliases.mapValues(\.number) == ["\u{212b}": 2])
  }
}
