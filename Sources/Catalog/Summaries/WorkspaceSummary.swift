public import Postgres

/// A workspace: what counts as promoted there, and how well it is known.
public struct WorkspaceSummary: Sendable, Hashable {
  /// The workspace.
  public var workspace: String
  /// `observed`, `unreadable`, `never observed` or `disconnected`.
  public var state: String
  /// Address of its registry.
  public var registry: String?
  /// Kind of its registry.
  public var kind: String?
  /// The MLflow workspace within the registry.
  public var mlflowWorkspace: String?
  /// Aliases that count as promoted, in order of precedence.
  public var promotedAliases: [String]
  /// Stages that count as promoted, in order of precedence.
  public var promotedStages: [String]
  /// When the last complete reading began.
  public var observedFrom: Timestamp?
  /// When the last complete reading ended.
  public var observedTo: Timestamp?
  /// Models seen by it.
  public var models: Int?
  /// Versions seen by it.
  public var versions: Int?
  /// Since when it cannot be read; nil while it can.
  public var unreadableSince: Timestamp?
  /// Why it cannot be read, or why it was disconnected: a code.
  public var reason: String?
  /// What it answered.
  public var message: String?
  /// The first event that the projections have not taken in; nil while they follow.
  public var staleFrom: Int64?
  /// Sequence of the newest event that this rests on; nil when there is none.
  public var sequence: Int64?

  /// Whether somebody has to see to it that it can be read again. Of a disconnected workspace nobody expects to.
  public var isUnreadable: Bool { unreadableSince != nil && state != "disconnected" }

  init(_ row: Row) throws {
    workspace = try row.string("workspace")
    state = try row.string("state")
    registry = try row.optionalString("registry")
    kind = try row.optionalString("kind")
    mlflowWorkspace = try row.optionalString("mlflow_workspace")
    promotedAliases = try row.optionalStrings("promoted_aliases") ?? []
    promotedStages = try row.optionalStrings("promoted_stages") ?? []
    observedFrom = try row.optionalTimestamp("observed_from")
    observedTo = try row.optionalTimestamp("observed_to")
    models = try row.optionalInt("models")
    versions = try row.optionalInt("versions")
    unreadableSince = try row.optionalTimestamp("unreadable_since")
    reason = try row.optionalString("reason")
    message = try row.optionalString("message")
    staleFrom = try row.optionalInt64("stale_from")
    sequence = try row.optionalInt64("sequence")
  }
}

extension Catalog {
  /// The workspaces, by name.
  public func workspaces(asOf: AsOf = .now) async throws -> [WorkspaceSummary] {
    try await rows(
      """
      workspace, state, registry, kind, mlflow_workspace, promoted_aliases, promoted_stages, observed_from, \
      observed_to, models, versions, unreadable_since, reason, message, stale_from, sequence
      """, of: "workspaces", asOf: asOf, "ORDER BY workspace"
    ).map { try WorkspaceSummary($0) }
  }
}
