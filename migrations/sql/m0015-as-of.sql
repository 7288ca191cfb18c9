-- What was known then. `X_at(position)` answers from the intervals that the events up to that position of the ledger
-- opened and closed; `X_at(time)` takes the last position sealed at or before that time. Nothing is folded, and the
-- same question has the same answer for ever.
set local role ledger_owner;

-- A position that does not exist yet has no answer: it would be another one tomorrow.
create function marketplace_projection.cut(_position bigint) returns table (workspace text, sequence bigint)
language plpgsql stable rows 100
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
  _last bigint := coalesce((select s.last_position from ledger.seal s order by s.last_position desc limit 1), 0);
  _stale record;
begin
  if _position is null or _position < 0 or _position > _last then
    raise exception 'There is no position % yet: the ledger is sealed up to %.', coalesce(_position::text, 'null'), _last
      using errcode = 'invalid_parameter_value',
            hint = 'Ask for an earlier position, or for a time. select ledger.seal() gives positions to newer events.';
  end if;
  for _stale in
    select t.workspace, t.from_sequence
    from marketplace_projection.stale t
    join ledger.cut_at(_position) k on k.workspace = t.workspace and k.sequence >= t.from_sequence
  loop
    raise warning 'Workspace % is answered as of its event %: a projection stopped there.', _stale.workspace,
      _stale.from_sequence - 1
      using hint = 'marketplace projections rebuild takes the rest in.';
  end loop;
  return query select k.workspace, k.sequence from ledger.cut_at(_position) k;
end
$body$;
comment on function marketplace_projection.cut(bigint) is
  'How far each workspace had come at a position; refuses positions that are not sealed yet, warns of stale ones.';

create function marketplace.catalog_at(_position bigint) returns setof marketplace.catalog
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select c.workspace, c.model, c.name, c.marketplace_name, c.target, c.version, c.source_version,
    marketplace_projection.time_of(c.source_created), c.available_version, c.marketplace_version, c.state, c.reason,
    c.since, t.description, t.owner, t.tags, t.version_description, t.flavors, t.signature, t.export_id, t.uri,
    t.manifest_sha256, t.model_sha256, t.files, t.bytes, c.sequence, c.recorded_at
  from marketplace_projection.cut(_position) k
  -- whatever was in the catalog then has a row there still, if only as withdrawn
  cross join lateral (
    select array_agg(x.model) as models from marketplace_projection.catalog x where x.workspace = k.workspace) m
  cross join lateral marketplace_projection.catalog_of(k.workspace, m.models, k.sequence) c
  cross join lateral marketplace_projection.catalog_texts(
    c.workspace, c.model, c.version, c.described_sequence, c.version_described_sequence, c.export_sequence) t
  where c.state <> 'withdrawn';
end
$body$;

create function marketplace.stage_history_at(_position bigint) returns setof marketplace.stage_history
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select h.* from marketplace_projection.cut(_position) k
  cross join lateral marketplace_projection.stage_history_of(k.workspace, k.sequence) h;
end
$body$;

create function marketplace.alias_history_at(_position bigint) returns setof marketplace.alias_history
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select h.* from marketplace_projection.cut(_position) k
  cross join lateral marketplace_projection.alias_history_of(k.workspace, k.sequence) h;
end
$body$;

create function marketplace.production_history_at(_position bigint) returns setof marketplace.production_history
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select h.* from marketplace_projection.cut(_position) k
  cross join lateral marketplace_projection.production_history_of(k.workspace, k.sequence) h;
end
$body$;

create function marketplace.availability_history_at(_position bigint) returns setof marketplace.availability_history
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select h.* from marketplace_projection.cut(_position) k
  cross join lateral marketplace_projection.availability_history_of(k.workspace, k.sequence) h;
end
$body$;

create function marketplace.model_history_at(_position bigint) returns setof marketplace.model_history
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select h.* from marketplace_projection.cut(_position) k
  cross join lateral marketplace_projection.model_history_of(k.workspace, k.sequence) h;
end
$body$;

create function marketplace.model_versions_at(_position bigint) returns setof marketplace.model_versions
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select h.* from marketplace_projection.cut(_position) k
  cross join lateral marketplace_projection.model_versions_of(k.workspace, k.sequence) h;
end
$body$;

create function marketplace.export_summary_at(_position bigint) returns setof marketplace.export_summary
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select h.* from marketplace_projection.cut(_position) k
  cross join lateral marketplace_projection.export_summary_of(k.workspace, k.sequence) h;
end
$body$;

create function marketplace.import_summary_at(_position bigint) returns setof marketplace.import_summary
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select h.* from marketplace_projection.cut(_position) k
  cross join lateral marketplace_projection.import_summary_of(k.workspace, k.sequence) h;
end
$body$;

create function marketplace.workspaces_at(_position bigint) returns setof marketplace.workspaces
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
begin
  return query
  select h.* from marketplace_projection.cut(_position) k
  cross join lateral marketplace_projection.workspaces_of(k.workspace, k.sequence) h;
end
$body$;

create function marketplace.catalog_at(_at timestamptz) returns setof marketplace.catalog
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.catalog_at(_position) h;
end
$body$;

comment on function marketplace.catalog_at(bigint) is
  'marketplace.catalog as it stood at this position of the ledger.';
comment on function marketplace.catalog_at(timestamptz) is
  'marketplace.catalog as we knew it at this time: at the last position sealed at or before it.';

create function marketplace.stage_history_at(_at timestamptz) returns setof marketplace.stage_history
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.stage_history_at(_position) h;
end
$body$;

comment on function marketplace.stage_history_at(bigint) is
  'marketplace.stage_history as it stood at this position of the ledger.';
comment on function marketplace.stage_history_at(timestamptz) is
  'marketplace.stage_history as we knew it at this time: at the last position sealed at or before it.';

create function marketplace.alias_history_at(_at timestamptz) returns setof marketplace.alias_history
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.alias_history_at(_position) h;
end
$body$;

comment on function marketplace.alias_history_at(bigint) is
  'marketplace.alias_history as it stood at this position of the ledger.';
comment on function marketplace.alias_history_at(timestamptz) is
  'marketplace.alias_history as we knew it at this time: at the last position sealed at or before it.';

create function marketplace.production_history_at(_at timestamptz) returns setof marketplace.production_history
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.production_history_at(_position) h;
end
$body$;

comment on function marketplace.production_history_at(bigint) is
  'marketplace.production_history as it stood at this position of the ledger.';
comment on function marketplace.production_history_at(timestamptz) is
  'marketplace.production_history as we knew it at this time: at the last position sealed at or before it.';

create function marketplace.availability_history_at(_at timestamptz) returns setof marketplace.availability_history
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.availability_history_at(_position) h;
end
$body$;

comment on function marketplace.availability_history_at(bigint) is
  'marketplace.availability_history as it stood at this position of the ledger.';
comment on function marketplace.availability_history_at(timestamptz) is
  'marketplace.availability_history as we knew it at this time: at the last position sealed at or before it.';

create function marketplace.model_history_at(_at timestamptz) returns setof marketplace.model_history
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.model_history_at(_position) h;
end
$body$;

comment on function marketplace.model_history_at(bigint) is
  'marketplace.model_history as it stood at this position of the ledger.';
comment on function marketplace.model_history_at(timestamptz) is
  'marketplace.model_history as we knew it at this time: at the last position sealed at or before it.';

create function marketplace.model_versions_at(_at timestamptz) returns setof marketplace.model_versions
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.model_versions_at(_position) h;
end
$body$;

comment on function marketplace.model_versions_at(bigint) is
  'marketplace.model_versions as it stood at this position of the ledger.';
comment on function marketplace.model_versions_at(timestamptz) is
  'marketplace.model_versions as we knew it at this time: at the last position sealed at or before it.';

create function marketplace.export_summary_at(_at timestamptz) returns setof marketplace.export_summary
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.export_summary_at(_position) h;
end
$body$;

comment on function marketplace.export_summary_at(bigint) is
  'marketplace.export_summary as it stood at this position of the ledger.';
comment on function marketplace.export_summary_at(timestamptz) is
  'marketplace.export_summary as we knew it at this time: at the last position sealed at or before it.';

create function marketplace.import_summary_at(_at timestamptz) returns setof marketplace.import_summary
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.import_summary_at(_position) h;
end
$body$;

comment on function marketplace.import_summary_at(bigint) is
  'marketplace.import_summary as it stood at this position of the ledger.';
comment on function marketplace.import_summary_at(timestamptz) is
  'marketplace.import_summary as we knew it at this time: at the last position sealed at or before it.';

create function marketplace.workspaces_at(_at timestamptz) returns setof marketplace.workspaces
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  -- first the position, then the answer: a seal that was under way is seen by both
  _position bigint := ledger.position_at(_at);
begin
  return query select h.* from marketplace.workspaces_at(_position) h;
end
$body$;

comment on function marketplace.workspaces_at(bigint) is
  'marketplace.workspaces as it stood at this position of the ledger.';
comment on function marketplace.workspaces_at(timestamptz) is
  'marketplace.workspaces as we knew it at this time: at the last position sealed at or before it.';
