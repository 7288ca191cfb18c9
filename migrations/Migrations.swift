/// One step of the schema. Once released it is never edited: the database remembers its checksum.
public struct Migration: Sendable, Hashable {
  /// The name of its file without the extension, for example `m0001-roles`.
  public let name: String
  /// What it executes, in one transaction.
  public let sql: String

  /// Makes a step; the product's own are in ``Migrations/all``.
  public init(name: String, sql: String) {
    self.name = name
    self.sql = sql
  }

  init(_ name: String, _ bytes: [UInt8]) {
    self.init(name: name, sql: String(decoding: bytes, as: UTF8.self))
  }
}

/// The steps of the schema, in order. A new one goes to the end.
public enum Migrations {
  /// Every step this program knows.
  public static let all: [Migration] = [
    Migration("m0001-roles", PackageResources.m0001_roles_sql),
    Migration("m0002-tables", PackageResources.m0002_tables_sql),
    Migration("m0003-validation", PackageResources.m0003_validation_sql),
    Migration("m0004-append", PackageResources.m0004_append_sql),
    Migration("m0004a-append-refusals", PackageResources.m0004a_append_refusals_sql),
    Migration("m0004b-append-put", PackageResources.m0004b_append_put_sql),
    Migration("m0004c-append-one", PackageResources.m0004c_append_one_sql),
    Migration("m0004d-registration", PackageResources.m0004d_registration_sql),
    Migration("m0005-seal", PackageResources.m0005_seal_sql),
    Migration("m0006-append-only", PackageResources.m0006_append_only_sql),
    Migration("m0007-projections", PackageResources.m0007_projections_sql),
    Migration("m0008-redaction-and-privileges", PackageResources.m0008_redaction_and_privileges_sql),
    Migration("m0009-event-types", PackageResources.m0009_event_types_sql),
    Migration("m0010-projection-tables", PackageResources.m0010_projection_tables_sql),
    Migration("m0011-projection-catalog", PackageResources.m0011_projection_catalog_sql),
    Migration("m0012-projection-apply", PackageResources.m0012_projection_apply_sql),
    Migration("m0012a-projection-workspace", PackageResources.m0012a_projection_workspace_sql),
    Migration("m0012b-projection-models", PackageResources.m0012b_projection_models_sql),
    Migration("m0012c-projection-stages", PackageResources.m0012c_projection_stages_sql),
    Migration("m0012d-projection-current", PackageResources.m0012d_projection_current_sql),
    Migration("m0012e-projection-transfers", PackageResources.m0012e_projection_transfers_sql),
    Migration("m0012f-projection-catalog", PackageResources.m0012f_projection_catalog_sql),
    Migration("m0013-projection-rows", PackageResources.m0013_projection_rows_sql),
    Migration("m0013a-rows-histories", PackageResources.m0013a_rows_histories_sql),
    Migration("m0013b-rows-summaries", PackageResources.m0013b_rows_summaries_sql),
    Migration("m0013c-rows-model-history", PackageResources.m0013c_rows_model_history_sql),
    Migration("m0014-marketplace-views", PackageResources.m0014_marketplace_views_sql),
    Migration("m0015-as-of", PackageResources.m0015_as_of_sql),
    Migration("m0016-in-production", PackageResources.m0016_in_production_sql),
    Migration("m0017-projection-scratch", PackageResources.m0017_projection_scratch_sql),
    Migration("m0017a-projection-check", PackageResources.m0017a_projection_check_sql),
    Migration("m0018-projection-register", PackageResources.m0018_projection_register_sql),
    Migration("m0020-jobs", PackageResources.m0020_jobs_sql),
    Migration("m0021-uploads", PackageResources.m0021_uploads_sql),
    Migration("m0022-rebuild-by-key", PackageResources.m0022_rebuild_by_key_sql),
    Migration("m0023-replay", PackageResources.m0023_replay_sql),
    Migration("m0024-changes", PackageResources.m0024_changes_sql),
    Migration("m0025-recover", PackageResources.m0025_recover_sql),
    Migration("m0026-projection-positions", PackageResources.m0026_projection_positions_sql),
    Migration("m0027-pages-by-key", PackageResources.m0027_pages_by_key_sql),
    Migration("m0028-segments", PackageResources.m0028_segments_sql),
    Migration("m0029-readers", PackageResources.m0029_readers_sql),
    Migration("m0030-own-types", PackageResources.m0030_own_types_sql),
    Migration("m0031-workspace-first", PackageResources.m0031_workspace_first_sql),
    Migration("m0032-seal-times", PackageResources.m0032_seal_times_sql),
    Migration("m0033-access", PackageResources.m0033_access_sql),
  ]
}
