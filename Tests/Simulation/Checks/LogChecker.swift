import Foundation
import Ledger
import Storage

/// Watches every event as it is appended, and says which of the jobs' invariants it breaks. It knows nothing of the
/// jobs' own code: it reads the JSON, keeps what it needs in dictionaries, and compares with the world itself.
struct LogChecker {
  /// A version within an incarnation.
  struct VersionKey: Hashable {
    var number: Int
    var created: Int64
  }

  struct Version {
    var stage = "None"
    var isDeleted = false
    /// Generation and id of the live export.
    var export: (generation: Int, id: String)?
    var exportGeneration = 1
    var live: Import?
    var importGeneration = 1
    /// The last failure of each since the last success.
    var exportFailure: Failure?
    var importFailure: Failure?
  }

  struct Import {
    var generation: Int
    /// The marketplace version.
    var number: Int
    /// The export that it was made from.
    var export: String
    /// Its run in the marketplace.
    var run: String?
    /// When the job began that made it. What somebody deletes by hand from then on is brought back by the next import.
    var began: Int64
  }

  struct Failure {
    var code: String
    var isRetriable: Bool
    var generation: Int
    var export: String
    var recorded: Int64
  }

  struct Model {
    var name: String { didSet { names.insert(ByteName(name)) } }
    /// Its name when it was first seen.
    let first: String
    /// Those that it has had since.
    var names: Set<ByteName> = []
    var created: Int64
    /// The sequence of the event by which it was imported or promoted last.
    var tookName: Int64 = 0
    var versions: [VersionKey: Version] = [:]
    var aliases: [String: VersionKey] = [:]
    var description = ""
    var tags: [String: String] = [:]
    var everCurrent: Set<VersionKey> = []
    var marketplaceName: String?
    var available: Int?
    /// What was promoted at some time, and not lost since.
    var everAvailable: Set<Int> = []
    /// What was told to be changed by hand, until it is settled, and when.
    var drift: (found: String, expected: String, at: Int64)?

    var isAlive: Bool { versions.values.contains { !$0.isDeleted } }

    func current(_ aliases: [String], _ stages: [String]) -> VersionKey? {
      for alias in aliases {
        if let key = self.aliases[alias], versions[key]?.isDeleted == false { return key }
      }
      for stage in stages {
        let staged = versions.filter { !$0.value.isDeleted && $0.value.stage == stage }.keys
        if let highest = staged.max(by: { $0.number < $1.number }) { return highest }
      }
      return nil
    }
  }

  struct Workspace {
    var isConnected = false
    var aliases: [String] = []
    var stages: [String] = []
    var ruleChanged: Int64 = 0
    var models: [String: Model] = [:]
    var exports: [String: String] = [:]
    /// Where each export lies.
    var folders: [String: String] = [:]
    /// When an export was found damaged and given up, and by which run.
    var givenUp: [String: (at: Int64, by: UUID?)] = [:]
    var takesAll = false
    /// Which versions were current before the events that an observation led to.
    var currentBefore: [String: VersionKey]?
    var changes = 0
    /// Versions that an observation found gone, by their model.
    var thinned: [String: Set<VersionKey>] = [:]

    func current(of model: Model) -> VersionKey? { isConnected ? model.current(aliases, stages) : nil }

    /// What is to be exported and imported.
    func promoted(of model: Model) -> Set<VersionKey> {
      guard isConnected, takesAll else { return Set([current(of: model)].compactMap(\.self)) }
      let named = Set(aliases.compactMap { model.aliases[$0] })
      return Set(
        model.versions.filter { !$0.value.isDeleted && (stages.contains($0.value.stage) || named.contains($0.key)) }
          .keys)
    }

    /// Whether a model that came back finds its marketplace name with one that took it after it and lives.
    func isDisplaced(_ model: Model) -> Bool {
      guard let name = model.marketplaceName.map({ ByteName($0) }) else { return false }
      return models.values.contains { other in
        other.isAlive && other.tookName > model.tookName && other.marketplaceName.map { ByteName($0) } == name
      }
    }

    /// The version that is to be available.
    func meant(_ model: Model) -> VersionKey? { isDisplaced(model) ? nil : current(of: model) }

    /// Whether what is available has to go and nothing takes its place: the source means nothing any more, or it has
    /// deleted that version and what it means now is not imported.
    func isToBeWithdrawn(_ model: Model) -> Bool {
      guard let available = model.available else { return false }
      guard let meant = meant(model) else { return true }
      let isThere = model.versions.values.contains { $0.live?.number == available && !$0.isDeleted }
      return model.versions[meant]?.live == nil && !isThere
    }

    /// Whether another incarnation goes on under the marketplace name of a model.
    func hasSuccessor(_ id: String) -> Bool {
      guard let name = models[id]?.marketplaceName.map({ ByteName($0) }) else { return false }
      return models.contains { other, model in
        guard other != id, let known = model.marketplaceName, ByteName(known) == name else { return false }
        guard let current = meant(model) else { return false }
        return model.available != nil || model.versions[current]?.live != nil
      }
    }
  }

  private(set) var workspaces: [String: Workspace] = [:]
  /// A name of the marketplace, and who claimed it.
  struct GivenName {
    var workspace: String
    var source: String
    var name: String
    var model: String
  }

  private(set) var names: [String: GivenName] = [:]
  /// The files that each manifest in storage names, by its folder.
  private var manifests: [String: [String: (size: Int, sha256: String)]] = [:]

  mutating func appended(_ event: RecordedEvent, by process: SimulatedProcess) {
    appended(event, in: process.world, since: process.began, process)
  }

  /// An event of no job: only what it says is taken in.
  mutating func appended(_ event: RecordedEvent, in world: World) {
    appended(event, in: world, since: world.clock, nil)
  }

  private mutating func appended(
    _ event: RecordedEvent, in world: World, since: Int64, _ process: SimulatedProcess?
  ) {
    guard let data = event.data,
      let object = try? JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any]
    else { return world.violated("L", "\(event.workspace)/\(event.sequence) has no object for data") }
    let fact = Fact(event: event, object: object, world: world, since: since, process: process)
    process?.conduct.facts.append(fact)
    var workspace = workspaces[event.workspace] ?? Workspace()
    workspace.noteBefore(fact)
    switch event.type {
    case "WorkspaceConnected": workspace.connect(fact)
    case "WorkspaceDisconnected":
      workspace.isConnected = false
      workspace.ruleChanged = world.clock
    case "WorkspaceObserved": workspace.observed(fact)
    case "MarketplaceNameAssigned": assign(fact)
    case "ModelImported":
      LateChecker(world: world).imported(fact)
      workspace.change(fact, names: names, manifests: &manifests)
    default: workspace.change(fact, names: names, manifests: &manifests)
    }
    workspaces[event.workspace] = workspace
    let available = workspace.models.values.count { $0.available != nil }
    for process in world.running {
      let known = process.conduct.available[event.workspace] ?? 0...0
      process.conduct.available[event.workspace] = min(known.lowerBound, available)...max(known.upperBound, available)
    }
  }

  /// J5: no two models' names look alike, none has two, and MLflow takes each.
  private mutating func assign(_ fact: Fact) {
    let name = fact.text("name")
    let folded = Self.folded(name)
    if let owner = names[folded] {
      fact.violates("J5", "'\(name)' of \(fact.text("workspace")) looks like '\(owner.name)' of \(owner.workspace)")
    }
    let isTaken = name.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 && $0 != "/" && $0 != ":" }
    if !isTaken || name.unicodeScalars.count > 256 { fact.violates("J5", "'\(name)' is none that MLflow takes") }
    let owned = names.values.first { $0.workspace == fact.text("workspace") && $0.model == fact.text("model") }
    if let owned { fact.violates("J5", "'\(name)' is given to a model that has '\(owned.name)'") }
    names[folded] = .init(
      workspace: fact.text("workspace"), source: fact.text("source_name"), name: name, model: fact.text("model"))
  }

  /// What two names that look alike have in common.
  static func folded(_ name: String) -> String {
    name.folding(options: [.caseInsensitive], locale: nil).uppercased().lowercased()
      .precomposedStringWithCanonicalMapping
  }

  /// J3: a file of a finished export was written, changed or removed.
  mutating func written(_ path: String, in world: World) {
    let parts = path.split(separator: "/")
    guard parts.first == "exports", parts.count > 4 else { return }
    let folder = parts.prefix(4).joined(separator: "/")
    if path == "\(folder)/manifest.json" { manifests[folder] = nil }
    guard let files = manifest(folder, world) else {
      if path == "\(folder)/manifest.json", world.storage.files[path] == nil, isLive(folder) {
        world.violated("J3", "\(path) is gone, and an event names it")
      }
      return
    }
    for (name, file) in files where path == "\(folder)/\(name)" || path == "\(folder)/manifest.json" {
      Self.check("\(folder)/\(name)", file, world)
    }
  }

  /// Whether a version's live export lies in a folder.
  func isLive(_ folder: String) -> Bool {
    guard let workspace = workspaces[String(folder.split(separator: "/").dropFirst().first ?? "")] else { return false }
    return workspace.models.values.contains { model in
      model.versions.values.contains { $0.export.map { workspace.folders[$0.id] == folder } ?? false }
    }
  }

  private mutating func manifest(_ folder: String, _ world: World) -> [String: (size: Int, sha256: String)]? {
    if let known = manifests[folder] { return known }
    let read = Self.read("\(folder)/manifest.json", world)
    manifests[folder] = read
    return read
  }

  static func read(_ path: String, _ world: World) -> [String: (size: Int, sha256: String)]? {
    guard let bytes = world.storage.files[path],
      let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
      let files = object["files"] as? [[String: Any]]
    else { return nil }
    var all: [String: (size: Int, sha256: String)] = [:]
    for file in files {
      guard let name = file["path"] as? String, let size = file["size"] as? Int, let hash = file["sha256"] as? String
      else { return nil }
      all[name] = (size, hash)
    }
    return all
  }

  static func check(_ path: String, _ file: (size: Int, sha256: String), _ world: World) {
    guard !world.storage.rotten.contains(path) else { return }
    guard let bytes = world.storage.files[path] else { return world.violated("J3", "\(path) is missing") }
    guard bytes.count == file.size, StreamDigest.of(bytes).sha256 == file.sha256 else {
      return world.violated("J3", "\(path) is not what the manifest says")
    }
  }
}

/// One event as the checker reads it.
struct Fact {
  let event: RecordedEvent
  let object: [String: Any]
  let world: World
  /// When the process that appended it began.
  let since: Int64
  /// The process that appended it, if a job did.
  let process: SimulatedProcess?

  func text(_ key: String) -> String { object[key] as? String ?? "" }
  func optionalNumber(_ key: String) -> Int? { object[key] as? Int }
  func number(_ key: String) -> Int { object[key] as? Int ?? -1 }
  var key: LogChecker.VersionKey { .init(number: number("version"), created: Int64(number("created"))) }

  /// The key that what an import makes in the marketplace carries.
  var importKey: String {
    "\(event.workspace)/\(text("model"))/\(number("version"))/\(number("created"))/\(number("generation"))"
  }

  func violates(_ invariant: String, _ sentence: String) {
    world.violated(invariant, "\(event.workspace)/\(event.sequence) \(event.type): \(sentence)")
  }
}
