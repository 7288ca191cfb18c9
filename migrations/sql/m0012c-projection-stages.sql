-- How the projections move over model versions and their stages.
set local role ledger_owner;

create function marketplace_projection.move_stages(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[], _rule_aliases text[],
  _rule_stages text[], _has_aliases boolean, out models uuid[], out s bigint[], out t timestamptz[],
  out b timestamptz[], out a timestamptz[], out k text[]
)
language plpgsql as $body$
#variable_conflict use_column
declare
  _is_registered_late boolean;
begin
  with said as (
    select u.s, u.t, u.k, r.model, r.version, r.created,
      case when u.k = 'ModelVersionRegistered' then r.source end as source,
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
  -- each event with the next of its version, and with what the version's registration says, which is its first event
  -- but for histories that are out of the ordinary, see below; so one sort serves all
  state as (
    select x.*, lead(x.s) over k as next_s, lead(x.t) over k as next_t, lead(x.b) over k as next_b,
      lead(x.a) over k as next_a, lead(x.source_time) over k as next_source_time, row_number() over k as nr,
      lag(x.stage) over k as stage_before,
      first_value(case when x.k = 'ModelVersionRegistered' then x.s end) over k as registered_s,
      first_value(x.t) over k as first_t, first_value(x.source) over k as registered_source,
      first_value(x.run_id) over k as registered_run_id, first_value(x.model_id) over k as registered_model_id
    from said x
    window k as (partition by x.model, x.version, x.created order by x.s)),
  -- and the first and the last of each version with the interval that was open before, looked up by its key here and
  -- nowhere else: common tables joined with each other would be joined row by row
  opened as materialized (
    -- what is asked of every row comes first: a row is read no further than that
    select x.next_s, x.nr, o.from_sequence as open_s, x.k, x.stage, x.stage_before, o.stage as open_stage, x.s, x.t,
      x.model, x.version, x.created, x.b, x.a, x.source_time, x.next_t, x.next_b, x.next_a, x.next_source_time,
      o.from_recorded_at as open_t, o.from_not_before as open_b, o.from_not_after as open_a,
      o.from_source_time as open_source_time, x.registered_s, case when x.registered_s is not null then x.first_t end
        as registered_t, x.registered_source, x.registered_run_id, x.registered_model_id
    from state x
    left join lateral (
      select m.* from marketplace_projection.model_version m
      where (x.nr = 1 or x.next_s is null) and m.workspace = _workspace and m.model = x.model
        and m.version = x.version and m.created = x.created
      offset 0) o on true),
  shut as (
    insert into marketplace_projection.stage_closed (workspace, to_sequence, model, version, created, stage,
      from_sequence, from_recorded_at, from_not_before, from_not_after, from_source_time, to_recorded_at,
      to_not_before, to_not_after, to_source_time)
    select _workspace, x.next_s, x.model, x.version, x.created, x.stage, x.s, x.t, x.b, x.a, x.source_time, x.next_t,
      x.next_b, x.next_a, x.next_source_time
    from opened x where x.next_s is not null
    union all
    select _workspace, x.s, x.model, x.version, x.created, x.open_stage, x.open_s, x.open_t, x.open_b, x.open_a,
      x.open_source_time, x.t, x.b, x.a, x.source_time
    from opened x where x.nr = 1 and x.open_s is not null),
  added as (
    insert into marketplace_projection.model_version (workspace, model, version, created, stage, from_sequence,
      from_recorded_at, from_not_before, from_not_after, from_source_time, registered_sequence, registered_at,
      source, run_id, model_id)
    select _workspace, x.model, x.version, x.created, x.stage, x.s, x.t, x.b, x.a, x.source_time, x.registered_s,
      x.registered_t, x.registered_source, x.registered_run_id, x.registered_model_id
    from opened x where x.next_s is null and x.open_s is null),
  moved as (
    update marketplace_projection.model_version m
    set stage = x.stage, from_sequence = x.s, from_recorded_at = x.t, from_not_before = x.b, from_not_after = x.a,
      from_source_time = x.source_time, registered_sequence = coalesce(m.registered_sequence, x.registered_s),
      registered_at = coalesce(m.registered_at, x.registered_t),
      source = case when m.registered_sequence is null then x.registered_source else m.source end,
      run_id = case when m.registered_sequence is null then x.registered_run_id else m.run_id end,
      model_id = case when m.registered_sequence is null then x.registered_model_id else m.model_id end
    from opened x
    where x.next_s is null and x.open_s is not null and m.workspace = _workspace and m.model = x.model
      and m.version = x.version and m.created = x.created)
  select array_agg(x.model), array_agg(x.s), array_agg(x.t), array_agg(x.b), array_agg(x.a), array_agg(x.k),
    bool_or(x.k = 'ModelVersionRegistered' and x.nr > 1)
  into models, s, t, b, a, k, _is_registered_late
  from opened x
  -- What cannot move the current version is no point: a transition between two stages that do not count, and the
  -- registration of a version that nothing points at.
  where not case x.k
    when 'StageTransitioned' then x.stage <> all (_rule_stages)
      and case when x.nr > 1 then x.stage_before is not null and x.stage_before <> all (_rule_stages)
        else x.open_stage is not null and x.open_stage <> all (_rule_stages) end
    when 'ModelVersionRegistered' then x.stage <> all (_rule_stages) and x.nr = 1 and x.open_s is null
      and case when _rule_aliases = '{}' then true when _has_aliases then false else (
        -- not `exists`: the planner would hash all aliases of the workspace for it
        select true from marketplace_projection.model_alias a
        where a.workspace = _workspace and a.model = x.model and a.version = x.version limit 1) is null end
    else false
  end;

  -- a version of which something else was said before its first registration; such a registration is always a point
  if _is_registered_late then
    update marketplace_projection.model_version m
    set registered_sequence = x.s, registered_at = x.t, source = x.source, run_id = x.run_id, model_id = x.model_id
    from (
      select distinct on (r.model, r.version, r.created) u.s, u.t, r.*
      from unnest(_s, _t, _k, _d) as u (s, t, k, d),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, source text, run_id text, model_id text)
      where u.k = 'ModelVersionRegistered'
      order by r.model, r.version, r.created, u.s
    ) x
    where m.workspace = _workspace and m.model = x.model and m.version = x.version and m.created = x.created
      and m.registered_sequence is null;
  end if;
end
$body$;
comment on function marketplace_projection.move_stages(text, bigint[], timestamptz[], text[], json[], text[], text[], boolean) is
  'Takes in ModelVersionRegistered, StageTransitioned and ModelVersionDeleted; returns the points at which the current version may change. _has_aliases: the stretch moves aliases.';
