-- How the projections move over events of the workspace itself: its connection, whose rule says what counts as
-- promoted, and its observations.
set local role ledger_owner;

create function marketplace_projection.move_connection(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[]
) returns void
language plpgsql as $body$
#variable_conflict use_column
begin
  insert into marketplace_projection.connection (workspace, sequence, recorded_at, connected, registry, kind,
    mlflow_workspace, aliases, stages, reason)
  select _workspace, u.s, u.t, u.k = 'WorkspaceConnected', r.registry, r.kind, r.mlflow_workspace,
    coalesce(p.aliases, '{}'), coalesce(p.stages, '{}'), r.reason
  from unnest(_s, _t, _k, _d) as u (s, t, k, d)
  cross join json_to_record(u.d) as r (registry text, kind text, mlflow_workspace text, promoted json, reason text)
  left join json_to_record(r.promoted) as p (aliases text[], stages text[]) on u.k = 'WorkspaceConnected';
end
$body$;
comment on function marketplace_projection.move_connection(text, bigint[], timestamptz[], text[], json[]) is
  'Takes in WorkspaceConnected and WorkspaceDisconnected.';

create function marketplace_projection.move_observation(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[]
) returns void
language plpgsql as $body$
#variable_conflict use_column
begin
  insert into marketplace_projection.observation (workspace, sequence, recorded_at, complete, reason, message, models,
    versions, changes, observed_from, observed_to)
  select _workspace, u.s, u.t, r.outcome is not distinct from 'complete', r.reason, r.message, r.models, r.versions,
    r.changes, marketplace_projection.time_of(r.observed_from), marketplace_projection.time_of(r.observed_to)
  from unnest(_s, _t, _k, _d) as u (s, t, k, d),
    json_to_record(u.d) as r (outcome text, reason text, message text, models bigint, versions bigint,
      changes bigint, observed_from bigint, observed_to bigint);
end
$body$;
comment on function marketplace_projection.move_observation(text, bigint[], timestamptz[], text[], json[]) is
  'Takes in WorkspaceObserved.';

-- Called when the connections of the stretch are taken in.
create function marketplace_projection.rule_since(
  _workspace text, _first bigint, out aliases text[], out stages text[]
)
language plpgsql as $body$
#variable_conflict use_column
begin
  select coalesce(array_agg(distinct x.alias) filter (where x.alias is not null), '{}'),
    coalesce(array_agg(distinct x.stage) filter (where x.stage is not null), '{}')
  into aliases, stages
  from (
    select unnest(c.aliases) as alias, unnest(c.stages) as stage
    from marketplace_projection.connection c
    where c.workspace = _workspace and c.sequence >= coalesce(
      (select max(b.sequence) from marketplace_projection.connection b
       where b.workspace = _workspace and b.sequence < _first), 0)
  ) x;
end
$body$;
comment on function marketplace_projection.rule_since(text, bigint) is
  'What counted as promoted at some time from this event on.';

create function marketplace_projection.points_of_rule(
  _workspace text, _first bigint, out models uuid[], out s bigint[], out t timestamptz[], out b timestamptz[],
  out a timestamptz[], out k text[]
)
language plpgsql as $body$
#variable_conflict use_column
begin
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
  into models, s, t, b, k
  from rule r
  left join lateral (
    select b.observed_to from marketplace_projection.observation b
    where b.workspace = _workspace and b.complete and b.sequence < r.sequence
    order by b.sequence desc limit 1
  ) o on true
  cross join (
    select distinct v.model from marketplace_projection.model_version v where v.workspace = _workspace) m
  where r.changed and r.sequence >= _first;
  a := t;
end
$body$;
comment on function marketplace_projection.points_of_rule(text, bigint) is
  'Where a changed rule may change the current version: every model of the workspace, at each change from this event on.';
