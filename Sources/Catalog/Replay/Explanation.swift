import Postgres

/// Why a version is in the catalog, or is not: what was asked of it, one thing after the other, and the events that
/// answered.
public struct Explanation: Sendable, Hashable {
  /// One thing that was asked.
  public struct Step: Sendable, Hashable {
    /// What is asked, in a word.
    public enum Question: String, Sendable, Hashable {
      /// Whether the source has it.
      case registered
      /// What counts as promoted in its workspace.
      case rule
      /// Where it stands at the source.
      case stands
      /// Whether it is the one that the source means.
      case meant
      /// Whether its bytes are in external storage.
      case exported
      /// Whether it is in the marketplace registry.
      case imported
      /// Whether it can be loaded from there.
      case available
    }

    /// What is asked.
    public let question: Question
    /// Whether the answer speaks for its being in the catalog.
    public let isMet: Bool
    /// The answer, in a sentence.
    public let answer: String
    /// The event that it rests on, by its sequence in the workspace; `nil` where it rests on there being none.
    public let sequence: Int64?
  }

  /// The model.
  public let model: ModelReference
  /// The version's number at the source.
  public let version: Int
  /// Whether it can be loaded from the marketplace.
  public let isAvailable: Bool
  /// The answer, in a sentence.
  public let verdict: String
  /// How it comes to that.
  public let steps: [Step]
  /// Everything that happened to the version.
  public let events: [HistoryLine]
}

extension Catalog {
  /// Why a version is in the catalog, or is not.
  ///
  /// - Parameter version: its number at the source; of several that had it, the one that was registered last.
  /// - Returns: `nil` when no version with that number was ever seen.
  /// - Throws: ``CatalogError`` with `.positionNotSealed`; see ``Catalog``.
  public func explain(version: Int, of model: ModelReference, asOf: AsOf = .now) async throws -> Explanation? {
    let key: [(any PostgresEncodable)?] = [model.workspace, model.model]
    let condition = "AND workspace = $2 AND model = $3"
    async let readVersions = rows(
      "version, created, stage, aliases, deleted, current, registered_sequence, registered_at", of: "model_versions",
      asOf: asOf, "\(condition) ORDER BY version, created", key)
    // Each asks the database by itself; none waits for another.
    async let readExports = exportSummary(asOf: asOf, workspace: model.workspace, model: model.model)
    async let readImports = importSummary(asOf: asOf, workspace: model.workspace, model: model.model)
    async let readAvailability = availability(of: model.model, in: model.workspace, asOf: asOf)
    async let readWorkspaces = workspaces(asOf: asOf)
    async let stages = stages(of: model.model, in: model.workspace, asOf: asOf)
    async let production = production(of: model.model, in: model.workspace, asOf: asOf)
    async let entry = entry(model: model.model, in: model.workspace, asOf: asOf)
    async let events = history(of: model.model, in: model.workspace, version: version, asOf: asOf)
    let versions = try await readVersions.map { try Facts.Version($0) }
    let (exports, imports, availability) = try await (readExports, readImports, readAvailability)
    var wanted = versions.last { $0.number == version }
    // What registered it may have been redacted; what came of it is still known.
    let isKnown =
      exports.contains { $0.version == version } || imports.contains { $0.version == version }
      || availability.contains { $0.version == version }
    if wanted == nil, isKnown { wanted = Facts.Version(number: version) }
    guard let wanted, let workspace = try await readWorkspaces.first(where: { $0.workspace == model.workspace })
    else { return nil }
    let facts = Facts(
      wanted: wanted, versions: versions, workspace: workspace, ruleSequence: try await ruleSequence(of: workspace),
      stages: try await stages, production: try await production, exports: exports, imports: imports,
      availability: availability, entry: try await entry)
    return Explanation(
      model: model, version: version, isAvailable: facts.available?.version == version, verdict: facts.verdict,
      steps: facts.steps, events: try await events)
  }

  /// The event that says what counts as promoted, or that nothing does any more.
  private func ruleSequence(of workspace: WorkspaceSummary) async throws -> Int64? {
    try await pool.withSession { session in
      try session.query(
        """
        SELECT max(sequence) AS sequence FROM marketplace_projection.connection
        WHERE workspace = $1 AND sequence <= $2
        """, [workspace.workspace, workspace.sequence ?? .max]
      ).first?.optionalInt64("sequence")
    }
  }
}

/// What is known of a version and of what stands beside it.
private struct Facts {
  struct Version {
    let number: Int
    let created: Timestamp?
    let stage: String?
    let aliases: [String]
    let isDeleted: Bool
    let isCurrent: Bool
    let registered: Int64?
    let registeredAt: Timestamp?
    /// Whether what registered it is still to be read.
    let isRegistered: Bool

    /// A version of which nothing but its number is left.
    init(number: Int) {
      self.number = number
      (created, stage, aliases, isDeleted, isCurrent) = (nil, nil, [], false, false)
      (registered, registeredAt, isRegistered) = (nil, nil, false)
    }

    init(_ row: Row) throws {
      number = try row.int("version")
      created = try row.optionalTimestamp("created")
      stage = try row.optionalString("stage")
      aliases = try row.optionalStrings("aliases") ?? []
      isDeleted = try row.optionalBool("deleted") ?? false
      isCurrent = try row.optionalBool("current") ?? false
      registered = try row.optionalInt64("registered_sequence")
      registeredAt = try row.optionalTimestamp("registered_at")
      isRegistered = true
    }
  }

  let wanted: Version
  let versions: [Version]
  let workspace: WorkspaceSummary
  let ruleSequence: Int64?
  let stages: [Spell]
  let production: [Spell]
  let exports: [ExportSummary]
  let imports: [ImportSummary]
  let availability: [AvailabilitySpell]
  let entry: CatalogEntry?

  var current: Version? { versions.first { $0.isCurrent } }
  /// The version that can be loaded.
  var available: AvailabilitySpell? { availability.last { $0.toSequence == nil && $0.version != nil } }
  private var name: String { "v\(wanted.number)" }

  private var rule: String {
    let aliases = workspace.promotedAliases.map { "alias \($0)" }
    let stages = workspace.promotedStages.map { "the highest version in stage \($0)" }
    return (aliases + stages).joined(separator: ", else ")
  }

  /// Why the current version is the one that the source means.
  private func reason(of current: Version) -> String {
    for alias in workspace.promotedAliases {
      guard current.aliases.contains(alias) else { continue }
      return "alias \(alias) points at it"
    }
    let stage = current.stage ?? "?"
    return "it is the highest in stage \(stage)"
      + (workspace.promotedAliases.isEmpty ? "" : ", and no version has an alias that comes before it")
  }

  var steps: [Explanation.Step] {
    [registered, ruled, stands, meant, exported, imported, loadable]
  }

  /// Whether it could be loaded at some time: then it was exported and imported, whatever was redacted since.
  private var wasAvailable: Bool { availability.contains { $0.version == wanted.number } }

  private var registered: Explanation.Step {
    guard wanted.isRegistered else {
      return .init(
        question: .registered, isMet: true, answer: "\(name) was seen, and what says so was redacted", sequence: nil)
    }
    let when = wanted.registeredAt.map { ", first seen \($0.rfc3339)" } ?? ""
    return .init(
      question: .registered, isMet: true,
      answer: "\(name) was created \(wanted.created?.rfc3339 ?? "at an unknown time")\(when)",
      sequence: wanted.registered)
  }

  private var ruled: Explanation.Step {
    let isConnected = workspace.state != "disconnected"
    return .init(
      question: .rule, isMet: isConnected,
      answer: isConnected
        ? "\(workspace.workspace) counts as promoted: \(rule)"
        : "\(workspace.workspace) is disconnected, and promotes nothing", sequence: ruleSequence)
  }

  private var stands: Explanation.Step {
    let spell = stages.last { $0.version == wanted.number && $0.created == wanted.created && $0.toSequence == nil }
    guard wanted.isRegistered else {
      return .init(
        question: .stands, isMet: true, answer: "where it stands is not known: what says so was redacted", sequence: nil
      )
    }
    guard !wanted.isDeleted else {
      let end = stages.last { $0.version == wanted.number && $0.created == wanted.created }?.toSequence
      return .init(question: .stands, isMet: false, answer: "it was deleted at the source", sequence: end)
    }
    let aliases = wanted.aliases.isEmpty ? "no alias" : "alias " + wanted.aliases.joined(separator: ", ")
    return .init(
      question: .stands, isMet: true, answer: "it is in stage \(wanted.stage ?? "None"), with \(aliases)",
      sequence: spell?.fromSequence)
  }

  private var meant: Explanation.Step {
    let spell = production.last { $0.toSequence == nil }
    guard let current else {
      let last = production.last { $0.version == wanted.number }
      return .init(question: .meant, isMet: false, answer: "the source promotes no version", sequence: last?.toSequence)
    }
    guard current.number == wanted.number, current.created == wanted.created else {
      return .init(
        question: .meant, isMet: false, answer: "the source means v\(current.number): \(reason(of: current))",
        sequence: spell?.fromSequence)
    }
    return .init(
      question: .meant, isMet: true, answer: "the source means it: \(reason(of: current))",
      sequence: spell?.fromSequence)
  }

  private var exported: Explanation.Step {
    guard let export = exports.last(where: { $0.version == wanted.number }) else {
      if wasAvailable || imports.contains(where: { $0.version == wanted.number && $0.state != "failed" }) {
        return .init(
          question: .exported, isMet: true, answer: "it was exported, and what says where was redacted", sequence: nil)
      }
      return .init(
        question: .exported, isMet: false,
        answer: wanted.isCurrent ? "no job has exported it yet" : "it was not exported: what the source means is",
        sequence: nil)
    }
    let answer =
      switch export.state {
      case "live": "its bytes are at \(export.uri ?? "?"), manifest SHA-256 \(export.manifestSHA256 ?? "?")"
      case "failed": "its export failed: \(export.reason ?? "?")"
      default: "its export was found unusable: \(export.reason ?? "?")"
      }
    return .init(question: .exported, isMet: export.state == "live", answer: answer, sequence: export.sequence)
  }

  private var imported: Explanation.Step {
    guard let found = imports.last(where: { $0.version == wanted.number }) else {
      if wasAvailable {
        return .init(
          question: .imported, isMet: true, answer: "it was imported, and what says so was redacted", sequence: nil)
      }
      return .init(question: .imported, isMet: false, answer: "no job has imported it", sequence: nil)
    }
    let answer =
      switch found.state {
      case "live": "it is \(found.marketplaceName ?? "?") version \(found.marketplaceVersion.map { "\($0)" } ?? "?")"
      case "failed": "its import failed: \(found.reason ?? "?")"
      default: "it was lost from the marketplace: \(found.reason ?? "?")"
      }
    return .init(question: .imported, isMet: found.state == "live", answer: answer, sequence: found.sequence)
  }

  private var loadable: Explanation.Step {
    if let available, available.version == wanted.number {
      return .init(
        question: .available, isMet: true,
        answer: "it can be loaded as \(available.marketplaceName ?? "?") version "
          + "\(available.marketplaceVersion.map { "\($0)" } ?? "?")", sequence: available.fromSequence)
    }
    guard let spell = availability.last(where: { $0.version == wanted.number }) else {
      return .init(question: .available, isMet: false, answer: "it never could be loaded", sequence: nil)
    }
    return .init(
      question: .available, isMet: false, answer: "it can be loaded no more (\(spell.endedBy ?? "replaced"))",
      sequence: spell.toSequence)
  }

  var verdict: String {
    if available?.version == wanted.number {
      guard wanted.isCurrent else {
        return "\(name) is in the catalog still, though \(meant.answer): \(entry?.reason ?? "its withdrawal is due")."
      }
      return "\(name) is in the catalog: \(meant.answer), and \(loadable.answer)."
    }
    let obstacle = steps.first { !$0.isMet } ?? loadable
    guard obstacle.question == .available else { return "\(name) is not in the catalog: \(obstacle.answer)." }
    return "\(name) is not in the catalog yet: \(entry?.reason ?? "the next job promotes it")."
  }
}
