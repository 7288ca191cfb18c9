-- Moves the projections over a range of a workspace's events: in the append that brings them, and in a rebuild. The
-- outcome does not depend on how the events were cut into ranges: every statement yields each intermediate state of
-- its range as if the events had come one by one.
--
-- The caller holds the workspace's head row, so nothing else moves these rows. The range is read once into arrays; each
-- part parses the events of its own types, once, and is left out when the range has none of them. Redacted events
-- (no data) move nothing.
set local role ledger_owner;

-- Some thousand events at a time: working out the current version costs events × candidates within a model.
create function marketplace_projection.apply(_workspace text, _first bigint, _last bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
declare
  _chunk_events constant bigint := 5000;
  _redacted boolean := false;
begin
  for _nth in 0 .. (_last - _first) / _chunk_events loop
    _redacted := marketplace_projection.apply_chunk(_workspace, _first + _nth * _chunk_events,
      least(_last, _first + (_nth + 1) * _chunk_events - 1)) or _redacted;
  end loop;
  -- what was taken in from an event that is empty now has to go: all over again, without it
  if _redacted then
    perform marketplace_projection.reset(_workspace);
    for _nth in 0 .. (_last - 1) / _chunk_events loop
      perform marketplace_projection.apply_chunk(_workspace, 1 + _nth * _chunk_events,
        least(_last, (_nth + 1) * _chunk_events));
    end loop;
  end if;
end
$body$;
comment on function marketplace_projection.apply(text, bigint, bigint) is
  'Moves the projections over these events of a workspace; each event exactly once and in order.';

create function marketplace_projection.apply_chunk(_workspace text, _first bigint, _last bigint) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
-- planned once in a session, and never against the statistics of an empty table: every look-up has its key
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $body$
#variable_conflict use_column
declare
  -- the events of the range, column by column
  _types text[];
  _s bigint[];
  _t timestamptz[];
  _k text[];
  _d json[];
  _runs uuid[];
  _principals text[];
  -- models whose catalog row may change
  _touched uuid[] := '{}';
  _more uuid[];
  -- points at which the current version may change
  _point_models uuid[] := '{}';
  _models uuid[];
  _point_s bigint[] := '{}';
  _point_t timestamptz[] := '{}';
  _point_b timestamptz[] := '{}';
  _point_a timestamptz[] := '{}';
  _point_k text[] := '{}';
  _pm uuid[];
  _ps bigint[];
  _pt timestamptz[];
  _pb timestamptz[];
  _pa timestamptz[];
  _pk text[];
  _rule_aliases text[];
  _rule_stages text[];
begin
  -- in the order of the key, so that the key's index is taken whatever the statistics say
  select array_agg(e.sequence), array_agg(e.recorded_at), array_agg(e.type), array_agg(e.data), array_agg(e.run),
    array_agg(e.principal)
  into _s, _t, _k, _d, _runs, _principals
  from (
    select x.sequence, x.recorded_at, x.type, x.data, x.run, x.principal
    from ledger.event x
    where x.workspace = _workspace and x.sequence >= _first and x.sequence <= _last and x.data is not null
    order by x.sequence limit _last - _first + 1
  ) e;
  if _s is null then
    return false;
  end if;
  _types := array(select distinct k from unnest(_k) as u (k));

  -- the connection and its rule -------------------------------------------------------------------------------------
  if _types && array['WorkspaceConnected', 'WorkspaceDisconnected'] then
    insert into marketplace_projection.connection (workspace, sequence, recorded_at, connected, registry, kind,
      mlflow_workspace, aliases, stages, reason)
    select _workspace, u.s, u.t, u.k = 'WorkspaceConnected', r.registry, r.kind, r.mlflow_workspace,
      coalesce(p.aliases, '{}'), coalesce(p.stages, '{}'), r.reason
    from unnest(_s, _t, _k, _d) as u (s, t, k, d)
    cross join json_to_record(u.d) as r (registry text, kind text, mlflow_workspace text, promoted json, reason text)
    left join json_to_record(r.promoted) as p (aliases text[], stages text[]) on u.k = 'WorkspaceConnected'
    where u.k in ('WorkspaceConnected', 'WorkspaceDisconnected');
  end if;

  -- observations ----------------------------------------------------------------------------------------------------
  if 'WorkspaceObserved' = any (_types) then
    insert into marketplace_projection.observation (workspace, sequence, recorded_at, complete, reason, message, models,
      versions, changes, observed_from, observed_to)
    select _workspace, u.s, u.t, r.outcome is not distinct from 'complete', r.reason, r.message, r.models, r.versions,
      r.changes, marketplace_projection.time_of(r.observed_from), marketplace_projection.time_of(r.observed_to)
    from unnest(_s, _t, _k, _d) as u (s, t, k, d),
      json_to_record(u.d) as r (outcome text, reason text, message text, models bigint, versions bigint,
        changes bigint, observed_from bigint, observed_to bigint)
    where u.k = 'WorkspaceObserved';
  end if;

  -- what counts as promoted at some time within the range -----------------------------------------------------------
  if _types && array['WorkspaceConnected', 'WorkspaceDisconnected', 'ModelVersionRegistered', 'StageTransitioned',
    'ModelVersionDeleted', 'AliasAssigned', 'AliasRemoved'] then
    select coalesce(array_agg(distinct x.alias) filter (where x.alias is not null), '{}'),
      coalesce(array_agg(distinct x.stage) filter (where x.stage is not null), '{}')
    into _rule_aliases, _rule_stages
    from (
      select unnest(c.aliases) as alias, unnest(c.stages) as stage
      from marketplace_projection.connection c
      where c.workspace = _workspace and c.sequence >= coalesce(
        (select max(b.sequence) from marketplace_projection.connection b
         where b.workspace = _workspace and b.sequence < _first), 0)
    ) x;
  end if;

  -- names -----------------------------------------------------------------------------------------------------------
  if _types && array['ModelVersionRegistered', 'ModelRenamed'] then
    with said as (
      select u.s, u.t, r.model, case u.k when 'ModelRenamed' then r."to" else r.name end as name, r.model_created,
        marketplace_projection.time_of(r.not_before) as b, marketplace_projection.time_of(r.not_after) as a
      from unnest(_s, _t, _k, _d) as u (s, t, k, d),
        json_to_record(u.d) as r (model uuid, name text, "to" text, model_created bigint, not_before bigint,
          not_after bigint)
      where u.k in ('ModelVersionRegistered', 'ModelRenamed')),
    changed as materialized (
      select x.*, lead(x.s) over k as next_s, lead(x.t) over k as next_t, lead(x.b) over k as next_b,
        lead(x.a) over k as next_a, row_number() over k as nr, min(x.s) over (partition by x.model) as first_s,
        min(x.t) over (partition by x.model) as first_t, min(x.model_created) over (partition by x.model) as made
      from (
        select y.*, coalesce(lag(y.name) over (partition by y.model order by y.s), m.name) as before
        from said y
        left join marketplace_projection.model m on m.workspace = _workspace and m.model = y.model
      ) x
      where x.name is distinct from x.before
      window k as (partition by x.model order by x.s)),
    shut as (
      insert into marketplace_projection.model_closed (workspace, model, to_sequence, name, from_sequence,
        from_recorded_at, from_not_before, from_not_after, to_recorded_at, to_not_before, to_not_after)
      select _workspace, c.model, c.next_s, c.name, c.s, c.t, c.b, c.a, c.next_t, c.next_b, c.next_a
      from changed c where c.next_s is not null
      union all
      select _workspace, c.model, c.s, m.name, m.from_sequence, m.from_recorded_at, m.from_not_before,
        m.from_not_after, c.t, c.b, c.a
      from changed c
      join marketplace_projection.model m on m.workspace = _workspace and m.model = c.model
      where c.nr = 1),
    moved as (
      insert into marketplace_projection.model as m (workspace, model, name, model_created, first_sequence,
        first_recorded_at, from_sequence, from_recorded_at, from_not_before, from_not_after)
      select _workspace, c.model, c.name, c.made, c.first_s, c.first_t, c.s, c.t, c.b, c.a
      from changed c where c.next_s is null
      on conflict (workspace, model) do update set name = excluded.name,
        model_created = least(m.model_created, excluded.model_created), from_sequence = excluded.from_sequence,
        from_recorded_at = excluded.from_recorded_at, from_not_before = excluded.from_not_before,
        from_not_after = excluded.from_not_after)
    select array_agg(c.model) into _more from changed c where c.next_s is null;
    _touched := _touched || _more;
  end if;

  -- aliases ---------------------------------------------------------------------------------------------------------
  if _types && array['AliasAssigned', 'AliasRemoved'] then
    with state as materialized (
      select x.*, lead(x.s) over k as next_s, lead(x.t) over k as next_t, lead(x.b) over k as next_b,
        lead(x.a) over k as next_a, row_number() over k as nr
      from (
        select u.s, u.t, u.k, r.model, r.alias, case when u.k = 'AliasAssigned' then r.version end as version,
          case when u.k = 'AliasAssigned' then r.created end as created,
          marketplace_projection.time_of(r.not_before) as b, marketplace_projection.time_of(r.not_after) as a
        from unnest(_s, _t, _k, _d) as u (s, t, k, d),
          json_to_record(u.d) as r (model uuid, alias text, version bigint, created bigint, not_before bigint,
            not_after bigint)
        where u.k in ('AliasAssigned', 'AliasRemoved')
      ) x
      window k as (partition by x.model, x.alias order by x.s)),
    shut as (
      insert into marketplace_projection.alias_closed (workspace, to_sequence, model, alias, version, created,
        from_sequence, from_recorded_at, from_not_before, from_not_after, to_recorded_at, to_not_before, to_not_after)
      select _workspace, x.next_s, x.model, x.alias, x.version, x.created, x.s, x.t, x.b, x.a, x.next_t, x.next_b,
        x.next_a
      from state x where x.next_s is not null
      union all
      select _workspace, x.s, m.model, m.alias, m.version, m.created, m.from_sequence, m.from_recorded_at,
        m.from_not_before, m.from_not_after, x.t, x.b, x.a
      from state x
      join marketplace_projection.model_alias m on m.workspace = _workspace and m.model = x.model and m.alias = x.alias
      where x.nr = 1),
    moved as (
      insert into marketplace_projection.model_alias as m (workspace, model, alias, version, created, from_sequence,
        from_recorded_at, from_not_before, from_not_after)
      select _workspace, x.model, x.alias, x.version, x.created, x.s, x.t, x.b, x.a
      from state x where x.next_s is null
      on conflict (workspace, model, alias) do update set version = excluded.version, created = excluded.created,
        from_sequence = excluded.from_sequence, from_recorded_at = excluded.from_recorded_at,
        from_not_before = excluded.from_not_before, from_not_after = excluded.from_not_after)
    select array_agg(x.model), array_agg(x.s), array_agg(x.t), array_agg(x.b), array_agg(x.a), array_agg(x.k)
    into _pm, _ps, _pt, _pb, _pa, _pk
    from state x
    where x.alias = any (_rule_aliases);
    _point_models := _point_models || _pm;
    _point_s := _point_s || _ps;
    _point_t := _point_t || _pt;
    _point_b := _point_b || _pb;
    _point_a := _point_a || _pa;
    _point_k := _point_k || _pk;
  end if;

  -- versions and their stages ---------------------------------------------------------------------------------------
  if _types && array['ModelVersionRegistered', 'StageTransitioned', 'ModelVersionDeleted'] then
    with said as materialized (
      select u.s, u.t, u.k, r.model, r.version, r.created, case when u.k = 'ModelVersionRegistered' then r.source end as source,
        case when u.k = 'ModelVersionRegistered' then r.run_id end as run_id,
        case when u.k = 'ModelVersionRegistered' then r.model_id end as model_id,
        case u.k when 'ModelVersionRegistered' then 'None' when 'StageTransitioned' then coalesce(r."to", 'None') end
          as stage,
        marketplace_projection.time_of(r.not_before) as b, marketplace_projection.time_of(r.not_after) as a,
        marketplace_projection.time_of(r.source_time) as source_time
      from unnest(_s, _t, _k, _d) as u (s, t, k, d),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, source text, run_id text, model_id text,
          "to" text, not_before bigint, not_after bigint, source_time bigint)
      where u.k in ('ModelVersionRegistered', 'StageTransitioned', 'ModelVersionDeleted')),
    state as materialized (
      select x.*, lead(x.s) over k as next_s, lead(x.t) over k as next_t, lead(x.b) over k as next_b,
        lead(x.a) over k as next_a, lead(x.source_time) over k as next_source_time, row_number() over k as nr,
        lag(x.stage) over k as stage_before,
        -- the first registration speaks for the version
        first_value(case when x.k = 'ModelVersionRegistered' then x.s end) over f as registered_s,
        first_value(case when x.k = 'ModelVersionRegistered' then x.t end) over f as registered_t,
        first_value(x.source) over f as registered_source,
        first_value(x.run_id) over f as registered_run_id,
        first_value(x.model_id) over f as registered_model_id
      from said x
      window k as (partition by x.model, x.version, x.created order by x.s),
        f as (partition by x.model, x.version, x.created order by x.k <> 'ModelVersionRegistered', x.s)),
    shut as (
      insert into marketplace_projection.stage_closed (workspace, to_sequence, model, version, created, stage,
        from_sequence, from_recorded_at, from_not_before, from_not_after, from_source_time, to_recorded_at,
        to_not_before, to_not_after, to_source_time)
      select _workspace, x.next_s, x.model, x.version, x.created, x.stage, x.s, x.t, x.b, x.a, x.source_time, x.next_t,
        x.next_b, x.next_a, x.next_source_time
      from state x where x.next_s is not null
      union all
      select _workspace, x.s, m.model, m.version, m.created, m.stage, m.from_sequence, m.from_recorded_at,
        m.from_not_before, m.from_not_after, m.from_source_time, x.t, x.b, x.a, x.source_time
      from state x
      join marketplace_projection.model_version m on m.workspace = _workspace and m.model = x.model
        and m.version = x.version and m.created = x.created
      where x.nr = 1),
    moved as (
      insert into marketplace_projection.model_version as m (workspace, model, version, created, stage, from_sequence,
        from_recorded_at, from_not_before, from_not_after, from_source_time, registered_sequence, registered_at,
        source, run_id, model_id)
      select _workspace, x.model, x.version, x.created, x.stage, x.s, x.t, x.b, x.a, x.source_time, x.registered_s,
        x.registered_t, x.registered_source, x.registered_run_id, x.registered_model_id
      from state x
      where x.next_s is null
      on conflict (workspace, model, version, created) do update set stage = excluded.stage,
        from_sequence = excluded.from_sequence, from_recorded_at = excluded.from_recorded_at,
        from_not_before = excluded.from_not_before, from_not_after = excluded.from_not_after,
        from_source_time = excluded.from_source_time,
        registered_sequence = coalesce(m.registered_sequence, excluded.registered_sequence),
        registered_at = coalesce(m.registered_at, excluded.registered_at),
        source = case when m.registered_sequence is null then excluded.source else m.source end,
        run_id = case when m.registered_sequence is null then excluded.run_id else m.run_id end,
        model_id = case when m.registered_sequence is null then excluded.model_id else m.model_id end)
    select array_agg(x.model), array_agg(x.s), array_agg(x.t), array_agg(x.b), array_agg(x.a), array_agg(x.k)
    into _pm, _ps, _pt, _pb, _pa, _pk
    from state x
    -- What cannot move the current version is no point: a transition between two stages that do not count, and the
    -- registration of a version that nothing points at.
    where not case x.k
      when 'StageTransitioned' then x.stage <> all (_rule_stages)
        and case
          when x.nr > 1 then x.stage_before is not null and x.stage_before <> all (_rule_stages)
          else exists (
            select from marketplace_projection.model_version m
            where m.workspace = _workspace and m.model = x.model and m.version = x.version and m.created = x.created
              and m.stage is not null and m.stage <> all (_rule_stages))
        end
      when 'ModelVersionRegistered' then x.stage <> all (_rule_stages) and x.nr = 1
        and not exists (
          select from marketplace_projection.model_version m
          where m.workspace = _workspace and m.model = x.model and m.version = x.version and m.created = x.created)
        and (_rule_aliases = '{}' or not _types && array['AliasAssigned', 'AliasRemoved'] and not exists (
          select from marketplace_projection.model_alias a
          where a.workspace = _workspace and a.model = x.model and a.version = x.version))
      else false
    end;
    _point_models := _point_models || _pm;
    _point_s := _point_s || _ps;
    _point_t := _point_t || _pt;
    _point_b := _point_b || _pb;
    _point_a := _point_a || _pa;
    _point_k := _point_k || _pk;
  end if;

  -- the points of a changed rule: every model of the workspace ------------------------------------------------------
  if _types && array['WorkspaceConnected', 'WorkspaceDisconnected'] then
    with rule as (
      select c.sequence, c.recorded_at, c.connected,
        (c.connected, c.aliases, c.stages) is distinct from
        (lag(c.connected) over k, lag(c.aliases) over k, lag(c.stages) over k) as changed
      from marketplace_projection.connection c
      where c.workspace = _workspace and c.sequence >= coalesce(
        (select max(b.sequence) from marketplace_projection.connection b
         where b.workspace = _workspace and b.sequence < _first), 0)
      window k as (order by c.sequence))
    -- the rule changed at that moment; what it was applied to was last seen when the workspace was last read
    select array_agg(m.model), array_agg(r.sequence), array_agg(r.recorded_at),
      array_agg(case when o.observed_to is not null then least(o.observed_to, r.recorded_at) end),
      array_agg(case when r.connected then 'WorkspaceConnected' else 'WorkspaceDisconnected' end)
    into _pm, _ps, _pt, _pb, _pk
    from rule r
    left join lateral (
      select b.observed_to from marketplace_projection.observation b
      where b.workspace = _workspace and b.complete and b.sequence < r.sequence
      order by b.sequence desc limit 1
    ) o on true
    cross join (
      select distinct v.model from marketplace_projection.model_version v where v.workspace = _workspace) m
    where r.changed and r.sequence >= _first;
    _point_models := _point_models || _pm;
    _point_s := _point_s || _ps;
    _point_t := _point_t || _pt;
    _point_b := _point_b || _pb;
    _point_a := _point_a || _pt;
    _point_k := _point_k || _pk;
  end if;

  -- the current version: what the source means ----------------------------------------------------------------------
  if _point_models <> '{}' then
    _models := array(select distinct p.model from unnest(_point_models) as p (model));
    with rule as materialized (
      select c.sequence, lead(c.sequence) over (order by c.sequence) as next_sequence, c.aliases, c.stages
      from marketplace_projection.connection c
      where c.workspace = _workspace and c.sequence >= coalesce(
        (select max(b.sequence) from marketplace_projection.connection b
         where b.workspace = _workspace and b.sequence < _first), 0)),
    -- versions in a stage that may count, while it held within the range
    staged as (
      select m.model, m.version, m.created, m.stage, m.from_sequence, null::bigint as to_sequence
      from marketplace_projection.model_version m
      where m.workspace = _workspace and m.model = any (_models) and m.stage = any (_rule_stages)
      union all
      select c.model, c.version, c.created, c.stage, c.from_sequence, c.to_sequence
      from marketplace_projection.stage_closed c
      where c.workspace = _workspace and c.to_sequence > _first and c.model = any (_models)
        and c.stage = any (_rule_stages)),
    -- versions under an alias that may count, while it was set and the version lived within the range
    pointed as (
      select m.model, m.alias, m.version, m.created, m.from_sequence, null::bigint as to_sequence
      from marketplace_projection.model_alias m
      where m.workspace = _workspace and m.model = any (_models) and m.alias = any (_rule_aliases)
        and m.version is not null
      union all
      select c.model, c.alias, c.version, c.created, c.from_sequence, c.to_sequence
      from marketplace_projection.alias_closed c
      where c.workspace = _workspace and c.to_sequence > _first and c.model = any (_models)
        and c.alias = any (_rule_aliases) and c.version is not null),
    aliased as (
      select p.model, p.alias, p.version, p.created, greatest(p.from_sequence, l.from_sequence) as from_sequence,
        least(p.to_sequence, l.to_sequence) as to_sequence
      from pointed p
      join lateral (
        select m.from_sequence, null::bigint as to_sequence
        from marketplace_projection.model_version m
        where m.workspace = _workspace and m.model = p.model and m.version = p.version and m.created = p.created
          and m.stage is not null
        union all
        select c.from_sequence, c.to_sequence
        from marketplace_projection.stage_closed c
        where c.workspace = _workspace and c.to_sequence > _first and c.model = p.model and c.version = p.version
          and c.created = p.created and c.stage is not null
      ) l on true),
    candidate as materialized (
      select model, version, created, stage, null::text as alias, from_sequence, to_sequence from staged
      union all
      select model, version, created, null, alias, from_sequence, to_sequence from aliased),
    -- the best candidate under the rule of that moment, at every point
    meant as (
      select distinct on (p.model, p.s) p.model, p.s, p.t, p.b, p.a, p.k, c.version, c.created
      from unnest(_point_models, _point_s, _point_t, _point_b, _point_a, _point_k) as p (model, s, t, b, a, k)
      left join rule r on r.sequence <= p.s and (r.next_sequence is null or p.s < r.next_sequence)
      left join candidate c on c.model = p.model and c.from_sequence <= p.s
        and (c.to_sequence is null or p.s < c.to_sequence)
        and (c.alias = any (r.aliases) or c.stage = any (r.stages))
      order by p.model, p.s, array_position(r.aliases, c.alias), array_position(r.stages, c.stage), c.version desc,
        c.created desc),
    changed as materialized (
      select x.*, lead(x.s) over k as next_s, lead(x.t) over k as next_t, lead(x.b) over k as next_b,
        lead(x.a) over k as next_a, lead(x.k) over k as next_k, row_number() over k as nr
      from (
        select y.*,
          case when row_number() over w = 1 then o.version else lag(y.version) over w end as version_before,
          case when row_number() over w = 1 then o.created else lag(y.created) over w end as created_before
        from meant y
        left join marketplace_projection.current_version o on o.workspace = _workspace and o.model = y.model
        window w as (partition by y.model order by y.s)
      ) x
      where (x.version, x.created) is distinct from (x.version_before, x.created_before)
      window k as (partition by x.model order by x.s)),
    shut as (
      insert into marketplace_projection.current_closed (workspace, model, to_sequence, version, created, cause,
        from_sequence, from_recorded_at, from_not_before, from_not_after, to_cause, to_recorded_at, to_not_before,
        to_not_after)
      select _workspace, x.model, x.next_s, x.version, x.created, x.k, x.s, x.t, x.b, x.a, x.next_k, x.next_t,
        x.next_b, x.next_a
      from changed x where x.next_s is not null
      union all
      select _workspace, x.model, x.s, o.version, o.created, o.cause, o.from_sequence, o.from_recorded_at,
        o.from_not_before, o.from_not_after, x.k, x.t, x.b, x.a
      from changed x
      join marketplace_projection.current_version o on o.workspace = _workspace and o.model = x.model
      where x.nr = 1),
    moved as (
      insert into marketplace_projection.current_version as o (workspace, model, version, created, cause,
        from_sequence, from_recorded_at, from_not_before, from_not_after)
      select _workspace, x.model, x.version, x.created, x.k, x.s, x.t, x.b, x.a
      from changed x where x.next_s is null
      on conflict (workspace, model) do update set version = excluded.version, created = excluded.created,
        cause = excluded.cause, from_sequence = excluded.from_sequence, from_recorded_at = excluded.from_recorded_at,
        from_not_before = excluded.from_not_before, from_not_after = excluded.from_not_after)
    select array_agg(x.model) into _more from changed x where x.next_s is null;
    _touched := _touched || _more;
  end if;

  -- descriptions ----------------------------------------------------------------------------------------------------
  if 'ModelDescribed' = any (_types) then
    with added as (
      insert into marketplace_projection.description (workspace, model, version, sequence, recorded_at, description,
        owner, tags, flavors, signature, metrics, params, run_name, experiment)
      select _workspace, r.model, coalesce(r.version, 0), u.s, u.t, r.description, r.owner, r.tags, r.flavors,
        r.signature, r.metrics, r.params, r.run_name, r.experiment
      from unnest(_s, _t, _k, _d) as u (s, t, k, d),
        json_to_record(u.d) as r (model uuid, version bigint, description text, owner text, tags json, flavors text[],
          signature json, metrics json, params json, run_name text, experiment text)
      where u.k = 'ModelDescribed'
      returning model)
    select array_agg(model) into _more from added;
    _touched := _touched || _more;
  end if;

  -- exports ---------------------------------------------------------------------------------------------------------
  if 'ModelExported' = any (_types) then
    with added as (
      insert into marketplace_projection.export (workspace, model, version, sequence, recorded_at, created, generation,
        export_id, uri, manifest_sha256, model_sha256, files, bytes, run, principal)
      select _workspace, r.model, r.version, u.s, u.t, r.created, r.generation, r.export_id, r.uri, r.manifest_sha256,
        r.model_sha256, r.files, r.bytes, u.run, u.principal
      from unnest(_s, _t, _k, _d, _runs, _principals) as u (s, t, k, d, run, principal),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, export_id uuid,
          uri text, manifest_sha256 text, model_sha256 text, files bigint, bytes bigint)
      where u.k = 'ModelExported'
      returning model)
    select array_agg(model) into _more from added;
    _touched := _touched || _more;
  end if;

  if 'ExportInvalidated' = any (_types) then
    with said as materialized (
      select u.s, u.t, r.*
      from unnest(_s, _t, _k, _d) as u (s, t, k, d),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, reason text)
      where u.k = 'ExportInvalidated'),
    ended as (
      update marketplace_projection.export e
      set invalidated_sequence = i.s, invalidated_at = i.t, invalidated_reason = i.reason
      from (
        select distinct on (x.model, x.version, x.sequence) x.model, x.version, x.sequence, i.s, i.t, i.reason
        from said i
        join marketplace_projection.export x on x.workspace = _workspace and x.model = i.model
          and x.version = i.version and x.created = i.created and x.generation = i.generation
          and x.sequence < i.s and x.invalidated_sequence is null
        order by x.model, x.version, x.sequence, i.s
      ) i
      where e.workspace = _workspace and e.model = i.model and e.version = i.version and e.sequence = i.sequence)
    select array_agg(model) into _more from said;
    _touched := _touched || _more;
  end if;

  if 'ExportFailed' = any (_types) then
    with added as (
      insert into marketplace_projection.export_failure (workspace, model, version, sequence, recorded_at, created,
        generation, code, message, retriable, run, principal)
      select _workspace, r.model, r.version, u.s, u.t, r.created, r.generation, r.code, r.message, r.retriable, u.run,
        u.principal
      from unnest(_s, _t, _k, _d, _runs, _principals) as u (s, t, k, d, run, principal),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, code text,
          message text, retriable boolean)
      where u.k = 'ExportFailed'
      returning model)
    select array_agg(model) into _more from added;
    _touched := _touched || _more;
  end if;

  -- imports ---------------------------------------------------------------------------------------------------------
  if 'ModelImported' = any (_types) then
    with added as (
      insert into marketplace_projection.import (workspace, model, version, sequence, recorded_at, created, generation,
        export_id, target, marketplace_name, marketplace_version, marketplace_run_id, manifest_sha256, run, principal)
      select _workspace, r.model, r.version, u.s, u.t, r.created, r.generation, r.export_id, r.target,
        r.marketplace_name, r.marketplace_version, r.marketplace_run_id, r.manifest_sha256, u.run, u.principal
      from unnest(_s, _t, _k, _d, _runs, _principals) as u (s, t, k, d, run, principal),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, export_id uuid,
          target text, marketplace_name text, marketplace_version bigint, marketplace_run_id text,
          manifest_sha256 text)
      where u.k = 'ModelImported'
      returning model)
    select array_agg(model) into _more from added;
    _touched := _touched || _more;
  end if;

  if 'ImportFailed' = any (_types) then
    with added as (
      insert into marketplace_projection.import_failure (workspace, model, version, sequence, recorded_at, created,
        generation, export_id, target, code, message, retriable, run, principal)
      select _workspace, r.model, r.version, u.s, u.t, r.created, r.generation, r.export_id, r.target, r.code,
        r.message, r.retriable, u.run, u.principal
      from unnest(_s, _t, _k, _d, _runs, _principals) as u (s, t, k, d, run, principal),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, export_id uuid,
          target text, code text, message text, retriable boolean)
      where u.k = 'ImportFailed'
      returning model)
    select array_agg(model) into _more from added;
    _touched := _touched || _more;
  end if;

  if 'ImportLost' = any (_types) then
    with said as materialized (
      select u.s, u.t, r.*
      from unnest(_s, _t, _k, _d) as u (s, t, k, d),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, target text,
          reason text)
      where u.k = 'ImportLost'),
    ended as (
      update marketplace_projection.import e
      set lost_sequence = i.s, lost_at = i.t, lost_reason = i.reason
      from (
        select distinct on (x.model, x.version, x.sequence) x.model, x.version, x.sequence, i.s, i.t, i.reason
        from said i
        join marketplace_projection.import x on x.workspace = _workspace and x.model = i.model
          and x.version = i.version and x.created = i.created and x.generation = i.generation
          and x.target = i.target and x.sequence < i.s and x.lost_sequence is null
        order by x.model, x.version, x.sequence, i.s
      ) i
      where e.workspace = _workspace and e.model = i.model and e.version = i.version and e.sequence = i.sequence)
    select array_agg(model) into _more from said;
    _touched := _touched || _more;
  end if;

  -- what can be loaded ----------------------------------------------------------------------------------------------
  if _types && array['MarketplacePromotionSet', 'ImportLost'] then
    with said as materialized (
      select u.s, u.t, u.k, r.*
      from unnest(_s, _t, _k, _d) as u (s, t, k, d),
        json_to_record(u.d) as r (model uuid, target text, marketplace_name text, "to" bigint, version bigint,
          cause text, marketplace_version bigint)
      where u.k in ('MarketplacePromotionSet', 'ImportLost')),
    -- promotions of the range, and the one it starts with
    set_to as (
      select x.model, x.target, x.s, x.t, x.marketplace_name, x."to" as marketplace_version,
        case when x."to" is not null then x.version end as version, coalesce(x.cause, 'promotion') as cause
      from said x where x.k = 'MarketplacePromotionSet'
      union all
      select o.model, o.target, o.from_sequence, o.from_recorded_at, o.marketplace_name, o.marketplace_version,
        o.version, o.cause
      from marketplace_projection.promotion o
      where o.workspace = _workspace and o.model in (select x.model from said x)),
    -- the first loss of that version before the next promotion ends it too
    lost as (
      select distinct on (p.model, p.target, p.s) p.model, p.target, x.s, x.t, p.marketplace_name
      from (select q.*, lead(q.s) over (partition by q.model, q.target order by q.s) as next_s from set_to q) p
      join said x on x.k = 'ImportLost' and x.model = p.model and x.target = p.target
        and x.marketplace_version = p.marketplace_version and x.s > p.s and (p.next_s is null or x.s < p.next_s)
      order by p.model, p.target, p.s, x.s),
    state as materialized (
      select y.*, lead(y.s) over k as next_s, lead(y.t) over k as next_t, lead(y.cause) over k as next_cause
      from (
        select * from set_to
        union all
        select l.model, l.target, l.s, l.t, l.marketplace_name, null, null, 'lost' from lost l
      ) y
      window k as (partition by y.model, y.target order by y.s)),
    shut as (
      insert into marketplace_projection.promotion_closed (workspace, model, to_sequence, target, marketplace_name,
        marketplace_version, version, cause, from_sequence, from_recorded_at, to_cause, to_recorded_at)
      select _workspace, y.model, y.next_s, y.target, y.marketplace_name, y.marketplace_version, y.version, y.cause,
        y.s, y.t, y.next_cause, y.next_t
      from state y where y.next_s is not null),
    moved as (
      insert into marketplace_projection.promotion as o (workspace, model, target, marketplace_name,
        marketplace_version, version, cause, from_sequence, from_recorded_at)
      select _workspace, y.model, y.target, y.marketplace_name, y.marketplace_version, y.version, y.cause, y.s, y.t
      from state y where y.next_s is null and y.s >= _first
      on conflict (workspace, model, target) do update set marketplace_name = excluded.marketplace_name,
        marketplace_version = excluded.marketplace_version, version = excluded.version, cause = excluded.cause,
        from_sequence = excluded.from_sequence, from_recorded_at = excluded.from_recorded_at)
    select array_agg(model) into _more from said;
    _touched := _touched || _more;
  end if;

  if 'MarketplaceDriftFound' = any (_types) then
    insert into marketplace_projection.drift (workspace, model, sequence, recorded_at, target, marketplace_name, kind,
      found, expected)
    select _workspace, r.model, u.s, u.t, r.target, r.marketplace_name, r.kind, r.found, r.expected
    from unnest(_s, _t, _k, _d) as u (s, t, k, d),
      json_to_record(u.d) as r (model uuid, target text, marketplace_name text, kind text, found text, expected text)
    where u.k = 'MarketplaceDriftFound';
  end if;

  -- the catalog rows of the touched models, once --------------------------------------------------------------------
  if _touched <> '{}' then
    insert into marketplace_projection.catalog as c (workspace, model, name, marketplace_name, target, version,
      source_version, source_created, available_version, marketplace_version, state, reason, since,
      described_sequence, version_described_sequence, export_sequence, import_sequence, sequence, recorded_at)
    select r.workspace, r.model, r.name, r.marketplace_name, r.target, r.version, r.source_version, r.source_created,
      r.available_version, r.marketplace_version, r.state, r.reason, r.since, r.described_sequence,
      r.version_described_sequence, r.export_sequence, r.import_sequence, r.sequence, r.recorded_at
    from (select array_agg(distinct t.model) as models from unnest(_touched) as t (model)) m
    cross join marketplace_projection.catalog_of(_workspace, m.models, _last) r
    on conflict (workspace, model) do update set name = excluded.name, marketplace_name = excluded.marketplace_name,
      target = excluded.target, version = excluded.version, source_version = excluded.source_version,
      source_created = excluded.source_created, available_version = excluded.available_version,
      marketplace_version = excluded.marketplace_version, state = excluded.state, reason = excluded.reason,
      since = excluded.since, described_sequence = excluded.described_sequence,
      version_described_sequence = excluded.version_described_sequence, export_sequence = excluded.export_sequence,
      import_sequence = excluded.import_sequence, sequence = excluded.sequence, recorded_at = excluded.recorded_at
    -- every fact has its sequence, so a row whose newest fact is the same is the same row
    where c.sequence <> excluded.sequence;
  end if;
  return 'EventRedacted' = any (_types);
end
$body$;
comment on function marketplace_projection.apply_chunk(text, bigint, bigint) is
  'One stretch of `apply`, bounded so that a rebuild needs little memory; whether it holds a redaction.';

create function marketplace_projection.reset(_workspace text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
begin
  delete from marketplace_projection.catalog where workspace = _workspace;
  delete from marketplace_projection.drift where workspace = _workspace;
  delete from marketplace_projection.promotion_closed where workspace = _workspace;
  delete from marketplace_projection.promotion where workspace = _workspace;
  delete from marketplace_projection.import_failure where workspace = _workspace;
  delete from marketplace_projection.import where workspace = _workspace;
  delete from marketplace_projection.export_failure where workspace = _workspace;
  delete from marketplace_projection.export where workspace = _workspace;
  delete from marketplace_projection.description where workspace = _workspace;
  delete from marketplace_projection.current_closed where workspace = _workspace;
  delete from marketplace_projection.current_version where workspace = _workspace;
  delete from marketplace_projection.alias_closed where workspace = _workspace;
  delete from marketplace_projection.model_alias where workspace = _workspace;
  delete from marketplace_projection.stage_closed where workspace = _workspace;
  delete from marketplace_projection.model_version where workspace = _workspace;
  delete from marketplace_projection.model_closed where workspace = _workspace;
  delete from marketplace_projection.model where workspace = _workspace;
  delete from marketplace_projection.observation where workspace = _workspace;
  delete from marketplace_projection.connection where workspace = _workspace;
end
$body$;
comment on function marketplace_projection.reset(text) is 'Deletes the workspace''s rows, before a rebuild.';
