-- The catalog rows of some models as they stood at a sequence of their workspace. The append calls it with the last
-- sequence of its batch, `catalog_at` with that of a cut: one text, so that now and then cannot disagree.
-- Plain SQL without settings of its own, so that the planner inlines it into its callers.
set local role ledger_owner;

create function marketplace_projection.time_of(_milliseconds bigint) returns timestamptz
language sql immutable as $$
  select case when _milliseconds is not null then
    to_timestamp(least(greatest(_milliseconds, -62135596800000), 253402300799999) / 1000.0::float8) end
$$;
comment on function marketplace_projection.time_of(bigint) is
  'Milliseconds since 1970 as a time; what lies outside the years 1 to 9999 is put on their edge.';

create function marketplace_projection.catalog_of(_workspace text, _models uuid[], _at bigint)
returns table (
  workspace text, model uuid, name text, marketplace_name text, target text, version bigint,
  source_version bigint, source_created bigint, available_version bigint, marketplace_version bigint,
  state text, reason text, since timestamptz,
  described_sequence bigint, version_described_sequence bigint, export_sequence bigint, import_sequence bigint,
  sequence bigint, recorded_at timestamptz,
  description text, owner text, tags json, version_description text, flavors text[], signature json, export_id uuid,
  uri text, manifest_sha256 text, model_sha256 text, files bigint, bytes bigint)
language sql stable as $$
  select
    _workspace, m.model, n.name,
    coalesce(p.marketplace_name, i.marketplace_name), coalesce(p.target, i.target, f.target),
    v.version, s.version, s.created, p.version, p.marketplace_version,
    w.state,
    case
      when w.state in ('available') then null
      when w.state in ('withdrawal pending', 'withdrawn') then
        case s.cause
          when 'ModelVersionDeleted' then 'the promoted version was deleted at the source'
          when 'WorkspaceDisconnected' then 'the workspace was disconnected'
          when 'WorkspaceConnected' then 'no version is promoted under the workspace''s present rule'
          else 'the source no longer promotes a version'
        end
      when i.live then format('version %s is imported, not promoted yet', s.version)
      when e.live is not true and g.sequence is not null then
        format('version %s: export failed (%s): %s', s.version, g.code, g.message)
      when e.live is not true and e.sequence is not null then
        format('version %s: its export was found unusable (%s); exported again by the next run', s.version,
          e.invalidated_reason)
      when e.live is not true then format('version %s is not exported yet', s.version)
      when f.sequence is not null then
        format('version %s: import failed (%s): %s', s.version, f.code, f.message)
      when i.sequence is not null then
        format('version %s was lost from the marketplace (%s); imported again by the next run', s.version,
          i.lost_reason)
      else format('version %s is exported, not imported yet', s.version)
    end,
    case w.state
      when 'failed' then w.failed_at
      when 'superseded, successor pending' then s.from_recorded_at
      when 'superseded, successor failed' then s.from_recorded_at
      else greatest(s.from_recorded_at, p.from_recorded_at)
    end,
    d.sequence, dv.sequence, x.sequence, y.sequence,
    greatest(s.from_sequence, p.from_sequence, n.from_sequence, d.sequence, dv.sequence, x.sequence, y.sequence,
      e.sequence, e.invalidated_sequence, g.sequence, i.sequence, i.lost_sequence, f.sequence),
    greatest(s.from_recorded_at, p.from_recorded_at, n.from_recorded_at, d.recorded_at, dv.recorded_at,
      x.recorded_at, y.recorded_at, e.recorded_at, e.invalidated_at, g.recorded_at, i.recorded_at, i.lost_at,
      f.recorded_at),
    d.description, d.owner, d.tags, dv.description, dv.flavors, dv.signature, x.export_id, x.uri, x.manifest_sha256,
    x.model_sha256, x.files, x.bytes
  from unnest(_models) as m (model)
  -- s: what the source means
  left join lateral (
    select o.version, o.created, o.cause, o.from_sequence, o.from_recorded_at
    from marketplace_projection.current_version o
    where o.workspace = _workspace and o.model = m.model and o.from_sequence <= _at
    union all
    (select c.version, c.created, c.cause, c.from_sequence, c.from_recorded_at
     from marketplace_projection.current_closed c
     where c.workspace = _workspace and c.model = m.model and c.to_sequence > _at and c.from_sequence <= _at
     order by c.to_sequence limit 1)
  ) s on true
  -- p: what can be loaded, in the target that moved last
  left join lateral (
    select q.* from (
      select o.target, o.marketplace_name, o.marketplace_version,
        case when o.marketplace_version is not null then o.version end as version, o.from_sequence,
        o.from_recorded_at
      from marketplace_projection.promotion o
      where o.workspace = _workspace and o.model = m.model and o.from_sequence <= _at
      union all
      select c.target, c.marketplace_name, c.marketplace_version,
        case when c.marketplace_version is not null then c.version end, c.from_sequence, c.from_recorded_at
      from marketplace_projection.promotion_closed c
      where c.workspace = _workspace and c.model = m.model and c.to_sequence > _at and c.from_sequence <= _at
    ) q
    order by q.from_sequence desc limit 1
  ) p on true
  -- e: the newest export of the source's version, g: its failure since
  left join lateral (
    select o.sequence, o.recorded_at, o.created, o.invalidated_reason,
      coalesce(o.invalidated_sequence > _at, true) as live,
      case when o.invalidated_sequence <= _at then o.invalidated_sequence end as invalidated_sequence,
      case when o.invalidated_sequence <= _at then o.invalidated_at end as invalidated_at
    from marketplace_projection.export o
    where o.workspace = _workspace and o.model = m.model and o.version = s.version and o.created = s.created
      and o.sequence <= _at
    order by o.sequence desc limit 1
  ) e on true
  left join lateral (
    select o.sequence, o.recorded_at, o.code, o.message
    from marketplace_projection.export_failure o
    where o.workspace = _workspace and o.model = m.model and o.version = s.version and o.created = s.created
      and o.sequence <= _at and o.sequence > coalesce(e.sequence, 0)
    order by o.sequence desc limit 1
  ) g on true
  -- i: the newest import of the source's version, f: its failure since
  left join lateral (
    select o.sequence, o.recorded_at, o.target, o.marketplace_name, o.lost_reason,
      coalesce(o.lost_sequence > _at, true) as live,
      case when o.lost_sequence <= _at then o.lost_sequence end as lost_sequence,
      case when o.lost_sequence <= _at then o.lost_at end as lost_at
    from marketplace_projection.import o
    where o.workspace = _workspace and o.model = m.model and o.version = s.version and o.created = s.created
      and o.sequence <= _at and (p.target is null or o.target = p.target)
    order by o.sequence desc limit 1
  ) i on true
  left join lateral (
    select o.sequence, o.recorded_at, o.target, o.code, o.message
    from marketplace_projection.import_failure o
    where o.workspace = _workspace and o.model = m.model and o.version = s.version and o.created = s.created
      and o.sequence <= _at and o.sequence > coalesce(i.sequence, 0) and (p.target is null or o.target = p.target)
    order by o.sequence desc limit 1
  ) f on true
  -- y: the import of what can be loaded, x: the export of the version that the row describes
  left join lateral (
    select o.sequence, o.recorded_at, o.export_id, o.created
    from marketplace_projection.import o
    where o.workspace = _workspace and o.model = m.model and o.version = p.version and o.target = p.target
      and o.marketplace_version = p.marketplace_version and o.sequence <= _at
    order by o.sequence desc limit 1
  ) y on true
  left join lateral (
    select o.sequence, o.recorded_at, o.export_id, o.uri, o.manifest_sha256, o.model_sha256, o.files, o.bytes
    from marketplace_projection.export o
    where o.workspace = _workspace and o.model = m.model and o.version = coalesce(p.version, s.version)
      and o.sequence <= _at
      and (o.export_id = y.export_id or p.marketplace_version is null and o.sequence = e.sequence and e.live)
    order by o.sequence desc limit 1
  ) x on true
  -- n: the name, d and dv: the descriptions of the model and of the version that the row describes
  left join lateral (
    select o.name, o.from_sequence, o.from_recorded_at
    from marketplace_projection.model o
    where o.workspace = _workspace and o.model = m.model and o.from_sequence <= _at
    union all
    (select c.name, c.from_sequence, c.from_recorded_at
     from marketplace_projection.model_closed c
     where c.workspace = _workspace and c.model = m.model and c.to_sequence > _at and c.from_sequence <= _at
     order by c.to_sequence limit 1)
  ) n on true
  left join lateral (
    select coalesce(p.version, s.version) as version, coalesce(y.created, s.created) as created
  ) v on true
  left join lateral (
    select o.sequence, o.recorded_at, o.description, o.owner, o.tags
    from marketplace_projection.description o
    where o.workspace = _workspace and o.model = m.model and o.version = 0 and o.sequence <= _at
    order by o.sequence desc limit 1
  ) d on true
  left join lateral (
    select o.sequence, o.recorded_at, o.description, o.flavors, o.signature
    from marketplace_projection.description o
    where o.workspace = _workspace and o.model = m.model and o.version = v.version and o.sequence <= _at
      -- said of the version that had the number then, not of one created before or after it
      and v.created = (
        select b.created from marketplace_projection.model_version b
        where b.workspace = _workspace and b.model = m.model and b.version = v.version
          and b.registered_sequence < o.sequence
        order by b.registered_sequence desc limit 1)
    order by o.sequence desc limit 1
  ) dv on true
  cross join lateral (
    select
      case
        when s.version is null and p.marketplace_version is null then 'withdrawn'
        when s.version is null then 'withdrawal pending'
        when p.version = s.version and coalesce(y.created, s.created) = s.created then 'available'
        when p.marketplace_version is null then case when z.failed then 'failed' else 'pending' end
        when z.failed then 'superseded, successor failed'
        else 'superseded, successor pending'
      end as state,
      case when e.live then f.recorded_at else g.recorded_at end as failed_at
    from (select i.live is not true
        and case when e.live then f.sequence is not null else g.sequence is not null end as failed) z
  ) w
  where s.from_sequence is not null or p.from_sequence is not null
$$;
comment on function marketplace_projection.catalog_of(text, uuid[], bigint) is
  'Catalog rows of these models at a sequence of their workspace; none for a model that was never promoted.';
