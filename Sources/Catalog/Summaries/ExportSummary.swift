public import Foundation
public import Postgres

/// An export that was made, or the open failure of one.
public struct ExportSummary: Sendable, Hashable {
  /// The source workspace.
  public var workspace: String
  /// Incarnation of the model.
  public var model: UUID
  /// Name of the model at the source.
  public var name: String?
  /// The version.
  public var version: Int
  /// 1 for the first export of a version; one more after each that was found unusable.
  public var generation: Int?
  /// `live`, `invalidated` or `failed`.
  public var state: String
  /// Why it was invalidated, or code and message of the failure.
  public var reason: String?
  /// For a failure: whether trying again can help.
  public var isRetriable: Bool?
  /// Identity of the export; nil for a failure.
  public var exportID: UUID?
  /// Where it lies.
  public var uri: String?
  /// SHA-256 of its manifest, in hexadecimal.
  public var manifestSHA256: String?
  /// How many files.
  public var files: Int?
  /// How many bytes.
  public var bytes: Int?
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
    state = try row.string("state")
    reason = try row.optionalString("reason")
    isRetriable = try row.optionalBool("retriable")
    exportID = try row.optionalUUID("export_id")
    uri = try row.optionalString("uri")
    manifestSHA256 = try row.optionalString("manifest_sha256")
    files = try row.optionalInt("files")
    bytes = try row.optionalInt("bytes")
    run = try row.optionalUUID("run")
    principal = try row.optionalString("principal")
    sequence = try row.int64("sequence")
    recordedAt = try row.timestamp("recorded_at")
  }
}

extension Catalog {
  /// Every export that was ever made, and the open failures, by workspace, model and version.
  ///
  /// - Parameters:
  ///   - model: only this model's; nil for all.
  ///   - state: only those; nil for all.
  ///   - versions: only those of these versions; nil for all.
  ///   - page: only so many, in the order of the workspace's events; nil for all.
  public func exportSummary(
    asOf: AsOf = .now, workspace: String? = nil, model: UUID? = nil, state: String? = nil, versions: [Int]? = nil,
    page: SummaryPage? = nil
  ) async throws -> [ExportSummary] {
    try await rows(
      """
      workspace, model, name, version, generation, state, reason, retriable, export_id, uri, manifest_sha256, files, \
      bytes, run, principal, sequence, recorded_at
      """, of: "export_summary", asOf: asOf,
      """
      AND ($2::text IS NULL OR workspace = $2::text) AND ($3::uuid IS NULL OR model = $3::uuid)
        AND ($4::text IS NULL OR state = $4::text) AND ($5::bigint IS NULL OR sequence > $5::bigint)
        AND ($7::bigint[] IS NULL OR version = ANY ($7::bigint[]))
      ORDER BY \(SummaryPage.order(page)) LIMIT $6::bigint
      """, [workspace, model, state, page?.after, page?.limit, versions]
    ).map { try ExportSummary($0) }
  }
}
