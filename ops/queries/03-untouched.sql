-- Which models that can be loaded has nobody touched for a year: no version, no stage, no description?
--
--   psql "$DATABASE" -v now='2026-03-31' -f ops/queries/03-untouched.sql
select c.marketplace_name, c.owner, max(h.recorded_at)::date as last_touched
from marketplace.catalog c
join marketplace.model_history h on h.workspace = c.workspace and h.model = c.model
where c.available_version is not null
  and h.kind in ('registered', 'renamed', 'stage', 'alias', 'deleted')
group by c.marketplace_name, c.owner
having max(h.recorded_at) < timestamptz :'now' - interval '1 year'
order by last_touched, c.marketplace_name;
