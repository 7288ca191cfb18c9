import Foundation
import Registry

/// A name as MLflow compares it: byte by byte.
struct ByteName: Hashable, Comparable {
  let text: String
  init(_ text: String) { self.text = text }
  static func == (a: Self, b: Self) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }
  static func < (a: Self, b: Self) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
  /// Whether it can stand in an event.
  var isKeepable: Bool { text.utf8.count <= 2_000 && !text.utf8.contains(0) }
  func hash(into hasher: inout Hasher) { for byte in text.utf8 { hasher.combine(byte) } }
}

/// A registered model at one moment.
struct ModelRecord {
  var name: String
  let created: Int64
  var lastUpdated: Int64
  var description = ""
  var tags: [Tag] = []
  var aliases: [String: Int] = [:]
  var versions: [Int: ModelVersion] = [:]
  /// Numbers of deleted versions are not given again.
  var numberNext = 1

  /// Ascending by number.
  var all: [ModelVersion] { versions.values.sorted { $0.version < $1.version } }

  /// The highest version of each stage.
  var latest: [ModelVersion] {
    var byStage: [String: ModelVersion] = [:]
    for version in all { byStage[version.stage] = version }
    return byStage.values.sorted { $0.version < $1.version }
  }
}

/// What a registry lets a principal see.
enum Sight: CaseIterable {
  case ordinary
  /// No connection.
  case down
  /// 403 to everything.
  case forbidden
  /// Permission lost: the listing is empty with status 200, a model asked for directly is refused.
  case blind
  /// Permission lost in a registry that says of everything that it does not exist.
  case denying
  /// Some models are hidden: not listed, refused directly.
  case partial
}

/// An MLflow tracking server's registry, with the semantics that were measured on real ones.
final class RegistryState {
  let id: String
  let major: Int
  var models: [ByteName: ModelRecord] = [:]
  var experiments: [String: Experiment] = [:]
  var runs: [String: Run] = [:]
  var histories: [String: [Metric]] = [:]
  var loggedModels: [String: LoggedModel] = [:]
  /// Files by the run or logged model that they belong to, by path.
  var artifacts: [String: [String: [UInt8]]] = [:]
  /// The files of each version as they were at one time or another, by its source: what must arrive in the marketplace.
  var originals: [String: [[String: [UInt8]]]] = [:]
  /// What `MLmodel` says, by the source of the version.
  var mlmodels: [String: (flavors: [String], signature: [String: String])] = [:]
  var sight: Sight = .ordinary
  /// Versions that listings leave out, since what they are made from lags behind.
  var unlisted: Set<Place> = []
  /// Models that listings leave out likewise.
  var unlistedModels: Set<ByteName> = []
  /// Whether there was ever a version with neither run nor logged model behind it.
  private(set) var hasVersionsOfNothing = false
  /// When a version under this name last did not exist, for whoever was told so.
  private(set) var lastAbsent: [Place: Int64] = [:]
  private var idNext = 1

  struct Place: Hashable {
    var name: ByteName
    var version: Int
    var created: Int64
  }

  init(id: String, major: Int) {
    self.id = id
    self.major = major
    // A marketplace may be born without; a server that is seen has its experiment.
    experiments["0"] = Experiment(id: "0", name: "Default")
  }

  /// Whether a version was absent under a name at some time since, or is now.
  func wasAbsent(_ name: String, _ version: Int, created: Int64, since: Int64) -> Bool {
    let place = Place(name: ByteName(name), version: version, created: created)
    guard models[place.name]?.versions[version]?.created == created else { return true }
    return (lastAbsent[place] ?? .min) >= since
  }

  /// An identifier of 32 hex digits, as MLflow's runs have them.
  func freshID() -> String {
    idNext += 1
    return String(repeating: "0", count: 24) + String(format: "%08x", idNext)
  }

  // MARK: Models

  func createModel(_ name: String, description: String = "", tags: [Tag] = [], at now: Int64) -> Bool {
    guard models[ByteName(name)] == nil else { return false }
    models[ByteName(name)] = ModelRecord(
      name: name, created: now, lastUpdated: now, description: description, tags: tags)
    return true
  }

  func rename(_ name: String, to other: String, at now: Int64) {
    guard models[ByteName(other)] == nil, var model = models.removeValue(forKey: ByteName(name)) else { return }
    model.name = other
    model.lastUpdated = now
    for number in model.versions.keys {
      model.versions[number]?.name = other
      model.versions[number]?.lastUpdated = now
    }
    models[ByteName(other)] = model
    for version in model.versions.values {
      lastAbsent[Place(name: ByteName(other), version: version.version, created: version.created)] = now
    }
  }

  func deleteModel(_ name: String) { models[ByteName(name)] = nil }

  func change(_ name: String, _ work: (inout ModelRecord) -> Void) {
    guard var model = models[ByteName(name)] else { return }
    work(&model)
    models[ByteName(name)] = model
  }

  // MARK: Versions

  func createVersion(
    of name: String, source: String, runID: String?, description: String, tags: [Tag], at now: Int64,
    status: String = "READY"
  ) -> ModelVersion? {
    guard var model = models[ByteName(name)] else { return nil }
    let version = ModelVersion(
      name: model.name, version: model.numberNext, created: now, lastUpdated: now, description: description,
      source: source, runID: runID, status: status, tags: tags)
    model.numberNext += 1
    model.versions[version.version] = version
    model.lastUpdated = now
    models[ByteName(name)] = model
    if runID == nil, !source.hasPrefix("models:/m-") { hasVersionsOfNothing = true }
    return version
  }

  func transition(_ name: String, _ number: Int, to stage: String, archives: Bool, at now: Int64) -> Bool {
    guard var model = models[ByteName(name)], model.versions[number] != nil else { return false }
    if archives {
      for other in model.all where other.version != number && other.stage == stage {
        model.versions[other.version]?.stage = "Archived"
        model.versions[other.version]?.lastUpdated = now
      }
    }
    model.versions[number]?.stage = stage
    model.versions[number]?.lastUpdated = now
    model.lastUpdated = now
    models[ByteName(name)] = model
    return true
  }

  /// MLflow 3 takes the aliases of a deleted version away, MLflow 2 leaves them.
  func deleteVersion(_ name: String, _ number: Int, at now: Int64) {
    change(name) { model in
      guard model.versions.removeValue(forKey: number) != nil else { return }
      model.lastUpdated = now
      if major >= 3 { model.aliases = model.aliases.filter { $0.value != number } }
    }
  }

  // MARK: As the interface shows it

  /// What a listing has of a model's versions.
  func listed(_ model: ModelRecord) -> [ModelVersion] {
    guard !unlisted.isEmpty else { return model.all }
    return model.all.filter {
      !unlisted.contains(Place(name: ByteName(model.name), version: $0.version, created: $0.created))
    }
  }

  func shown(_ model: ModelRecord) -> RegisteredModel {
    RegisteredModel(
      name: model.name, created: model.created, lastUpdated: model.lastUpdated, description: model.description,
      tags: model.tags, aliases: model.aliases.sorted { $0.key < $1.key }.map { Alias($0.key, $0.value) },
      latestVersions: model.latest)
  }

  func shown(_ version: ModelVersion, of model: ModelRecord) -> ModelVersion {
    var shown = version
    shown.aliases = model.aliases.filter { $0.value == version.version }.keys.sorted()
    return shown
  }

  /// The files that a source leads to, their paths below it; `nil` where it leads nowhere.
  func files(of source: String) -> [String: [UInt8]]? {
    if source.hasPrefix("models:/m-") { return artifacts[String(source.dropFirst("models:/".count))] }
    guard case .run(let id, let path, _)? = Self.runLocation(source), let all = artifacts[id] else { return nil }
    guard !path.isEmpty else { return all }
    let below = all.filter { $0.key.hasPrefix(path + "/") }
    return Dictionary(uniqueKeysWithValues: below.map { (String($0.key.dropFirst(path.count + 1)), $0.value) })
  }

  /// `mlflow-artifacts:/<experiment>/<run>/artifacts[/path]`.
  static func runLocation(_ uri: String) -> ArtifactLocation? {
    guard uri.hasPrefix("mlflow-artifacts:/") else { return nil }
    let root = String(uri.dropFirst("mlflow-artifacts:/".count))
    let parts = root.split(separator: "/").map(String.init)
    guard parts.count >= 3, parts[2] == "artifacts" else { return .proxy(root: root) }
    return .run(id: parts[1], path: parts.dropFirst(3).joined(separator: "/"), root: root)
  }
}
