import Foundation
import Marketplace
import Registry

/// One whole reading of a source registry, with the direct questions that a missing thing asks for.
struct RegistryReading: Sendable {
  /// Models whose versions are listed side by side.
  static let listingsConcurrent = 8
  /// A longer name, in bytes of UTF-8, is left out: MLflow keeps names in a column of 256 characters.
  static let nameBytesMax = 2_000
  /// What a version says of its source is kept up to so many bytes of UTF-8.
  static let sourceBytesMax = 4_000
  /// A model whose name passes to another while it is read is read so often.
  static let attemptsMax = 3
  /// So many versions are listed at once at most, since they are held in memory meanwhile.
  static let versionsListedAtOnceMax = 20_000
  /// Known versions whose runs and logged models are asked for when a registry lists nothing any more.
  static let witnessVersionsMax = 5

  private let registry: any ModelRegistry
  private let known: [ModelKey: ModelState]
  private let state: WorkspaceState
  private let cursors: ObservationCursors
  private let modelsListedAtOnceMin: Int
  private let now: @Sendable () -> Int64

  /// A reading.
  ///
  /// - Parameter modelsListedAtOnceMin: see ``JobOptions/modelsListedAtOnceMin``.
  init(
    of registry: any ModelRegistry, state: WorkspaceState, cursors: ObservationCursors, modelsListedAtOnceMin: Int,
    now: @escaping @Sendable () -> Int64
  ) {
    self.registry = registry
    self.cursors = cursors
    self.modelsListedAtOnceMin = modelsListedAtOnceMin
    self.now = now
    self.state = state
    known = Dictionary(state.models.values.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What a reading found.
  struct Result: Sendable {
    var observation: Observation
    /// The listing as it was, for the cursors.
    var listed: [RegisteredModel]
    /// Names that cannot be kept as text, so that nothing can be said about them.
    var unkeepable: [String]
  }

  /// Reads the registry.
  ///
  /// - Throws: ``RegistryError`` when it cannot be read whole, ``Trouble`` when what it says cannot be believed.
  func read() async throws -> Result {
    let from = now()
    let all = try await registry.registeredModels()
    // PostgreSQL's text and JSON hold no NUL; MLflow takes one in a name.
    let listed = all.filter { !$0.name.utf8.contains(0) && $0.name.utf8.count <= Self.nameBytesMax }
    let kept = Set(listed.map { Array($0.name.utf8) })
    let versions = try await versionsOfAll(listed)
    let observed = try await concurrently(listed, limit: Self.listingsConcurrent) { model in
      try await observe(model, listedAtOnce: versions[Array(model.name.utf8)])
    }.compactMap(\.self)
    var models = observed.map(\.0)
    var absences = Set(observed.flatMap(\.1))
    let (hidden, gone) = try await askForMissingModels(among: models)
    models += hidden.map(\.0)
    absences.formUnion(hidden.flatMap(\.1))
    absences.formUnion(gone)
    if all.isEmpty, !gone.isEmpty { try await proveSight() }
    return Result(
      observation: Observation(from: from, to: now(), models: models, absences: absences), listed: listed,
      unkeepable: all.map(\.name).filter { !kept.contains(Array($0.utf8)) }.map { $0.replacing("\0", with: "\\0") })
  }

  /// The versions of all models by the model's name, where so many models have to be looked at that one listing costs
  /// less than one for each; else none.
  private func versionsOfAll(_ listed: [RegisteredModel]) async throws -> [[UInt8]: [ModelVersion]] {
    let wanted = listed.count { needsVersions($0, known: incarnation($0)) }
    // Numbers are not used again, so there are no more versions than that.
    let most = listed.reduce(0) { $0 + ($1.latestVersions.map(\.version).max() ?? 0) }
    guard wanted >= modelsListedAtOnceMin, wanted * 2 >= listed.count, most <= Self.versionsListedAtOnceMax
    else { return [:] }
    do {
      return Dictionary(grouping: try await registry.modelVersions()) { Array($0.name.utf8) }
    } catch let error as RegistryError where error.mayComeInParts {
      return [:]
    }
  }

  /// A listed model, its versions listed too when they may have changed, and versions found gone.
  ///
  /// Between listing a model and listing its versions its name may have passed to another: then what was read is
  /// thrown away, and the model that bears the name now is observed instead.
  ///
  /// - Parameter listedAtOnce: its versions, where they have been listed together with those of others.
  private func observe(
    _ listed: RegisteredModel, listedAtOnce: [ModelVersion]? = nil
  ) async throws -> (ObservedModel, [Observation.Absence])? {
    var listed = listed
    // A listing of all that lacks what the model itself names says nothing of the model.
    var listedAtOnce = listedAtOnce.flatMap { versions in
      let numbers = Set(versions.map(\.version))
      return listed.latestVersions.allSatisfy { numbers.contains($0.version) } ? versions : nil
    }
    for _ in 1...Self.attemptsMax {
      let known = incarnation(listed)
      guard needsVersions(listed, known: known) else {
        return (ObservedModel(listed, versions: listed.latestVersions, isComplete: false), [])
      }
      let (versions, absences) = try await versions(of: listed, known: known, listedAtOnce: listedAtOnce)
      listedAtOnce = nil
      let isNewer = versions.contains { max($0.created, $0.lastUpdated) > listed.lastUpdated }
      guard isNewer || !absences.isEmpty else {
        return (ObservedModel(listed, versions: versions, isComplete: true), absences)
      }
      guard let now = try await registry.registeredModel(named: listed.name) else { return nil }
      if now.created == listed.created {
        return (ObservedModel(listed, versions: versions, isComplete: true), absences)
      }
      listed = now
    }
    throw Trouble(
      "unstable_model", "The name '\(listed.name)' passed from model to model while it was read. Run again.",
      retriable: true)
  }

  /// The known model that this one is: by name, or by the name it was first seen under, to which it may have come back
  /// since the last reading.
  private func incarnation(_ listed: RegisteredModel) -> ModelState? {
    known[ModelKey(listed.name, listed.created)]
      ?? state.models[ModelID(workspace: state.workspace, name: listed.name, created: listed.created)]
  }

  private func versions(
    of listed: RegisteredModel, known: ModelState?, listedAtOnce: [ModelVersion]?
  ) async throws -> ([ModelVersion], [Observation.Absence]) {
    var versions = if let listedAtOnce { listedAtOnce } else { try await registry.modelVersions(of: listed.name) }
    var absences: [Observation.Absence] = []
    for version in known?.live ?? [] where !versions.contains(where: { $0.version == version.number }) {
      let asked = try await registry.modelVersion(name: listed.name, version: version.number)
      if let asked, asked.created == version.created {
        versions.append(asked)
      } else if let known {
        absences.append(.version(model: known.id, number: version.number, created: version.created))
      }
    }
    // An alias may have moved to a version that came and went since the last reading; MLflow 2 leaves it there.
    for alias in listed.aliases where !versions.contains(where: { $0.version == alias.version }) {
      // Under a name that is new it may be one that was renamed; which, is decided later.
      let bearers = known.map { [$0] } ?? state.models.values.filter { $0.created == listed.created }
      let moved = bearers.filter { bearer in
        bearer.aliases[ExactText(alias.name)].map { $0.number != alias.version } ?? false
      }
      guard !moved.isEmpty else { continue }
      if let asked = try await registry.modelVersion(name: listed.name, version: alias.version) {
        versions.append(asked)
      } else {
        absences += moved.map { .aliased(model: $0.id, number: alias.version) }
      }
    }
    return (versions, absences)
  }

  private func needsVersions(_ listed: RegisteredModel, known: ModelState?) -> Bool {
    guard cursors.isUnchanged(listed) else { return true }
    // A model that has no version yet is in no history; its first one will move its time.
    guard let known else { return !listed.latestVersions.isEmpty }
    // Deleted versions count as known: MLflow 2 leaves an alias on one, and numbers are not used again.
    let seen = Set(known.versions.keys).union(listed.latestVersions.map(\.version))
    return listed.aliases.contains { !seen.contains($0.version) }
  }

  /// Asks for every known model that the listing does not hold: it may be hidden by a page that shifted, gone, or
  /// out of our sight, and only the registry's own "does not exist" says which.
  private func askForMissingModels(among models: [ObservedModel]) async throws -> (
    hidden: [(ObservedModel, [Observation.Absence])], gone: [Observation.Absence]
  ) {
    let seen = Set(models.map(\.key))
    let missing = known.values.filter { !$0.live.isEmpty && !seen.contains($0.key) }
    var hidden: [(ObservedModel, [Observation.Absence])] = []
    var gone: [Observation.Absence] = []
    for known in missing.sorted(by: { $0.id < $1.id }) {
      let asked = try await registry.registeredModel(named: known.name)
      if let asked, asked.created == known.created {
        if let observed = try await observe(asked) { hidden.append(observed) }
      } else {
        gone.append(.model(known.key))
      }
    }
    return (hidden, gone)
  }

  /// A principal that may see nothing is told that nothing exists. One that sees the experiment every server is
  /// born with sees something; so does one that sees a run or a logged model behind a version we know, since an
  /// MLflow workspace is born without experiments.
  private func proveSight() async throws {
    if let sees = try? await registry.experiment(named: "Default"), !sees.id.isEmpty { return }
    let versions = known.values.flatMap(\.live).sorted { $0.created > $1.created }.prefix(Self.witnessVersionsMax)
    for version in versions {
      if let id = version.runID, let run = try? await registry.run(id), !run.id.isEmpty { return }
      if let id = version.modelID, let model = try? await registry.loggedModel(id), !model.id.isEmpty { return }
    }
    throw Trouble(
      "nothing_visible",
      "The registry lists nothing and shows nothing, though \(known.count) models are known: the principal "
        + "has probably lost its permission. Nothing is concluded from it. Check the token and its permissions.",
      retriable: true)
  }
}

extension RegistryError {
  /// Whether what cannot be had as one listing may come in several.
  var mayComeInParts: Bool {
    switch code {
    case .refused, .unsupported, .tooLarge, .unstableListing: true
    default: false
    }
  }
}

extension ObservedModel {
  init(_ listed: RegisteredModel, versions: [ModelVersion], isComplete: Bool) {
    self.init(
      name: listed.name, created: listed.created, description: listed.description.isEmpty ? nil : listed.description,
      tags: dictionary(listed.tags.map { ($0.key, $0.value) }),
      aliases: Dictionary(
        listed.aliases.map { (ExactText($0.name), $0.version) }, uniquingKeysWith: { _, last in last }),
      versions: versions.map(ObservedVersion.init), isComplete: isComplete)
  }
}

extension ObservedVersion {
  init(_ version: ModelVersion) {
    let loggedModel = version.source.hasPrefix("models:/m-") ? String(version.source.dropFirst("models:/".count)) : nil
    self.init(
      number: version.version, created: version.created, lastUpdated: version.lastUpdated, stage: version.stage,
      source: version.source.isEmpty ? nil : version.source.kept(bytes: RegistryReading.sourceBytesMax),
      runID: version.runID,
      modelID: version.modelID ?? loggedModel)
  }
}
