public import Foundation
public import Postgres

/// An import that was made, or the open failure of one.
public struct ImportSummary: Sendable, Hashable {
  /// The source workspace.
  public var workspace: String
  /// Incarnation of the model.
  public var model: UUID
  /// Name of the model at the source.
  public var name: String?
  /// The version, by its number at the source.
  public var version: Int
  /// 1 for the first import of a version into a target; one more after each that was lost.
  public var generation: Int?
  /// The marketplace registry.
  public var target: String
  /// `live`, `lost` or `failed`.
  public var state: String
  /// Why it was lost, or code and message of the failure.
  public var reason: String?
  /// For a failure: whether trying again can help.
  public var isRetriable: Bool?
  /// The export it was made from.
  public var exportID: UUID?
  /// Name of the model in the marketplace; nil for a failure.
  public var marketplaceName: String?
  /// Number of the version in the marketplace; nil for a failure.
  public var marketplaceVersion: Int?
  /// SHA-256 of the manifest whose files were verified, in hexadecimal.
  public var manifestSHA256: String?
  /// The execution of a job that recorded it.
  public var run: UUID?
  /// Who recorded it.
  public var principal: String?
  /// The event.
  public var sequence: Int64
  /// When it was recorded.
  public var recordedAt: Timestamp

  init(_ row: Row) throws {
    workspace = try row.string("workspace")
    model = try row.uuid("model")
    name = try row.optionalString("name")
    version = try row.int("version")
    generation = try row.optionalInt("generation")
    target = try row.string("target")
    state = try row.string("state")
    reason = try row.optionalString("reason")
    isRetriable = try row.optionalBool("retriable")
    exportID = try row.optionalUUID("export_id")
    marketplaceName = try row.optionalString("marketplace_name")
    marketplaceVersion = try row.optionalInt("marketplace_version")
    manifestSHA256 = try row.optionalString("manifest_sha256")
    run = try row.optionalUUID("run")
    principal = try row.optionalString("principal")
    sequence = try row.int64("sequence")
    recordedAt = try row.timestamp("recorded_at")
  }
}

extension Catalog {
  /// Every import that was ever made, and the open failures, by workspace, model and version.
  ///
  /// - Parameters:
  ///   - model: only this model's; nil for all.
  ///   - state: only those; nil for all.
  ///   - versions: only those of these versions; nil for all.
  ///   - page: only so many, in the order of the workspace's events; nil for all.
  public func importSummary(
    asOf: AsOf = .now, workspace: String? = nil, model: UUID? = nil, state: String? = nil, versions: [Int]? = nil,
    page: SummaryPage? = nil
  ) async throws -> [ImportSummary] {
    try await rows(
      """
      workspace, model, name, version, generation, target, state, reason, retriable, export_id, marketplace_name, \
      marketplace_version, manifest_sha256, run, principal, sequence, recorded_at
      """, of: "import_summary", asOf: asOf,
      """
      AND ($2::text IS NULL OR workspace = $2::text) AND ($3::uuid IS NULL OR model = $3::uuid)
        AND ($4::text IS NULL OR state = $4::text) AND ($5::bigint IS NULL OR sequence > $5::bigint)
        AND ($7::bigint[] IS NULL OR version = ANY ($7::bigint[]))
      ORDER BY \(SummaryPage.order(page)) LIMIT $6::bigint
      """, [workspace, model, state, page?.after, page?.limit, versions]
    ).map { try ImportSummary($0) }
  }
}
