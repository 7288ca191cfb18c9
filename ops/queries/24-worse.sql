-- Which versions in production do worse than their predecessor by a metric?
--
--   psql "$DATABASE" -v metric=auc -f ops/queries/24-worse.sql
--
-- Higher counts as better. NaN and infinities are text in the snapshot, and are passed over.
with meant as (
  select p.workspace, p.model, p.name, p.version, p.to_sequence,
    case when v.metrics ->> :'metric' ~ '^-?[0-9.]+(e-?[0-9]+)?$' then (v.metrics ->> :'metric')::numeric end as value,
    row_number() over w as place, lag(p.version) over w as before
  from marketplace.production_history p
  join marketplace.model_versions v on v.workspace = p.workspace and v.model = p.model and v.version = p.version and v.created = p.created
  window w as (partition by p.workspace, p.model order by p.from_sequence)
)
select n.workspace, n.name, n.version, n.value, b.version as before, b.value as value_before
from meant n
join meant b on b.workspace = n.workspace and b.model = n.model and b.place = n.place - 1
where n.to_sequence is null and n.value < b.value
order by n.workspace, n.name;
