/// A workspace's registry and what counts as promoted there.
public struct WorkspaceConnected: Codable, Hashable, Sendable {
  /// The registry's address.
  public var registry: String
  /// `mlflow` for now.
  public var kind: String
  /// The MLflow workspace within the server, if any.
  public var mlflowWorkspace: String?
  /// What counts as promoted, in order of precedence.
  public var promoted: PromotionRule

  private enum CodingKeys: String, CodingKey {
    case registry
    case kind
    case mlflowWorkspace = "mlflow_workspace"
    case promoted
  }

  /// Puts the fields together.
  public init(
    registry: String, kind: String, mlflowWorkspace: String? = nil, promoted: PromotionRule
  ) {
    self.registry = registry
    self.kind = kind
    self.mlflowWorkspace = mlflowWorkspace
    self.promoted = promoted
  }
}

/// A workspace is no longer followed.
public struct WorkspaceDisconnected: Codable, Hashable, Sendable {
  /// Why, in the words of whoever disconnected it.
  public var reason: String?

  /// Puts the fields together.
  public init(
    reason: String? = nil
  ) {
    self.reason = reason
  }
}

/// One reading of a workspace's registry.
public struct WorkspaceObserved: Codable, Hashable, Sendable {
  /// How a reading ended.
  public enum Outcome: String, Codable, Sendable {
    /// Everything was read.
    case complete
    /// Something was not: nothing is concluded from what is missing.
    case unreadable
  }

  /// Whether the whole registry was read.
  public var outcome: Outcome
  /// A code, when it was not.
  public var reason: String?
  /// A sentence, when it was not.
  public var message: String?
  /// Models seen.
  public var models: Int
  /// Versions known after the reading.
  public var versions: Int
  /// Events the reading gave rise to.
  public var changes: Int
  /// When the reading began, in milliseconds since 1970.
  public var observedFrom: Int64
  /// When it ended, in milliseconds since 1970.
  public var observedTo: Int64

  private enum CodingKeys: String, CodingKey {
    case outcome
    case reason
    case message
    case models
    case versions
    case changes
    case observedFrom = "observed_from"
    case observedTo = "observed_to"
  }

  /// Puts the fields together.
  public init(
    outcome: Outcome, reason: String? = nil, message: String? = nil, models: Int, versions: Int,
    changes: Int, observedFrom: Int64, observedTo: Int64
  ) {
    self.outcome = outcome
    self.reason = reason
    self.message = message
    self.models = models
    self.versions = versions
    self.changes = changes
    self.observedFrom = observedFrom
    self.observedTo = observedTo
  }
}
