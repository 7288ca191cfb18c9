-- Versions, exports, imports and the workspace itself, as of a sequence of a workspace.
set local role ledger_owner;

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
