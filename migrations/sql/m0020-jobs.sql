-- What jobs keep beside the log. Neither table decides anything: losing the first costs requests, losing the
-- second costs bytes that are copied again.

-- A job reads the history, appends what it is granted, seals, and keeps its caches. What it may append is a grant of
-- its own: ledger.grant_append(principal, workspace, type prefix).
do $$
begin
  if not (pg_has_role('marketplace_job', 'ledger_writer', 'member')
          and pg_has_role('marketplace_job', 'ledger_sealer', 'member')
          and pg_has_role('marketplace_job', 'ledger_auditor', 'member')) then
    grant ledger_writer, ledger_sealer, ledger_auditor to marketplace_job;
  end if;
exception
  when unique_violation or internal_error then
    null; -- another database did the same at this moment
  when insufficient_privilege then
    raise exception 'Role marketplace_job lacks its memberships, and % may not give them.', current_user
      using errcode = 'insufficient_privilege',
            hint = 'As a superuser: grant ledger_writer, ledger_sealer, ledger_auditor to marketplace_job';
end $$;

-- Every command looks whether the schema is the one it knows.
do $$
begin
  if to_regclass('migrations.applied') is not null then
    grant usage on schema migrations to marketplace_job, ledger_auditor, marketplace_analyst;
    grant select on migrations.applied to marketplace_job, ledger_auditor, marketplace_analyst;
  end if;
end $$;

create schema jobs authorization ledger_owner;
set local role ledger_owner;

comment on schema jobs is 'Caches and claims of the jobs. No history: the ledger holds that.';

create table jobs.observation_cursor (
  registry text collate "C" not null,
  model bytea not null,
  created bigint not null,
  last_updated bigint not null,
  primary key (registry, model)
) with (fillfactor = 70);

comment on table jobs.observation_cursor is
  'What a registry said about a model when its versions were last listed: unchanged, they need no listing again. A cache.';
comment on column jobs.observation_cursor.registry is 'The workspace, or marketplace/<target>.';
comment on column jobs.observation_cursor.model is 'The model''s name at the registry, as UTF-8: registries hold names that text cannot.';
comment on column jobs.observation_cursor.created is 'The model''s creation time at the registry, milliseconds since 1970.';
comment on column jobs.observation_cursor.last_updated is 'The model''s last update at the registry, milliseconds since 1970.';

create table jobs.export_claim (
  workspace text collate "C" not null,
  model text collate "C" not null,
  version bigint not null,
  created bigint not null,
  generation bigint not null,
  export_id uuid not null,
  claimed_at timestamptz not null default clock_timestamp(),
  primary key (workspace, model, version, created, generation)
);

comment on table jobs.export_claim is
  'The export id under which a version''s files are being copied, recorded before the first byte, so that a run after a kill finds what the killed one had finished.';
comment on column jobs.export_claim.workspace is 'The source workspace.';
comment on column jobs.export_claim.model is 'The incarnation.';
comment on column jobs.export_claim.version is 'The version''s number at the source.';
comment on column jobs.export_claim.created is 'The version''s creation time at the source, milliseconds since 1970.';
comment on column jobs.export_claim.generation is 'The generation of the export.';
comment on column jobs.export_claim.export_id is 'The random id that names the export''s folder.';
comment on column jobs.export_claim.claimed_at is 'When the claim was made.';

grant usage on schema jobs to marketplace_job, ledger_auditor;
grant select, insert, update, delete on all tables in schema jobs to marketplace_job;
grant select on all tables in schema jobs to ledger_auditor;
reset role;
