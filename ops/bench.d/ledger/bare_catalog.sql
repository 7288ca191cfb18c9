-- The catalog at a cut, in the plainest way: what held then is looked up in each table for all models at once, and joined.
with cut as materialized ({cut}),
s as (
  select o.workspace, o.model, o.version, o.created, o.from_sequence, o.from_recorded_at
  from cut k join bare.current_version o on o.workspace = k.workspace and o.from_sequence <= k.sequence
  union all
  select o.workspace, o.model, o.version, o.created, o.from_sequence, o.from_recorded_at
  from cut k join bare.current_closed o on o.workspace = k.workspace and o.from_sequence <= k.sequence
    and o.to_sequence > k.sequence),
p as (
  select o.workspace, o.model, o.target, o.marketplace_name, o.marketplace_version, o.version, o.from_sequence,
    o.from_recorded_at
  from cut k join bare.promotion o on o.workspace = k.workspace and o.from_sequence <= k.sequence
  union all
  select o.workspace, o.model, o.target, o.marketplace_name, o.marketplace_version, o.version, o.from_sequence,
    o.from_recorded_at
  from cut k join bare.promotion_closed o on o.workspace = k.workspace and o.from_sequence <= k.sequence
    and o.to_sequence > k.sequence),
d as (
  select o.workspace, o.model, o.version, max(o.sequence) as sequence, max(o.recorded_at) as recorded_at
  from cut k join bare.description o on o.workspace = k.workspace and o.sequence <= k.sequence
  group by o.workspace, o.model, o.version),
c as (
  select n.workspace, n.model, n.name, coalesce(p.marketplace_name, i.marketplace_name) as marketplace_name,
    coalesce(p.target, i.target) as target, v.version, s.version as source_version, s.created as source_created,
    p.version as available_version, p.marketplace_version,
    case
      when s.version is null and p.marketplace_version is null then 'withdrawn'
      when s.version is null then 'withdrawal pending'
      when p.version = s.version and coalesce(y.created, s.created) = s.created then 'available'
      when p.marketplace_version is null then 'pending'
      else 'superseded, successor pending'
    end as state,
    e.sequence as e_sequence, i.sequence as i_sequence, s.from_recorded_at as s_at, p.from_recorded_at as p_at,
    dm.sequence as described_sequence, dv.sequence as version_described_sequence, x.sequence as export_sequence,
    y.sequence as import_sequence,
    greatest(s.from_sequence, p.from_sequence, n.from_sequence, dm.sequence, dv.sequence, x.sequence, y.sequence, e.sequence,
      i.sequence) as sequence,
    greatest(s.from_recorded_at, p.from_recorded_at, n.from_recorded_at, dm.recorded_at, dv.recorded_at, x.recorded_at,
      y.recorded_at, e.recorded_at, i.recorded_at) as recorded_at,
    x.export_id, x.uri, x.manifest_sha256, x.model_sha256, x.files, x.bytes
  from cut k
  join bare.model n on n.workspace = k.workspace and n.from_sequence <= k.sequence
  left join s on s.workspace = n.workspace and s.model = n.model
  left join p on p.workspace = n.workspace and p.model = n.model
  cross join lateral (select coalesce(p.version, s.version) as version) v
  left join bare.export e on e.workspace = n.workspace and e.model = n.model and e.version = s.version
    and e.created = s.created and e.sequence <= k.sequence
  left join bare.import i on i.workspace = n.workspace and i.model = n.model and i.version = s.version
    and i.created = s.created and i.sequence <= k.sequence
  left join bare.import y on y.workspace = n.workspace and y.model = n.model and y.version = p.version
    and y.marketplace_version = p.marketplace_version and y.sequence <= k.sequence
  left join bare.export x on x.workspace = n.workspace and x.model = n.model and x.version = v.version
    and x.sequence <= k.sequence and (x.export_id = y.export_id or p.marketplace_version is null and x.sequence = e.sequence)
  left join d dm on dm.workspace = n.workspace and dm.model = n.model and dm.version = 0
  left join d dv on dv.workspace = n.workspace and dv.model = n.model and dv.version = v.version
  where s.from_sequence is not null or p.from_sequence is not null),
said as (
  select c.*,
    case
      when c.state = 'available' then null
      when c.state in ('withdrawal pending', 'withdrawn') then 'the source no longer promotes a version'
      when c.i_sequence is not null then format('version %s is imported, not promoted yet', c.source_version)
      when c.e_sequence is null then format('version %s is not exported yet', c.source_version)
      else format('version %s is exported, not imported yet', c.source_version)
    end as reason,
    case c.state when 'superseded, successor pending' then c.s_at else greatest(c.s_at, c.p_at) end as since
  from c)
