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
    c.since, c.description, c.owner, c.tags, c.version_description, c.flavors, c.signature, c.export_id, c.uri,
    c.manifest_sha256, c.model_sha256, c.files, c.bytes, c.sequence, c.recorded_at
  from marketplace_projection.cut(_position) k
  -- whatever was in the catalog then has a row there still, if only as withdrawn
  cross join lateral (
    select array_agg(x.model) as models from marketplace_projection.catalog x where x.workspace = k.workspace) m
  cross join lateral marketplace_projection.catalog_of(k.workspace, m.models, k.sequence) c
  where c.state <> 'withdrawn';
end
$body$;

-- The others differ in nothing but the name.
do $$
declare
  _view text;
begin
  foreach _view in array array['stage_history', 'alias_history', 'production_history', 'availability_history',
    'model_history', 'model_versions', 'export_summary', 'import_summary', 'workspaces']
  loop
    execute format($create$
      create function marketplace.%1$s_at(_position bigint) returns setof marketplace.%1$s
      language plpgsql stable security definer
      set search_path = pg_catalog, pg_temp
      set jit = off
      as $body$
      begin
        return query
        select h.* from marketplace_projection.cut(_position) k
        cross join lateral marketplace_projection.%1$s_of(k.workspace, k.sequence) h;
      end
      $body$
      $create$, _view);
  end loop;

  foreach _view in array array['catalog', 'stage_history', 'alias_history', 'production_history',
    'availability_history', 'model_history', 'model_versions', 'export_summary', 'import_summary', 'workspaces']
  loop
    execute format($create$
      create function marketplace.%1$s_at(_at timestamptz) returns setof marketplace.%1$s
      language plpgsql security definer
      set search_path = pg_catalog, pg_temp
      set jit = off
      as $body$
      declare
        -- first the position, then the answer: a seal that was under way is seen by both
        _position bigint := ledger.position_at(_at);
      begin
        return query select h.* from marketplace.%1$s_at(_position) h;
      end
      $body$
      $create$, _view);
    execute format($comment$comment on function marketplace.%1$s_at(bigint) is
      'marketplace.%1$s as it stood at this position of the ledger.'$comment$, _view);
    execute format($comment$comment on function marketplace.%1$s_at(timestamptz) is
      'marketplace.%1$s as we knew it at this time: at the last position sealed at or before it.'$comment$, _view);
  end loop;
end $$;
