// The SQL of each step, as bytes of the program, in order: a new one goes to the end, here alone. A compiler of C embeds a file in no
// time (C23 §6.10.4); the same bytes as a literal of Swift take it most of a minute.
#include "embedded_migrations.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const char m0001_roles[] = {
#embed "../sql/m0001-roles.sql" suffix(, )
    0};

static const char m0002_tables[] = {
#embed "../sql/m0002-tables.sql" suffix(, )
    0};

static const char m0003_validation[] = {
#embed "../sql/m0003-validation.sql" suffix(, )
    0};

static const char m0004_append[] = {
#embed "../sql/m0004-append.sql" suffix(, )
    0};

static const char m0004a_append_refusals[] = {
#embed "../sql/m0004a-append-refusals.sql" suffix(, )
    0};

static const char m0004b_append_put[] = {
#embed "../sql/m0004b-append-put.sql" suffix(, )
    0};

static const char m0004c_append_one[] = {
#embed "../sql/m0004c-append-one.sql" suffix(, )
    0};

static const char m0004d_registration[] = {
#embed "../sql/m0004d-registration.sql" suffix(, )
    0};

static const char m0005_seal[] = {
#embed "../sql/m0005-seal.sql" suffix(, )
    0};

static const char m0006_append_only[] = {
#embed "../sql/m0006-append-only.sql" suffix(, )
    0};

static const char m0007_projections[] = {
#embed "../sql/m0007-projections.sql" suffix(, )
    0};

static const char m0008_redaction_and_privileges[] = {
#embed "../sql/m0008-redaction-and-privileges.sql" suffix(, )
    0};

static const char m0009_event_types[] = {
#embed "../sql/m0009-event-types.sql" suffix(, )
    0};

static const char m0010_projection_tables[] = {
#embed "../sql/m0010-projection-tables.sql" suffix(, )
    0};

static const char m0011_projection_catalog[] = {
#embed "../sql/m0011-projection-catalog.sql" suffix(, )
    0};

static const char m0012_projection_apply[] = {
#embed "../sql/m0012-projection-apply.sql" suffix(, )
    0};

static const char m0012a_projection_workspace[] = {
#embed "../sql/m0012a-projection-workspace.sql" suffix(, )
    0};

static const char m0012b_projection_models[] = {
#embed "../sql/m0012b-projection-models.sql" suffix(, )
    0};

static const char m0012c_projection_stages[] = {
#embed "../sql/m0012c-projection-stages.sql" suffix(, )
    0};

static const char m0012d_projection_current[] = {
#embed "../sql/m0012d-projection-current.sql" suffix(, )
    0};

static const char m0012e_projection_transfers[] = {
#embed "../sql/m0012e-projection-transfers.sql" suffix(, )
    0};

static const char m0012f_projection_catalog[] = {
#embed "../sql/m0012f-projection-catalog.sql" suffix(, )
    0};

static const char m0013_projection_rows[] = {
#embed "../sql/m0013-projection-rows.sql" suffix(, )
    0};

static const char m0013a_rows_histories[] = {
#embed "../sql/m0013a-rows-histories.sql" suffix(, )
    0};

static const char m0013b_rows_summaries[] = {
#embed "../sql/m0013b-rows-summaries.sql" suffix(, )
    0};

static const char m0013c_rows_model_history[] = {
#embed "../sql/m0013c-rows-model-history.sql" suffix(, )
    0};

static const char m0014_marketplace_views[] = {
#embed "../sql/m0014-marketplace-views.sql" suffix(, )
    0};

static const char m0015_as_of[] = {
#embed "../sql/m0015-as-of.sql" suffix(, )
    0};

static const char m0016_in_production[] = {
#embed "../sql/m0016-in-production.sql" suffix(, )
    0};

static const char m0017_projection_scratch[] = {
#embed "../sql/m0017-projection-scratch.sql" suffix(, )
    0};

static const char m0017a_projection_check[] = {
#embed "../sql/m0017a-projection-check.sql" suffix(, )
    0};

static const char m0018_projection_register[] = {
#embed "../sql/m0018-projection-register.sql" suffix(, )
    0};

static const char m0020_jobs[] = {
#embed "../sql/m0020-jobs.sql" suffix(, )
    0};

static const char m0021_uploads[] = {
#embed "../sql/m0021-uploads.sql" suffix(, )
    0};

static const char m0022_rebuild_by_key[] = {
#embed "../sql/m0022-rebuild-by-key.sql" suffix(, )
    0};

static const char m0023_replay[] = {
#embed "../sql/m0023-replay.sql" suffix(, )
    0};

static const char m0024_changes[] = {
#embed "../sql/m0024-changes.sql" suffix(, )
    0};

static const char m0025_recover[] = {
#embed "../sql/m0025-recover.sql" suffix(, )
    0};

static const char m0026_projection_positions[] = {
#embed "../sql/m0026-projection-positions.sql" suffix(, )
    0};

static const char m0027_pages_by_key[] = {
#embed "../sql/m0027-pages-by-key.sql" suffix(, )
    0};

static const char m0028_segments[] = {
#embed "../sql/m0028-segments.sql" suffix(, )
    0};

static const char m0029_readers[] = {
#embed "../sql/m0029-readers.sql" suffix(, )
    0};

static const char m0030_own_types[] = {
#embed "../sql/m0030-own-types.sql" suffix(, )
    0};

static const char m0031_workspace_first[] = {
#embed "../sql/m0031-workspace-first.sql" suffix(, )
    0};

static const char m0032_seal_times[] = {
#embed "../sql/m0032-seal-times.sql" suffix(, )
    0};

static const char m0033_access[] = {
#embed "../sql/m0033-access.sql" suffix(, )
    0};

static const char m0034_scratch_statistics[] = {
#embed "../sql/m0034-scratch-statistics.sql" suffix(, )
    0};

static const char m0035_check_where_stale[] = {
#embed "../sql/m0035-check-where-stale.sql" suffix(, )
    0};

static const struct embedded_migration all[] = {
    {"m0001-roles", m0001_roles},
    {"m0002-tables", m0002_tables},
    {"m0003-validation", m0003_validation},
    {"m0004-append", m0004_append},
    {"m0004a-append-refusals", m0004a_append_refusals},
    {"m0004b-append-put", m0004b_append_put},
    {"m0004c-append-one", m0004c_append_one},
    {"m0004d-registration", m0004d_registration},
    {"m0005-seal", m0005_seal},
    {"m0006-append-only", m0006_append_only},
    {"m0007-projections", m0007_projections},
    {"m0008-redaction-and-privileges", m0008_redaction_and_privileges},
    {"m0009-event-types", m0009_event_types},
    {"m0010-projection-tables", m0010_projection_tables},
    {"m0011-projection-catalog", m0011_projection_catalog},
    {"m0012-projection-apply", m0012_projection_apply},
    {"m0012a-projection-workspace", m0012a_projection_workspace},
    {"m0012b-projection-models", m0012b_projection_models},
    {"m0012c-projection-stages", m0012c_projection_stages},
    {"m0012d-projection-current", m0012d_projection_current},
    {"m0012e-projection-transfers", m0012e_projection_transfers},
    {"m0012f-projection-catalog", m0012f_projection_catalog},
    {"m0013-projection-rows", m0013_projection_rows},
    {"m0013a-rows-histories", m0013a_rows_histories},
    {"m0013b-rows-summaries", m0013b_rows_summaries},
    {"m0013c-rows-model-history", m0013c_rows_model_history},
    {"m0014-marketplace-views", m0014_marketplace_views},
    {"m0015-as-of", m0015_as_of},
    {"m0016-in-production", m0016_in_production},
    {"m0017-projection-scratch", m0017_projection_scratch},
    {"m0017a-projection-check", m0017a_projection_check},
    {"m0018-projection-register", m0018_projection_register},
    {"m0020-jobs", m0020_jobs},
    {"m0021-uploads", m0021_uploads},
    {"m0022-rebuild-by-key", m0022_rebuild_by_key},
    {"m0023-replay", m0023_replay},
    {"m0024-changes", m0024_changes},
    {"m0025-recover", m0025_recover},
    {"m0026-projection-positions", m0026_projection_positions},
    {"m0027-pages-by-key", m0027_pages_by_key},
    {"m0028-segments", m0028_segments},
    {"m0029-readers", m0029_readers},
    {"m0030-own-types", m0030_own_types},
    {"m0031-workspace-first", m0031_workspace_first},
    {"m0032-seal-times", m0032_seal_times},
    {"m0033-access", m0033_access},
    {"m0034-scratch-statistics", m0034_scratch_statistics},
    {"m0035-check-where-stale", m0035_check_where_stale},
};

long embedded_migrations_count(void) { return sizeof all / sizeof all[0]; }

struct embedded_migration embedded_migrations_at(long place) { return all[place]; }
