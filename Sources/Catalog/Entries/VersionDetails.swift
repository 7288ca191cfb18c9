public import Foundation
public import Postgres

/// One version of a model: where it stands, and what the source says about it.
public struct VersionDetails: Sendable, Hashable {
  /// Its number at the source.
  public var version: Int
  /// When it was created at the source; with the number it is the version's identity.
  public var created: Timestamp?
  /// The stage it is in; `nil` when it is deleted.
  public var stage: String?
  /// Aliases that point at it.
  public var aliases: [String]
  /// Whether it was deleted at the source.
  public var isDeleted: Bool
  /// Whether it is the one that the source means.
  public var isCurrent: Bool
  /// The source's run that made it.
  public var runID: String?
  /// Name of that run.
  public var runName: String?
  /// Name of the run's experiment.
  public var experiment: String?
  /// What the source says about it.
  public var description: String?
  /// Who owns it.
  public var owner: String?
  /// What it can be loaded as.
  public var flavors: [String]
  /// Inputs, outputs and parameters: a JSON object.
  public var signature: String?
  /// Metrics of its run: a JSON object of numbers.
  public var metrics: String?
  /// Parameters of its run: a JSON object of texts.
  public var params: String?
  /// The event that registered it, by its sequence in the workspace.
  public var registeredSequence: Int64?
  /// When that was recorded.
  public var registeredAt: Timestamp?

  init(_ row: Row) throws {
    version = try row.int("version")
    created = try row.optionalTimestamp("created")
    stage = try row.optionalString("stage")
    aliases = try row.optionalStrings("aliases") ?? []
    isDeleted = try row.optionalBool("deleted") ?? false
    isCurrent = try row.optionalBool("current") ?? false
    runID = try row.optionalString("run_id")
    runName = try row.optionalString("run_name")
    experiment = try row.optionalString("experiment")
    description = try row.optionalString("description")
    owner = try row.optionalString("owner")
    flavors = try row.optionalStrings("flavors") ?? []
    signature = try row.optionalString("signature")
    metrics = try row.optionalString("metrics")
    params = try row.optionalString("params")
    registeredSequence = try row.optionalInt64("registered_sequence")
    registeredAt = try row.optionalTimestamp("registered_at")
  }
}

extension Catalog {
  /// Versions of a model that were ever registered, by number and time of creation.
  ///
  /// - Parameters:
  ///   - before: only those with a smaller number; nil for all.
  ///   - newest: only so many, the last ones, and all of the last number; nil for all.
  public func versions(
    of model: UUID, in workspace: String, asOf: AsOf = .now, before: Int? = nil, newest: Int? = nil
  ) async throws -> [VersionDetails] {
    try await rows(
      """
      version, created, stage, aliases, deleted, current, run_id, run_name, experiment, description, owner, flavors, \
      signature::text AS signature, metrics::text AS metrics, params::text AS params, registered_sequence, registered_at
      """, of: "model_versions", asOf: asOf,
      """
      AND workspace = $2 AND model = $3 AND ($4::bigint IS NULL OR version < $4::bigint)
      ORDER BY version DESC FETCH FIRST (coalesce($5::bigint, 9223372036854775807)) ROWS WITH TIES
      """, [workspace, model, before, newest]
    ).map { try VersionDetails($0) }.sorted {
      ($0.version, $0.created?.microseconds ?? 0) < ($1.version, $1.created?.microseconds ?? 0)
    }
  }

  /// A version of a model, the last one that was created where several had its number; nil when none was ever registered.
  public func version(
    _ number: Int, of model: UUID, in workspace: String, asOf: AsOf = .now
  ) async throws -> VersionDetails? {
    let found = try await versions(of: model, in: workspace, asOf: asOf, before: number + 1, newest: 1).last
    return found?.version == number ? found : nil
  }

  /// How many versions of a model were ever registered.
  public func versionsCount(of model: UUID, in workspace: String, asOf: AsOf = .now) async throws -> Int {
    try await rows(
      "count(*) AS count", of: "model_versions", asOf: asOf, "AND workspace = $2 AND model = $3", [workspace, model]
    ).first?.int("count") ?? 0
  }
}
