-- What the projections say of one workspace at one of its sequences. The views of schema marketplace ask for the
-- newest, the as-of functions for that of a cut: one text for both. Plain SQL, inlined into its callers.
set local role ledger_owner;

create function marketplace_projection.newest() returns bigint
language sql immutable as $$ select 9223372036854775807 $$;
comment on function marketplace_projection.newest() is 'A sequence after every other.';

-- Two observations bracket what happened between them: it happened in [not_before, not_after). So what it began is
-- certain only after that bracket, and what it ended was certain only before it.
create function marketplace_projection.certain(_began_not_after timestamptz, _ended_not_before timestamptz)
returns tstzrange language sql immutable as $$
  select case when _began_not_after < _ended_not_before then tstzrange(_began_not_after, _ended_not_before)
    else 'empty' end
$$;
comment on function marketplace_projection.certain(timestamptz, timestamptz) is
  'From the observation that first saw it to the last that still did; empty when no two observations agree.';

create function marketplace_projection.possible(_began_not_before timestamptz, _ended_not_after timestamptz)
returns tstzrange language sql immutable as $$
  select case when _began_not_before > _ended_not_after then 'empty'
    else tstzrange(_began_not_before, _ended_not_after) end
$$;
comment on function marketplace_projection.possible(timestamptz, timestamptz) is
  'From the last observation that did not yet see it to the first that no longer did; unbounded where there is none.';

-- The name of a model at a sequence.
create function marketplace_projection.name_of(_workspace text, _model uuid, _at bigint)
returns table (name text, sequence bigint, recorded_at timestamptz)
language sql stable as $$
  select o.name, o.from_sequence, o.from_recorded_at
  from marketplace_projection.model o
  where o.workspace = _workspace and o.model = _model and o.from_sequence <= _at
  union all
  (select c.name, c.from_sequence, c.from_recorded_at
   from marketplace_projection.model_closed c
   where c.workspace = _workspace and c.model = _model and c.to_sequence > _at and c.from_sequence <= _at
   order by c.to_sequence limit 1)
$$;

-- The names of all models at a sequence.
create function marketplace_projection.names_of(_workspace text, _at bigint)
returns table (model uuid, name text)
language sql stable as $$
  select o.model, o.name from marketplace_projection.model o
  where o.workspace = _workspace and o.from_sequence <= _at
  union all
  select c.model, c.name from marketplace_projection.model_closed c
  where c.workspace = _workspace and c.from_sequence <= _at and c.to_sequence > _at
$$;

-- The version the source means at a sequence; null: none.
create function marketplace_projection.current_of(_workspace text, _model uuid, _at bigint)
returns table (version bigint, created bigint, sequence bigint, recorded_at timestamptz)
language sql stable as $$
  select o.version, o.created, o.from_sequence, o.from_recorded_at
  from marketplace_projection.current_version o
  where o.workspace = _workspace and o.model = _model and o.from_sequence <= _at
  union all
  (select c.version, c.created, c.from_sequence, c.from_recorded_at
   from marketplace_projection.current_closed c
   where c.workspace = _workspace and c.model = _model and c.to_sequence > _at and c.from_sequence <= _at
   order by c.to_sequence limit 1)
$$;

-- The end of the last complete observation: until then an open interval is certain.
create function marketplace_projection.observed_to_of(_workspace text, _at bigint)
returns table (observed_to timestamptz)
language sql stable as $$
  select (
    select o.observed_to
    from marketplace_projection.observation o
    where o.workspace = _workspace and o.complete and o.sequence <= _at
    order by o.sequence desc limit 1)
$$;

create function marketplace_projection.stage_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, version bigint, created timestamptz, stage text, from_sequence bigint,
  to_sequence bigint, from_recorded_at timestamptz, to_recorded_at timestamptz, certain tstzrange,
  possible tstzrange, source_time timestamptz)
language sql stable as $$
  select _workspace, h.model, n.name, h.version, marketplace_projection.time_of(h.created), h.stage, h.from_sequence,
    h.to_sequence, h.from_recorded_at, h.to_recorded_at,
    marketplace_projection.certain(h.from_not_after,
      case when h.to_sequence is null then b.observed_to else h.to_not_before end),
    marketplace_projection.possible(h.from_not_before, h.to_not_after), h.from_source_time
  from marketplace_projection.observed_to_of(_workspace, _at) b
  cross join lateral (
    select o.model, o.version, o.created, o.stage, o.from_sequence, null::bigint as to_sequence, o.from_recorded_at,
      null::timestamptz as to_recorded_at, o.from_not_before, o.from_not_after, null::timestamptz as to_not_before,
      null::timestamptz as to_not_after, o.from_source_time
    from marketplace_projection.model_version o
    where o.workspace = _workspace and o.from_sequence <= _at and o.stage is not null
    union all
    select c.model, c.version, c.created, c.stage, c.from_sequence, case when c.to_sequence <= _at then c.to_sequence end,
      c.from_recorded_at, case when c.to_sequence <= _at then c.to_recorded_at end, c.from_not_before, c.from_not_after,
      case when c.to_sequence <= _at then c.to_not_before end, case when c.to_sequence <= _at then c.to_not_after end,
      c.from_source_time
    from marketplace_projection.stage_closed c
    where c.workspace = _workspace and c.from_sequence <= _at and c.stage is not null
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;

create function marketplace_projection.alias_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, alias text, version bigint, created timestamptz, from_sequence bigint,
  to_sequence bigint, from_recorded_at timestamptz, to_recorded_at timestamptz, certain tstzrange, possible tstzrange)
language sql stable as $$
  select _workspace, h.model, n.name, h.alias, h.version, marketplace_projection.time_of(h.created), h.from_sequence,
    h.to_sequence, h.from_recorded_at, h.to_recorded_at,
    marketplace_projection.certain(h.from_not_after,
      case when h.to_sequence is null then b.observed_to else h.to_not_before end),
    marketplace_projection.possible(h.from_not_before, h.to_not_after)
  from marketplace_projection.observed_to_of(_workspace, _at) b
  cross join lateral (
    select o.model, o.alias, o.version, o.created, o.from_sequence, null::bigint as to_sequence, o.from_recorded_at,
      null::timestamptz as to_recorded_at, o.from_not_before, o.from_not_after, null::timestamptz as to_not_before,
      null::timestamptz as to_not_after
    from marketplace_projection.model_alias o
    where o.workspace = _workspace and o.from_sequence <= _at and o.version is not null
    union all
    select c.model, c.alias, c.version, c.created, c.from_sequence, case when c.to_sequence <= _at then c.to_sequence end,
      c.from_recorded_at, case when c.to_sequence <= _at then c.to_recorded_at end, c.from_not_before, c.from_not_after,
      case when c.to_sequence <= _at then c.to_not_before end, case when c.to_sequence <= _at then c.to_not_after end
    from marketplace_projection.alias_closed c
    where c.workspace = _workspace and c.from_sequence <= _at and c.version is not null
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;

create function marketplace_projection.production_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, version bigint, created timestamptz, from_sequence bigint, to_sequence bigint,
  from_recorded_at timestamptz, to_recorded_at timestamptz, certain tstzrange, possible tstzrange, began_by text,
  ended_by text)
language sql stable as $$
  select _workspace, h.model, n.name, h.version, marketplace_projection.time_of(h.created), h.from_sequence,
    h.to_sequence, h.from_recorded_at, h.to_recorded_at,
    marketplace_projection.certain(h.from_not_after,
      case when h.to_sequence is null then b.observed_to else h.to_not_before end),
    marketplace_projection.possible(h.from_not_before, h.to_not_after), h.cause, h.to_cause
  from marketplace_projection.observed_to_of(_workspace, _at) b
  cross join lateral (
    select o.model, o.version, o.created, o.from_sequence, null::bigint as to_sequence, o.from_recorded_at,
      null::timestamptz as to_recorded_at, o.from_not_before, o.from_not_after, null::timestamptz as to_not_before,
      null::timestamptz as to_not_after, o.cause, null::text as to_cause
    from marketplace_projection.current_version o
    where o.workspace = _workspace and o.from_sequence <= _at and o.version is not null
    union all
    select c.model, c.version, c.created, c.from_sequence, case when c.to_sequence <= _at then c.to_sequence end,
      c.from_recorded_at, case when c.to_sequence <= _at then c.to_recorded_at end, c.from_not_before, c.from_not_after,
      case when c.to_sequence <= _at then c.to_not_before end, case when c.to_sequence <= _at then c.to_not_after end,
      c.cause, case when c.to_sequence <= _at then c.to_cause end
    from marketplace_projection.current_closed c
    where c.workspace = _workspace and c.from_sequence <= _at and c.version is not null
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;

create function marketplace_projection.availability_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, target text, marketplace_name text, marketplace_version bigint,
  version bigint, from_sequence bigint, to_sequence bigint, from_recorded_at timestamptz,
  to_recorded_at timestamptz, began_by text, ended_by text)
language sql stable as $$
  select _workspace, h.model, n.name, h.target, h.marketplace_name, h.marketplace_version, h.version, h.from_sequence,
    h.to_sequence, h.from_recorded_at, h.to_recorded_at, h.cause, h.to_cause
  from (
    select o.model, o.target, o.marketplace_name, o.marketplace_version, o.version, o.from_sequence,
      null::bigint as to_sequence, o.from_recorded_at, null::timestamptz as to_recorded_at, o.cause,
      null::text as to_cause
    from marketplace_projection.promotion o
    where o.workspace = _workspace and o.from_sequence <= _at and o.marketplace_version is not null
    union all
    select c.model, c.target, c.marketplace_name, c.marketplace_version, c.version, c.from_sequence,
      case when c.to_sequence <= _at then c.to_sequence end, c.from_recorded_at,
      case when c.to_sequence <= _at then c.to_recorded_at end, c.cause,
      case when c.to_sequence <= _at then c.to_cause end
    from marketplace_projection.promotion_closed c
    where c.workspace = _workspace and c.from_sequence <= _at and c.marketplace_version is not null
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;

create function marketplace_projection.model_versions_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, version bigint, created timestamptz, stage text, aliases text[],
  deleted boolean, current boolean, source text, run_id text, model_id text, description text, owner text, tags json,
  flavors text[], signature json, metrics json, params json, run_name text, experiment text,
  registered_sequence bigint, registered_at timestamptz, sequence bigint, recorded_at timestamptz)
language sql stable as $$
  select _workspace, h.model, n.name, h.version, marketplace_projection.time_of(h.created), h.stage,
    coalesce(a.aliases, '{}'), h.stage is null,
    coalesce(c.version = h.version and c.created = h.created, false),
    case when r.registered then m.source end, case when r.registered then m.run_id end,
    case when r.registered then m.model_id end,
    d.description, d.owner, d.tags, d.flavors, d.signature, d.metrics, d.params, d.run_name, d.experiment,
    case when r.registered then m.registered_sequence end, case when r.registered then m.registered_at end,
    greatest(h.from_sequence, a.sequence, d.sequence, n.sequence,
      case when c.version = h.version and c.created = h.created then c.sequence end),
    greatest(h.from_recorded_at, a.recorded_at, d.recorded_at, n.recorded_at,
      case when c.version = h.version and c.created = h.created then c.recorded_at end)
  from (
    select o.model, o.version, o.created, o.stage, o.from_sequence, o.from_recorded_at
    from marketplace_projection.model_version o
    where o.workspace = _workspace and o.from_sequence <= _at
    union all
    select e.model, e.version, e.created, e.stage, e.from_sequence, e.from_recorded_at
    from marketplace_projection.stage_closed e
    where e.workspace = _workspace and e.to_sequence > _at and e.from_sequence <= _at
  ) h
  join marketplace_projection.model_version m on m.workspace = _workspace and m.model = h.model
    and m.version = h.version and m.created = h.created
  cross join lateral (select m.registered_sequence <= _at as registered) r
  left join lateral marketplace_projection.name_of(_workspace, h.model, _at) n on true
  left join lateral marketplace_projection.current_of(_workspace, h.model, _at) c on true
  left join (
    select s.model, s.version, s.created, array_agg(s.alias order by s.alias) as aliases,
      max(s.from_sequence) as sequence, max(s.from_recorded_at) as recorded_at
    from (
      select o.model, o.version, o.created, o.alias, o.from_sequence, o.from_recorded_at
      from marketplace_projection.model_alias o
      where o.workspace = _workspace and o.from_sequence <= _at and o.version is not null
      union all
      select e.model, e.version, e.created, e.alias, e.from_sequence, e.from_recorded_at
      from marketplace_projection.alias_closed e
      where e.workspace = _workspace and e.to_sequence > _at and e.from_sequence <= _at and e.version is not null
    ) s
    group by s.model, s.version, s.created
  ) a on a.model = h.model and a.version = h.version and a.created = h.created
  left join lateral (
    select o.*
    from marketplace_projection.description o
    where o.workspace = _workspace and o.model = h.model and o.version = h.version and o.sequence <= _at
      -- said of the version that had the number then, not of one created before or after it
      and h.created = (
        select b.created from marketplace_projection.model_version b
        where b.workspace = _workspace and b.model = h.model and b.version = h.version
          and b.registered_sequence < o.sequence
        order by b.registered_sequence desc limit 1)
    order by o.sequence desc limit 1
  ) d on true
$$;

create function marketplace_projection.export_summary_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, version bigint, created timestamptz, generation bigint, state text,
  reason text, retriable boolean, export_id uuid, uri text, manifest_sha256 text, model_sha256 text, files bigint,
  bytes bigint, invalidated_sequence bigint, invalidated_at timestamptz, run uuid, principal text, sequence bigint,
  recorded_at timestamptz)
language sql stable as $$
  select _workspace, h.model, n.name, h.version, marketplace_projection.time_of(h.created), h.generation, h.state,
    h.reason, h.retriable, h.export_id, h.uri, h.manifest_sha256, h.model_sha256, h.files, h.bytes,
    h.invalidated_sequence, h.invalidated_at, h.run, h.principal, h.sequence, h.recorded_at
  from (
    select o.model, o.version, o.created, o.generation,
      case when o.invalidated_sequence <= _at then 'invalidated' else 'live' end as state,
      case when o.invalidated_sequence <= _at then o.invalidated_reason end as reason, null::boolean as retriable,
      o.export_id, o.uri, o.manifest_sha256, o.model_sha256, o.files, o.bytes,
      case when o.invalidated_sequence <= _at then o.invalidated_sequence end as invalidated_sequence,
      case when o.invalidated_sequence <= _at then o.invalidated_at end as invalidated_at, o.run, o.principal,
      o.sequence, o.recorded_at
    from marketplace_projection.export o
    where o.workspace = _workspace and o.sequence <= _at
    union all
    -- the newest failure of each version, unless an export came after it
    select f.model, f.version, f.created, f.generation, 'failed', format('%s: %s', f.code, f.message), f.retriable,
      null, null, null, null, null, null, null, null, f.run, f.principal, f.sequence, f.recorded_at
    from (
      select distinct on (g.model, g.version, g.created) g.*
      from marketplace_projection.export_failure g
      where g.workspace = _workspace and g.sequence <= _at
      order by g.model, g.version, g.created, g.sequence desc
    ) f
    where not exists (
      select from marketplace_projection.export e
      where e.workspace = _workspace and e.model = f.model and e.version = f.version and e.created = f.created
        and e.sequence > f.sequence and e.sequence <= _at)
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;

create function marketplace_projection.import_summary_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, version bigint, created timestamptz, generation bigint, target text,
  state text, reason text, retriable boolean, export_id uuid, marketplace_name text, marketplace_version bigint,
  marketplace_run_id text, manifest_sha256 text, lost_sequence bigint, lost_at timestamptz, run uuid,
  principal text, sequence bigint, recorded_at timestamptz)
language sql stable as $$
  select _workspace, h.model, n.name, h.version, marketplace_projection.time_of(h.created), h.generation, h.target,
    h.state, h.reason, h.retriable, h.export_id, h.marketplace_name, h.marketplace_version, h.marketplace_run_id,
    h.manifest_sha256, h.lost_sequence, h.lost_at, h.run, h.principal, h.sequence, h.recorded_at
  from (
    select o.model, o.version, o.created, o.generation, o.target,
      case when o.lost_sequence <= _at then 'lost' else 'live' end as state,
      case when o.lost_sequence <= _at then o.lost_reason end as reason, null::boolean as retriable, o.export_id,
      o.marketplace_name, o.marketplace_version, o.marketplace_run_id, o.manifest_sha256,
      case when o.lost_sequence <= _at then o.lost_sequence end as lost_sequence,
      case when o.lost_sequence <= _at then o.lost_at end as lost_at, o.run, o.principal, o.sequence, o.recorded_at
    from marketplace_projection.import o
    where o.workspace = _workspace and o.sequence <= _at
    union all
    -- the newest failure of each version and target, unless an import came after it
    select f.model, f.version, f.created, f.generation, f.target, 'failed', format('%s: %s', f.code, f.message),
      f.retriable, f.export_id, null, null, null, null, null, null, f.run, f.principal, f.sequence, f.recorded_at
    from (
      select distinct on (g.model, g.version, g.created, g.target) g.*
      from marketplace_projection.import_failure g
      where g.workspace = _workspace and g.sequence <= _at
      order by g.model, g.version, g.created, g.target, g.sequence desc
    ) f
    where not exists (
      select from marketplace_projection.import e
      where e.workspace = _workspace and e.model = f.model and e.version = f.version and e.created = f.created
        and e.target = f.target and e.sequence > f.sequence and e.sequence <= _at)
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;

create view marketplace_projection.stale as
select s.workspace, s.from_sequence from ledger.projection_stale s where s.projection = 'marketplace';
comment on view marketplace_projection.stale is 'Where these tables stopped following, and at which event.';

create function marketplace_projection.workspaces_of(_workspace text, _at bigint)
returns table (
  workspace text, state text, registry text, kind text, mlflow_workspace text, promoted_aliases text[],
  promoted_stages text[], observed_from timestamptz, observed_to timestamptz, models bigint, versions bigint,
  unreadable_since timestamptz, reason text, message text, stale_from bigint, sequence bigint,
  recorded_at timestamptz)
language sql stable as $$
  select _workspace,
    case
      when not c.connected then 'disconnected'
      when o.complete then 'observed'
      when o.sequence is not null then 'unreadable'
      else 'never observed'
    end,
    w.registry, w.kind, w.mlflow_workspace, c.aliases, c.stages, b.observed_from, b.observed_to, b.models, b.versions,
    case when not o.complete then u.recorded_at end,
    case when not c.connected then c.reason when not o.complete then o.reason end,
    case when not o.complete then o.message end, t.from_sequence,
    greatest(c.sequence, o.sequence), greatest(c.recorded_at, o.recorded_at)
  -- c: the newest word on the connection, w: the newest that said where the registry is
  from (select 1) always
  left join lateral (
    select x.* from marketplace_projection.connection x
    where x.workspace = _workspace and x.sequence <= _at order by x.sequence desc limit 1) c on true
  left join lateral (
    select x.* from marketplace_projection.connection x
    where x.workspace = _workspace and x.sequence <= _at and x.connected order by x.sequence desc limit 1) w on true
  -- o: the newest observation, b: the newest complete one, u: the first unreadable one after it
  left join lateral (
    select x.* from marketplace_projection.observation x
    where x.workspace = _workspace and x.sequence <= _at order by x.sequence desc limit 1) o on true
  left join lateral (
    select x.* from marketplace_projection.observation x
    where x.workspace = _workspace and x.sequence <= _at and x.complete order by x.sequence desc limit 1) b on true
  left join lateral (
    select x.recorded_at from marketplace_projection.observation x
    where x.workspace = _workspace and x.sequence <= _at and x.sequence > coalesce(b.sequence, 0)
    order by x.sequence limit 1) u on true
  left join marketplace_projection.stale t on t.workspace = _workspace
    and t.from_sequence <= _at
  where c.sequence is not null or o.sequence is not null or t.from_sequence is not null
$$;

-- What happened to the models, line by line.
create function marketplace_projection.model_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, sequence bigint, recorded_at timestamptz, happened tstzrange, kind text,
  version bigint, what text)
language sql stable as $$
  select _workspace, h.model, n.name, h.sequence, h.recorded_at,
    case when h.bracketed then marketplace_projection.possible(h.not_before, h.not_after)
      else tstzrange(h.recorded_at, h.recorded_at, '[]') end,
    h.kind, h.version, h.what
  from (
    select o.model, o.registered_sequence as sequence, o.registered_at as recorded_at, true as bracketed,
      -- the bracket of the registration is that of the spell it began, wherever that is kept now
      case when o.from_sequence = o.registered_sequence then o.from_not_before else c.from_not_before end as not_before,
      case when o.from_sequence = o.registered_sequence then o.from_not_after else c.from_not_after end as not_after,
      'registered' as kind, o.version, format('v%s registered', o.version) as what
    from marketplace_projection.model_version o
    left join marketplace_projection.stage_closed c on c.workspace = _workspace
      and c.from_sequence = o.registered_sequence and c.model = o.model and c.version = o.version
    where o.workspace = _workspace and o.registered_sequence is not null
    union all
    select o.model, o.from_sequence, o.from_recorded_at, true, o.from_not_before, o.from_not_after,
      case when o.stage is null then 'deleted' else 'stage' end, o.version,
      case when o.stage is null then format('v%s deleted', o.version) else format('v%s → %s', o.version, o.stage) end
    from marketplace_projection.model_version o
    where o.workspace = _workspace and o.from_sequence is distinct from o.registered_sequence
    union all
    select c.model, c.from_sequence, c.from_recorded_at, true, c.from_not_before, c.from_not_after,
      case when c.stage is null then 'deleted' else 'stage' end, c.version,
      case when c.stage is null then format('v%s deleted', c.version) else format('v%s → %s', c.version, c.stage) end
    from marketplace_projection.stage_closed c
    where c.workspace = _workspace and not exists (
      select from marketplace_projection.model_version o
      where o.workspace = _workspace and o.model = c.model and o.version = c.version and o.created = c.created
        and o.registered_sequence = c.from_sequence)
    union all
    select s.model, s.from_sequence, s.from_recorded_at, true, s.from_not_before, s.from_not_after, 'alias', s.version,
      case when s.version is null then format('%s removed', s.alias) else format('%s → v%s', s.alias, s.version) end
    from (
      select o.model, o.alias, o.version, o.from_sequence, o.from_recorded_at, o.from_not_before, o.from_not_after
      from marketplace_projection.model_alias o where o.workspace = _workspace
      union all
      select c.model, c.alias, c.version, c.from_sequence, c.from_recorded_at, c.from_not_before, c.from_not_after
      from marketplace_projection.alias_closed c where c.workspace = _workspace
    ) s
    union all
    select s.model, s.from_sequence, s.from_recorded_at, true, s.from_not_before, s.from_not_after, 'current', s.version,
      case when s.version is null then 'no version is current' else format('v%s is current', s.version) end
    from (
      select o.model, o.version, o.from_sequence, o.from_recorded_at, o.from_not_before, o.from_not_after
      from marketplace_projection.current_version o where o.workspace = _workspace
      union all
      select c.model, c.version, c.from_sequence, c.from_recorded_at, c.from_not_before, c.from_not_after
      from marketplace_projection.current_closed c where c.workspace = _workspace
    ) s
    union all
    select s.model, s.from_sequence, s.from_recorded_at, true, s.from_not_before, s.from_not_after, 'renamed', null,
      format('renamed to %s', s.name)
    from (
      select o.model, o.name, o.from_sequence, o.from_recorded_at, o.from_not_before, o.from_not_after
      from marketplace_projection.model o
      where o.workspace = _workspace and o.from_sequence > o.first_sequence
      union all
      select c.model, c.name, c.from_sequence, c.from_recorded_at, c.from_not_before, c.from_not_after
      from marketplace_projection.model_closed c
      join marketplace_projection.model o on o.workspace = _workspace and o.model = c.model
      where c.workspace = _workspace and c.from_sequence > o.first_sequence
    ) s
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'exported', o.version,
      format('v%s exported: %s files, %s bytes', o.version, o.files, o.bytes)
    from marketplace_projection.export o where o.workspace = _workspace
    union all
    select o.model, o.invalidated_sequence, o.invalidated_at, false, null, null, 'export invalidated', o.version,
      format('the export of v%s was found unusable: %s', o.version, o.invalidated_reason)
    from marketplace_projection.export o where o.workspace = _workspace and o.invalidated_sequence is not null
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'export failed', o.version,
      format('v%s was not exported (%s): %s', o.version, o.code, o.message)
    from marketplace_projection.export_failure o where o.workspace = _workspace
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'imported', o.version,
      format('v%s imported as %s version %s', o.version, o.marketplace_name, o.marketplace_version)
    from marketplace_projection.import o where o.workspace = _workspace
    union all
    select o.model, o.lost_sequence, o.lost_at, false, null, null, 'import lost', o.version,
      format('%s version %s was lost from the marketplace: %s', o.marketplace_name, o.marketplace_version, o.lost_reason)
    from marketplace_projection.import o where o.workspace = _workspace and o.lost_sequence is not null
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'import failed', o.version,
      format('v%s was not imported (%s): %s', o.version, o.code, o.message)
    from marketplace_projection.import_failure o where o.workspace = _workspace
    union all
    select s.model, s.from_sequence, s.from_recorded_at, false, null, null, 'available', s.version,
      case when s.marketplace_version is null then format('%s: no version can be loaded (%s)', s.marketplace_name, s.cause)
        else format('%s version %s can be loaded (%s)', s.marketplace_name, s.marketplace_version, s.cause) end
    from (
      select o.model, o.marketplace_name, o.marketplace_version, o.version, o.cause, o.from_sequence, o.from_recorded_at
      from marketplace_projection.promotion o where o.workspace = _workspace
      union all
      select c.model, c.marketplace_name, c.marketplace_version, c.version, c.cause, c.from_sequence, c.from_recorded_at
      from marketplace_projection.promotion_closed c where c.workspace = _workspace
    ) s
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'drift', null,
      format('%s was changed by hand (%s): found %s, expected %s', o.marketplace_name, o.kind, coalesce(o.found, 'none'),
        coalesce(o.expected, 'none'))
    from marketplace_projection.drift o where o.workspace = _workspace
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
  where h.sequence <= _at
$$;

-- The long texts of a catalog row, found by the sequences that it names.
create function marketplace_projection.catalog_texts(
  _workspace text, _model uuid, _version bigint, _described bigint, _version_described bigint, _exported bigint)
returns table (
  description text, owner text, tags json, version_description text, flavors text[], signature json, export_id uuid,
  uri text, manifest_sha256 text, model_sha256 text, files bigint, bytes bigint)
language sql stable as $$
  select d.description, d.owner, d.tags, v.description, v.flavors, v.signature, e.export_id, e.uri, e.manifest_sha256,
    e.model_sha256, e.files, e.bytes
  from (select 1) always
  left join marketplace_projection.description d on d.workspace = _workspace and d.model = _model and d.version = 0
    and d.sequence = _described
  left join marketplace_projection.description v on v.workspace = _workspace and v.model = _model
    and v.version = _version and v.sequence = _version_described
  left join marketplace_projection.export e on e.workspace = _workspace and e.model = _model and e.version = _version
    and e.sequence = _exported
$$;
