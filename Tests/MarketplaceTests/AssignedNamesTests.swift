import Marketplace
import Testing

@Suite("Names in the marketplace")
struct AssignedNamesTests {
  private var names = AssignedNames()

  /// A workspace with these models, each with one version.
  private func state(_ workspace: String, _ models: String...) throws -> WorkspaceState {
    var state = WorkspaceState(workspace: try WorkspaceID(workspace))
    for (index, name) in models.enumerated() { try add(name, created: Int64(index), to: &state) }
    return state
  }

  @discardableResult
  private func add(_ name: String, created: Int64, to state: inout WorkspaceState) throws -> ModelID {
    let id = ModelID(workspace: state.workspace, name: name, created: created)
    var draft = EventDraft(on: state)
    draft.add(
      .modelVersionRegistered(
        ModelVersionRegistered(
          model: id.text, name: name, modelCreated: created, version: 1, created: created, notAfter: 1)),
      stream: id.stream, subject: "1")
    state = draft.state
    return id
  }

  private func delete(_ id: ModelID, from state: inout WorkspaceState) {
    var draft = EventDraft(on: state)
    guard let model = state.models[id] else { return }
    for version in model.live {
      draft.add(
        .modelVersionDeleted(
          ModelVersionDeleted(
            model: id.text, name: model.name, version: version.number, created: version.created, notAfter: 2)),
        stream: id.stream, subject: "1")
    }
    state = draft.state
  }

  private func outcome(
    _ name: String, in state: WorkspaceState, template: NameTemplate = .standard, _ names: AssignedNames
  ) throws -> AssignedNames.Outcome {
    let model = try #require(state.models.values.first { $0.name.isExactly(name) && !$0.live.isEmpty })
    return try names.outcome(for: model, in: state, template: template)
  }

  /// Claims what is free, as the job does, and says which name the model has; nil after a collision.
  private func claim(
    _ name: String, in state: WorkspaceState, template: NameTemplate = .standard, _ names: inout AssignedNames
  ) throws -> String? {
    switch try outcome(name, in: state, template: template, names) {
    case .assigned(let name): return name.text
    case .collision: return nil
    case .claim(let name, let proposed):
      if case .marketplaceNameAssigned(let data) = proposed.event { names.apply(data) }
      return name.text
    }
  }

  private func sentence(_ outcome: AssignedNames.Outcome) -> String? {
    if case .collision(let sentence) = outcome { sentence } else { nil }
  }

  @Test("are claimed in a stream of their own, at version 0, with an id that rests on the claim alone")
  func claim() throws {
    let state = try state("dev01", "Risk")
    guard case .claim(let name, let proposed) = try outcome("Risk", in: state, names) else {
      Issue.record("not claimed")
      return
    }
    #expect(name.text == "dev01.Risk")
    #expect(proposed.stream == "name/dev01.risk")
    #expect(proposed.expectedVersion == 0)
    let again = try outcome("Risk", in: state, names)
    #expect(again == .claim(name, proposed))
    guard case .marketplaceNameAssigned(let data) = proposed.event else { return }
    #expect(data.workspace == "dev01")
    #expect(data.sourceName == "Risk")
    #expect(data.folded == "dev01.risk")
  }

  @Test("stay with the model that claimed them, through a rename and another template")
  func assigned() throws {
    var names = names
    var state = try state("dev01", "risk")
    #expect(try claim("risk", in: state, &names) == "dev01.risk")
    let id = ModelID(workspace: state.workspace, name: "risk", created: 0)
    rename(id, "risk", to: "other", in: &state)
    let outcome = try outcome("other", in: state, template: NameTemplate("{model}-{workspace}"), names)
    #expect(outcome == .assigned(MarketplaceName("dev01.risk")))
  }

  @Test(
    "go to the first that claims them; the other is told of both",
    arguments: [
      ("Risk", "risk"), ("naïve", "nai\u{308}ve"), ("straße", "STRASSE"), ("STRAẞE", "straße"),
    ])
  func collision(_ first: String, _ second: String) throws {
    var names = names
    let state = try state("dev01", first, second)
    #expect(try claim(first, in: state, &names)?.isExactly("dev01.\(first)") == true)
    let told = try sentence(outcome(second, in: state, names))
    #expect(told?.contains("'dev01.\(second)'") == true)
    #expect(told?.contains("'\(first)'") == true)
    #expect(told?.contains("Rename") == true)
  }

  @Test("of two workspaces meet only when a template lets them, and then both are named")
  func twoWorkspaces() throws {
    var names = names
    let template = try NameTemplate("{workspace}{model}")
    #expect(try claim("1x", in: state("dev0", "1x"), template: template, &names) == "dev01x")
    let told = try sentence(outcome("x", in: state("dev01", "x"), template: template, names))
    #expect(told?.contains("dev01's model 'x'") == true)
    #expect(told?.contains("dev0's model '1x'") == true)
    #expect(try claim("1x", in: state("dev01", "1x"), &names) == "dev01.1x")
  }

  @Test("pass to a model created again under the name of one that is gone")
  func recreated() throws {
    var names = names
    var state = try state("dev01", "risk")
    #expect(try claim("risk", in: state, &names) == "dev01.risk")
    delete(ModelID(workspace: state.workspace, name: "risk", created: 0), from: &state)
    try add("risk", created: 5, to: &state)
    #expect(try outcome("risk", in: state, names) == .assigned(MarketplaceName("dev01.risk")))
  }

  @Test("stay with a renamed model while it lives; a new one under its old name is told so")
  func namesake() throws {
    var names = names
    var state = try state("dev01", "risk")
    #expect(try claim("risk", in: state, &names) == "dev01.risk")
    let id = ModelID(workspace: state.workspace, name: "risk", created: 0)
    rename(id, "risk", to: "risk-old", in: &state)
    try add("risk", created: 5, to: &state)
    let told = try sentence(outcome("risk", in: state, names))
    #expect(told?.contains("'risk-old'") == true)
    #expect(told?.contains("'dev01.risk'") == true)
    #expect(try outcome("risk-old", in: state, names) == .assigned(MarketplaceName("dev01.risk")))
    delete(id, from: &state)
    #expect(try outcome("risk", in: state, names) == .assigned(MarketplaceName("dev01.risk")))
  }

  @Test("stay with the one that has them when a model seen later could bear them too")
  func threeNamesakes() throws {
    var names = names
    var state = try state("dev01", "a/b", "risk")
    rename(ModelID(workspace: state.workspace, name: "risk", created: 1), "risk", to: "old", in: &state)
    try add("risk", created: 5, to: &state)
    #expect(try claim("risk", in: state, &names) == "dev01.risk")
    rename(ModelID(workspace: state.workspace, name: "risk", created: 5), "risk", to: "owner", in: &state)
    rename(ModelID(workspace: state.workspace, name: "a/b", created: 0), "a/b", to: "risk", in: &state)
    let told = try sentence(outcome("risk", in: state, names))
    #expect(told?.contains("'owner'") == true)
    #expect(try outcome("owner", in: state, names) == .assigned(MarketplaceName("dev01.risk")))
  }

  @Test("stay with the successor of a deleted model that comes back while the successor lives under another name")
  func comesBack() throws {
    var names = names
    var state = try state("dev01", "risk")
    let first = ModelID(workspace: state.workspace, name: "risk", created: 0)
    #expect(try claim("risk", in: state, &names) == "dev01.risk")
    delete(first, from: &state)
    let second = try add("risk", created: 5, to: &state)
    let successor = try #require(state.models[second])
    var draft = EventDraft(on: state)
    draft.add(.exported(successor, version: 1, created: 5), stream: second.stream, subject: "1")
    draft.add(.imported(successor, version: 1, created: 5, as: 1), stream: second.stream, subject: "1")
    state = draft.state
    rename(second, "risk", to: "other", in: &state)
    try add("risk", created: 0, to: &state)
    let told = try sentence(outcome("risk", in: state, names))
    #expect(told?.contains("'other'") == true)
    #expect(try outcome("other", in: state, names) == .assigned(MarketplaceName("dev01.risk")))
    delete(second, from: &state)
    #expect(try outcome("risk", in: state, names) == .assigned(MarketplaceName("dev01.risk")))
  }

  private func rename(_ id: ModelID, _ from: String, to name: String, in state: inout WorkspaceState) {
    var draft = EventDraft(on: state)
    draft.add(
      .modelRenamed(ModelRenamed(model: id.text, from: from, to: name, notAfter: 9)), stream: id.stream, subject: name)
    state = draft.state
  }

  @Test("are refused when MLflow would refuse them")
  func illegal() throws {
    let state = try state("dev01", "a/b")
    let error = #expect(throws: DomainError.self) { try outcome("a/b", in: state, names) }
    #expect(error?.code == .illegalName)
  }
}
