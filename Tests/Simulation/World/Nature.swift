import Foundation
import Ledger
import Marketplace
import Registry

extension World {
  /// Somebody changes the marketplace by hand.
  func handChange() {
    tick()
    guard let name = dice.pick(marketplace.models.keys.sorted()), let model = marketplace.models[name] else { return }
    count("marketplace changed by hand")
    handChanged[name] = clock
    let number = dice.pick(model.all.map(\.version))
    switch (dice.below(9), number) {
    case (0, let number?), (1, let number?):
      let stage = ["Production", "Archived", "Staging"][dice.below(3)]
      note("by hand: \(name.text) v\(number) → \(stage)")
      _ = marketplace.transition(name.text, number, to: stage, archives: dice.once(in: 2), at: clock)
    case (2, let number?), (3, let number?):
      note("by hand: \(name.text) champion → v\(number)")
      marketplace.change(name.text) { $0.aliases["champion"] = number }
    case (4, _):
      note("by hand: \(name.text) champion removed")
      marketplace.change(name.text) { $0.aliases["champion"] = nil }
    case (5, let number?), (6, let number?):
      note("by hand: \(name.text) v\(number) deleted")
      marketplace.deleteVersion(name.text, number, at: clock)
    case (7, _):
      note("by hand: \(name.text) deleted")
      marketplace.deleteModel(name.text)
      if dice.once(in: 2) {
        tick()
        _ = marketplace.createModel(name.text, at: clock)
      }
    case (8, _):
      note("by hand: \(name.text) has a version of somebody's own")
      _ = marketplace.createVersion(
        of: name.text, source: "s3://own", runID: nil, description: "own", tags: [], at: clock)
    default: break
    }
    if aside.once(in: 4) { handDeleteRun() }
  }

  /// Somebody deletes a run of the marketplace, alone or with its experiment.
  private func handDeleteRun() {
    guard let id = aside.pick(marketplace.runs.keys.sorted()), let run = marketplace.runs[id] else { return }
    let isWhole = aside.once(in: 2)
    note("by hand: run \(id) deleted\(isWhole ? " with its experiment" : "")")
    let gone = isWhole ? marketplace.runs.values.filter { $0.experimentID == run.experimentID }.map(\.id) : [id]
    for id in gone {
      marketplace.runs[id]?.lifecycleStage = "deleted"
      runsDeleted[id] = clock
    }
    if isWhole { marketplace.experiments[run.experimentID]?.lifecycleStage = "deleted" }
  }

  /// A finished file in storage changes or is lost.
  func rot() {
    let exports = storage.files.keys.filter { $0.hasPrefix("exports/") }.sorted()
    guard let path = dice.pick(exports), storage.files[path]?.isEmpty == false else { return }
    rot(path, by: &dice)
  }

  func rot(_ path: String) { rot(path, by: &aside) }

  private func rot(_ path: String, by dice: inout Dice) {
    guard var bytes = storage.files[path], !bytes.isEmpty else { return }
    count("stored file rotten")
    note("storage: \(path) rots")
    switch dice.below(3) {
    case 0: storage.remove(path)
    case 1:
      bytes[dice.below(bytes.count)] ^= UInt8(1 << dice.below(8))
      storage.put(bytes, at: path, in: self)
    default: storage.put(Array(bytes.dropLast()), at: path, in: self)
    }
    storage.rotten.insert(path)
  }

  /// What a source's principal may see changes; most of the time it sees everything.
  func changeSight() {
    for site in sources {
      let turn = dice.below(12)
      site.registry.sight = turn == 0 ? dice.pick(Sight.allCases) ?? .ordinary : .ordinary
      if site.registry.sight != .ordinary { count("source \(site.registry.sight)") }
    }
    for site in sources { lag(site) }
    marketplace.sight = dice.once(in: 25) ? .down : .ordinary
    if marketplace.sight == .down { count("marketplace down") }
  }

  /// A model or a version that the log knows is left out of listings for once. Where people are at work its model may be
  /// renamed at the same time, and then nobody can tell which one it is.
  private func lag(_ site: SourceSite) {
    site.registry.unlisted = []
    site.registry.unlistedModels = []
    guard plan.dayShift == 0, attic.once(in: 5) else { return }
    let models = (checker.workspaces[site.id.text]?.models ?? [:]).sorted { $0.key < $1.key }.map(\.value).filter {
      $0.isAlive && site.registry.models[ByteName($0.name)]?.created == $0.created
    }
    guard let model = attic.pick(models) else { return }
    count("left out of listings")
    note("\(site.id): something of \(model.name) is left out of listings")
    if attic.once(in: 2) { return site.registry.unlistedModels = [ByteName(model.name)] }
    let living = model.versions.filter { !$0.value.isDeleted }.keys
    guard let key = attic.pick(living.sorted { ($0.number, $0.created) < ($1.number, $1.created) }) else { return }
    site.registry.unlisted = [
      RegistryState.Place(name: ByteName(model.name), version: key.number, created: key.created)
    ]
  }

  /// The operator changes what counts as promoted, takes workspaces out of the configuration or puts them back, and
  /// disconnects some; the cache of cursors may be lost.
  func administer() {
    for index in sources.indices where dice.once(in: 30) {
      switch dice.below(4) {
      case 0:
        let versions = sources[index].rule.versions
        sources[index].rule = Self.rules[dice.below(Self.rules.count)]
        sources[index].rule.versions = versions
      case 1: sources[index].isConfigured.toggle()
      case 2: disconnect(index)
      default:
        memory.times = [:]
        memory.uploads = [:]
        count("cursors lost")
      }
    }
  }

  static let rules = [
    PromotionRule.standard, PromotionRule(aliases: [], stages: ["Production"]),
    PromotionRule(aliases: ["gold", "champion"], stages: []),
    PromotionRule(aliases: [], stages: ["Production", "Staging"]),
  ]

  /// `marketplace workspace disconnect`, and the configuration no longer names it.
  private func disconnect(_ index: Int) {
    let id = sources[index].id.text
    sources[index].isConfigured = false
    let isConnected = log.events(id).last { $0.type == "WorkspaceConnected" || $0.type == "WorkspaceDisconnected" }
    guard isConnected?.type == "WorkspaceConnected" else { return }
    sources[index].isDisconnected = true
    note("\(id) disconnected")
    let event = NewEvent(
      stream: "workspace", id: dice.uuid(), type: "WorkspaceDisconnected", data: #"{"reason":"simulated"}"#)
    let recorded = try? log.append([event], to: id, run: nil, at: clock).1
    for event in recorded ?? [] { checker.appended(event, in: self) }
  }
}
