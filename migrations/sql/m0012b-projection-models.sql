-- How the projections move over what a model is called and where its aliases point.
set local role ledger_owner;

create function marketplace_projection.move_names(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[]
) returns uuid[]
language plpgsql as $body$
#variable_conflict use_column
declare
  _touched uuid[];
begin
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
  select array_agg(c.model) into _touched from changed c where c.next_s is null;
  return _touched;
end
$body$;
comment on function marketplace_projection.move_names(text, bigint[], timestamptz[], text[], json[]) is
  'Takes in ModelVersionRegistered and ModelRenamed; returns the models that have another name.';

create function marketplace_projection.move_aliases(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[], _rule_aliases text[],
  out models uuid[], out s bigint[], out t timestamptz[], out b timestamptz[], out a timestamptz[], out k text[]
)
language plpgsql as $body$
#variable_conflict use_column
begin
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
  into models, s, t, b, a, k
  from state x
  where x.alias = any (_rule_aliases);
end
$body$;
comment on function marketplace_projection.move_aliases(text, bigint[], timestamptz[], text[], json[], text[]) is
  'Takes in AliasAssigned and AliasRemoved; returns the points at which the current version may change.';
