-- The current version: the one promoted version that the source means. It is worked out anew at every point at which
-- something it rests on changes, from the intervals that the stretch left behind.
set local role ledger_owner;

create function marketplace_projection.move_current(
  _workspace text, _first bigint, _rule_aliases text[], _rule_stages text[], _point_models uuid[],
  _point_s bigint[], _point_t timestamptz[], _point_b timestamptz[], _point_a timestamptz[], _point_k text[]
) returns uuid[]
language plpgsql as $body$
#variable_conflict use_column
declare
  _models uuid[];
  _touched uuid[];
begin
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
  select array_agg(x.model) into _touched from changed x where x.next_s is null;
  return _touched;
end
$body$;
comment on function marketplace_projection.move_current(text, bigint, text[], text[], uuid[], bigint[], timestamptz[], timestamptz[], timestamptz[], text[]) is
  'Works out the current version at these points; returns the models in which it changed.';
