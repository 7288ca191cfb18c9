import Foundation
import NIOHTTP1
import Testing

@testable import Registry

@Suite("Registered models and versions on a real MLflow", .enabled(if: !LiveMLflow.available.isEmpty))
struct MLflowRegistryTests {
  @Test("the server says what it is", arguments: LiveMLflow.available)
  func serverInfo(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let info = try await registry.serverInfo()
    #expect(info.major == (live == .three ? 3 : 2))
    #expect(info.workspacesEnabled == (live == .three))
    #expect(info.hasLoggedModels == (live == .three))
    let requests = registry.requestCount
    _ = try await registry.serverInfo()
    #expect(registry.requestCount == requests)
  }

  @Test("a model is created once and read back whole", arguments: LiveMLflow.available)
  func registeredModel(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let name = live.unique("sepsis risk é")
    let tags = [Tag("owner", "alice"), Tag("note", "a 'quoted' \"value\"\nwith two lines")]
    let created = try await registry.createRegisteredModel(named: name, description: "about", tags: tags)
    let again = try await registry.createRegisteredModel(named: name, description: "other", tags: [])
    #expect(created.isNew && !again.isNew)
    #expect(again.model.description == "about")
    #expect(again.model.created == created.model.created)
    let read = try #require(try await registry.registeredModel(named: name))
    #expect(read.name == name)
    #expect(Set(read.tags) == Set(tags))
    #expect(read.aliases.isEmpty && read.latestVersions.isEmpty)
    #expect(read.created > 1_700_000_000_000)
    #expect(String(decoding: try #require(read.body), as: UTF8.self).contains("registered_model"))
    try await registry.updateRegisteredModel(named: name, description: "new")
    try await registry.setTag(Tag("owner", "bob"), ofModel: name)
    let changed = try #require(try await registry.registeredModel(named: name))
    #expect(changed.description == "new")
    #expect(changed.tags["owner"] == "bob")
    #expect(try await registry.registeredModel(named: name + "x") == nil)
  }

  @Test(
    "versions carry stage, aliases and tags, and nil means that there is none",
    arguments: LiveMLflow.available)
  func versions(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let name = live.unique("m")
    let (run, source, _) = try await registry.someFiles(["MLmodel": Array("x".utf8)])
    _ = try await registry.createRegisteredModel(named: name, description: nil, tags: [])
    let key = Tag("marketplace.source", "dev01/m/1 it's")
    let first = try await registry.createModelVersion(
      NewModelVersion(name: name, source: source, runID: run.id, description: "d", tags: [key]))
    let second = try await registry.createModelVersion(
      NewModelVersion(name: name, source: source, runID: run.id))
    #expect(first.version == 1 && second.version == 2)
    #expect(first.runID == run.id && first.stage == "None" && first.tags == [key])

    try await registry.setAlias("champion", ofModel: name, version: 1)
    try await registry.setAlias("champion", ofModel: name, version: 2)
    try await registry.transitionStage(
      name: name, version: 1, to: "Production", archiveExistingVersions: false)
    try await registry.transitionStage(
      name: name, version: 2, to: "Production", archiveExistingVersions: true)
    try await registry.updateModelVersion(name: name, version: 2, description: "two")
    try await registry.setTag(Tag("k", "v"), ofModel: name, version: 2)

    let model = try #require(try await registry.registeredModel(named: name))
    #expect(model.aliases == [Alias("champion", 2)])
    #expect(Set(model.latestVersions.map(\.stage)) == ["Production", "Archived"])
    let read = try #require(try await registry.modelVersion(name: name, version: 2))
    #expect(read.aliases == ["champion"] && read.stage == "Production" && read.description == "two")
    #expect(read.tags["k"] == "v")
    #expect(read.modelID == (live == .three ? String(source.dropFirst("models:/".count)) : nil))
    #expect(try await registry.modelVersions(of: name).map(\.stage) == ["Archived", "Production"])
    #expect(try await registry.modelVersions(tagged: key).map(\.version) == [1])
    #expect(try await registry.modelVersions(tagged: Tag(key.key, "other")).isEmpty)
    #expect(try await registry.downloadURI(name: name, version: 1)?.hasPrefix("mlflow-artifacts:/") == true)

    try await registry.deleteAlias("champion", ofModel: name)
    try await registry.deleteAlias("champion", ofModel: name)
    #expect(try await registry.registeredModel(named: name)?.aliases == [])
    try await registry.deleteModelVersion(name: name, version: 1)
    try await registry.deleteModelVersion(name: name, version: 1)
    #expect(try await registry.modelVersion(name: name, version: 1) == nil)
    #expect(try await registry.downloadURI(name: name, version: 1) == nil)
    #expect(try await registry.modelVersions(of: name).map(\.version) == [2])
  }

  @Test(
    "versions of a model are found whatever it is called", arguments: LiveMLflow.available,
    [
      "plain", "it's", "say \"hi\"", "both ' and \"", "100%", "a%20b", "back\\slash", "tick`", "ünïcødé 模型",
      "a  b", "x;y", "n\u{1}l", "tab\there", "name = 'a' AND b", "_LIKE%",
    ])
  func hostileNames(live: LiveMLflow, name: String) async throws {
    let registry = try await live.registry()
    let name = live.unique(name)
    _ = try await registry.createRegisteredModel(named: name, description: nil, tags: [])
    let (run, source, _) = try await registry.someFiles([:])
    for _ in 1...3 {
      _ = try await registry.createModelVersion(NewModelVersion(name: name, source: source, runID: run.id))
    }
    try await registry.deleteModelVersion(name: name, version: 2)
    #expect(try await registry.modelVersions(of: name).map(\.version) == [1, 3])
    #expect(try await registry.registeredModel(named: name)?.name == name)
  }

  @Test("a listing in pages of every size is the same", arguments: LiveMLflow.available)
  func pages(live: LiveMLflow) async throws {
    let registry = try await live.registry()
    let prefix = live.unique("p")
    let names = (0..<7).map { "\(prefix) \($0)" }
    for name in names {
      _ = try await registry.createRegisteredModel(named: name, description: nil, tags: [])
    }
    let (run, source, _) = try await registry.someFiles([:])
    for name in [names[0], names[1], names[1], names[6]] {
      _ = try await registry.createModelVersion(NewModelVersion(name: name, source: source, runID: run.id))
    }
    // Other tests write to the same 2.x server meanwhile, and in pages of one nothing tells that a listing shifted.
    for size in live == .two ? [2, 3, 7, 1000] : [1, 2, 3, 7, 1000] {
      var configuration = MLflowRegistry.Configuration(url: registry.transport.address.text)
      configuration.mlflowWorkspace = registry.transport.mlflowWorkspace
      configuration.bounds.modelsPerPage = size
      configuration.bounds.versionsPerPage = size
      configuration.bounds.scansMax = 50
      let paged = try MLflowRegistry(configuration)
      let listed = try await paged.registeredModels()
      #expect(listed.map(\.name).filter { $0.hasPrefix(prefix) } == names)
      let versions = try await paged.modelVersions().filter { $0.name.hasPrefix(prefix) }
      #expect(versions.map(\.name) == [names[0], names[1], names[1], names[6]])
      #expect(versions.map(\.version) == [1, 1, 2, 1])
      #expect(try await paged.modelVersions(of: names[1]) == Array(versions[1...2]))
    }
  }

  @Test("a model deleted while it is listed hides no other", .enabled(if: LiveMLflow.three.url != nil))
  func deletionDuringListing() async throws {
    let registry = try await LiveMLflow.three.registry { $0.bounds.modelsPerPage = 2 }
    for number in 0..<6 {
      _ = try await registry.createRegisteredModel(named: "m\(number)", description: nil, tags: [])
    }
    async let listed = registry.registeredModels()
    let call = HTTPCall(
      operation: "deleting", method: .DELETE, path: MLflowRegistry.api + "registered-models/delete",
      body: try JSON.encode(["name": "m0"]), idempotent: true)
    _ = try await registry.transport.answer(to: call)
    #expect(Set(try await listed.map(\.name)).isSuperset(of: (1..<6).map { "m\($0)" }))
  }

  @Test(
    "workspaces are apart, and an unknown one is a fault of the configuration",
    .enabled(if: LiveMLflow.three.url != nil))
  func workspaces() async throws {
    let one = try await LiveMLflow.three.registry()
    let two = try await LiveMLflow.three.registry()
    _ = try await one.createRegisteredModel(named: "m", description: nil, tags: [])
    #expect(try await one.registeredModels().map(\.name) == ["m"])
    #expect(try await two.registeredModels().isEmpty)
    let none = try await LiveMLflow.three.registry { $0.mlflowWorkspace = "no-such-workspace" }
    #expect(await registryError { try await none.registeredModel(named: "m") }?.code == .configuration)
  }
}
