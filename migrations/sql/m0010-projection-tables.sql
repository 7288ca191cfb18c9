-- What the projections hold. Every key begins with the workspace; every row names the event that made it.
--
-- Three shapes, and no others:
--   * a fact is inserted once and never changes (connection, observation, description, …_failure, drift);
--   * a fact with an end is inserted once and ended once (export, import);
--   * a state has one row for each key, which holds the open interval, and a `…_closed` row for each interval that
--     has ended, inserted by the event that ended it and never changed again.
-- So what was known at any sequence of a workspace can be looked up; nothing has to be folded again.
--
-- Sequences are the workspace's own. `…_not_before` and `…_not_after` are the two observations that bracket what
-- happened at the source. `created` is the creation time of a version in milliseconds since 1970: part of its identity.

do $$
begin
  create schema marketplace_projection;
  alter schema marketplace_projection owner to ledger_owner;
  create schema marketplace;
  alter schema marketplace owner to ledger_owner;
end $$;
set local role ledger_owner;

comment on schema marketplace_projection is
  'Tables moved in the transaction of the events that change them. Read the views of schema marketplace instead.';

-- WorkspaceConnected and WorkspaceDisconnected: where a registry is and what counts as promoted there.
create table marketplace_projection.connection (
  workspace text collate "C" not null,
  sequence bigint not null,
  recorded_at timestamptz not null,
  connected boolean not null,
  registry text,
  kind text,
  mlflow_workspace text,
  aliases text[] not null,
  stages text[] not null,
  reason text,
  primary key (workspace, sequence)
);

-- WorkspaceObserved: one for each run, complete or not.
create table marketplace_projection.observation (
  workspace text collate "C" not null,
  sequence bigint not null,
  recorded_at timestamptz not null,
  complete boolean not null,
  reason text,
  message text,
  models bigint,
  versions bigint,
  changes bigint,
  observed_from timestamptz,
  observed_to timestamptz,
  primary key (workspace, sequence)
);

-- ModelVersionRegistered and ModelRenamed: what a model is called.
create table marketplace_projection.model (
  workspace text collate "C" not null,
  model uuid not null,
  name text not null,
  model_created bigint,
  first_sequence bigint not null,
  first_recorded_at timestamptz not null,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  from_not_before timestamptz,
  from_not_after timestamptz,
  primary key (workspace, model)
) with (fillfactor = 80);

create table marketplace_projection.model_closed (
  workspace text collate "C" not null,
  model uuid not null,
  to_sequence bigint not null,
  name text not null,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  from_not_before timestamptz,
  from_not_after timestamptz,
  to_recorded_at timestamptz not null,
  to_not_before timestamptz,
  to_not_after timestamptz,
  primary key (workspace, model, to_sequence)
);

-- ModelVersionRegistered, StageTransitioned, ModelVersionDeleted: the stage a version is in; null: it is deleted.
create table marketplace_projection.model_version (
  workspace text collate "C" not null,
  model uuid not null,
  version bigint not null,
  created bigint not null,
  stage text,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  from_not_before timestamptz,
  from_not_after timestamptz,
  from_source_time timestamptz,
  registered_sequence bigint,
  registered_at timestamptz,
  source text,
  run_id text,
  model_id text,
  primary key (workspace, model, version, created)
) with (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05);

create table marketplace_projection.stage_closed (
  workspace text collate "C" not null,
  to_sequence bigint not null,
  model uuid not null,
  version bigint not null,
  created bigint not null,
  stage text,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  from_not_before timestamptz,
  from_not_after timestamptz,
  from_source_time timestamptz,
  to_recorded_at timestamptz not null,
  to_not_before timestamptz,
  to_not_after timestamptz,
  to_source_time timestamptz,
  primary key (workspace, to_sequence)
);

-- AliasAssigned and AliasRemoved: the version an alias points at; null: it is not set.
create table marketplace_projection.model_alias (
  workspace text collate "C" not null,
  model uuid not null,
  alias text collate "C" not null,
  version bigint,
  created bigint,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  from_not_before timestamptz,
  from_not_after timestamptz,
  primary key (workspace, model, alias)
) with (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05);

create table marketplace_projection.alias_closed (
  workspace text collate "C" not null,
  to_sequence bigint not null,
  model uuid not null,
  alias text collate "C" not null,
  version bigint,
  created bigint,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  from_not_before timestamptz,
  from_not_after timestamptz,
  to_recorded_at timestamptz not null,
  to_not_before timestamptz,
  to_not_after timestamptz,
  primary key (workspace, to_sequence)
);

-- The one promoted version the source means, derived from stages, aliases and the rule of the connection; null: none.
-- `cause` is the type of the event that made it so.
create table marketplace_projection.current_version (
  workspace text collate "C" not null,
  model uuid not null,
  version bigint,
  created bigint,
  cause text not null,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  from_not_before timestamptz,
  from_not_after timestamptz,
  primary key (workspace, model)
) with (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05);

-- one event can end several (a changed rule), so the model is part of the key, and comes first for look-ups by model
create table marketplace_projection.current_closed (
  workspace text collate "C" not null,
  model uuid not null,
  to_sequence bigint not null,
  version bigint,
  created bigint,
  cause text not null,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  from_not_before timestamptz,
  from_not_after timestamptz,
  to_cause text not null,
  to_recorded_at timestamptz not null,
  to_not_before timestamptz,
  to_not_after timestamptz,
  primary key (workspace, model, to_sequence)
);

-- ModelDescribed: what the source says about a model (version 0) or a version. The latest one counts.
create table marketplace_projection.description (
  workspace text collate "C" not null,
  model uuid not null,
  version bigint not null,
  sequence bigint not null,
  recorded_at timestamptz not null,
  description text,
  owner text,
  tags json,
  flavors text[],
  signature json,
  metrics json,
  params json,
  run_name text,
  experiment text,
  primary key (workspace, model, version, sequence)
);

-- ModelExported, ended by ExportInvalidated.
create table marketplace_projection.export (
  workspace text collate "C" not null,
  model uuid not null,
  version bigint not null,
  sequence bigint not null,
  recorded_at timestamptz not null,
  created bigint not null,
  generation bigint not null,
  export_id uuid not null,
  uri text,
  manifest_sha256 text,
  model_sha256 text,
  files bigint,
  bytes bigint,
  run uuid,
  principal text,
  invalidated_sequence bigint,
  invalidated_at timestamptz,
  invalidated_reason text,
  primary key (workspace, model, version, sequence)
) with (fillfactor = 90);

-- ExportFailed: open until a later ModelExported of that version.
create table marketplace_projection.export_failure (
  workspace text collate "C" not null,
  model uuid not null,
  version bigint not null,
  sequence bigint not null,
  recorded_at timestamptz not null,
  created bigint not null,
  generation bigint,
  code text,
  message text,
  retriable boolean,
  run uuid,
  principal text,
  primary key (workspace, model, version, sequence)
);

-- ModelImported, ended by ImportLost.
create table marketplace_projection.import (
  workspace text collate "C" not null,
  model uuid not null,
  version bigint not null,
  sequence bigint not null,
  recorded_at timestamptz not null,
  created bigint not null,
  generation bigint not null,
  export_id uuid,
  target text not null,
  marketplace_name text,
  marketplace_version bigint,
  marketplace_run_id text,
  manifest_sha256 text,
  run uuid,
  principal text,
  lost_sequence bigint,
  lost_at timestamptz,
  lost_reason text,
  primary key (workspace, model, version, sequence)
) with (fillfactor = 90);

-- ImportFailed: open until a later ModelImported of that version into that target.
create table marketplace_projection.import_failure (
  workspace text collate "C" not null,
  model uuid not null,
  version bigint not null,
  sequence bigint not null,
  recorded_at timestamptz not null,
  created bigint not null,
  generation bigint,
  export_id uuid,
  target text not null,
  code text,
  message text,
  retriable boolean,
  run uuid,
  principal text,
  primary key (workspace, model, version, sequence)
);

-- MarketplacePromotionSet and ImportLost: the version that can be loaded from the marketplace; null: none.
create table marketplace_projection.promotion (
  workspace text collate "C" not null,
  model uuid not null,
  target text collate "C" not null,
  marketplace_name text,
  marketplace_version bigint,
  version bigint,
  cause text not null,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  primary key (workspace, model, target)
) with (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05);

create table marketplace_projection.promotion_closed (
  workspace text collate "C" not null,
  model uuid not null,
  to_sequence bigint not null,
  target text collate "C" not null,
  marketplace_name text,
  marketplace_version bigint,
  version bigint,
  cause text not null,
  from_sequence bigint not null,
  from_recorded_at timestamptz not null,
  to_cause text not null,
  to_recorded_at timestamptz not null,
  primary key (workspace, model, to_sequence)
);

-- MarketplaceDriftFound: what somebody changed by hand.
create table marketplace_projection.drift (
  workspace text collate "C" not null,
  model uuid not null,
  sequence bigint not null,
  recorded_at timestamptz not null,
  target text,
  marketplace_name text,
  kind text,
  found text,
  expected text,
  primary key (workspace, model, sequence)
);

-- One row for each model that was ever promoted at its source or shown in the marketplace: what the source means,
-- what can be loaded, and the sequences of the facts the row rests on. Long texts stay in the tables named above.
create table marketplace_projection.catalog (
  workspace text collate "C" not null,
  model uuid not null,
  name text,
  marketplace_name text,
  target text,
  version bigint,
  source_version bigint,
  source_created bigint,
  available_version bigint,
  marketplace_version bigint,
  state text not null,
  reason text,
  since timestamptz not null,
  described_sequence bigint,
  version_described_sequence bigint,
  export_sequence bigint,
  import_sequence bigint,
  sequence bigint not null,
  recorded_at timestamptz not null,
  primary key (workspace, model)
) with (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05);
