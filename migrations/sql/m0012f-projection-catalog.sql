-- How the projections move over what can be loaded from the marketplace, and over the catalog rows, which rest on all
-- the rest.
set local role ledger_owner;

create function marketplace_projection.move_promotions(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[], _first bigint
) returns uuid[]
language plpgsql as $body$
#variable_conflict use_column
declare
  _touched uuid[];
begin
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
  select array_agg(model) into _touched from said;
  return _touched;
end
$body$;
comment on function marketplace_projection.move_promotions(text, bigint[], timestamptz[], text[], json[], bigint) is
  'Takes in MarketplacePromotionSet and ImportLost; returns the models.';

create function marketplace_projection.move_catalog(
  _workspace text, _touched uuid[], _last bigint
) returns void
language plpgsql as $body$
#variable_conflict use_column
begin
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
end
$body$;
comment on function marketplace_projection.move_catalog(text, uuid[], bigint) is
  'Writes the catalog rows of these models as of an event.';
