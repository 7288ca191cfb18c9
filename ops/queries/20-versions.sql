-- Which models have the most versions, and how many of them were ever promoted?
--
--   psql "$DATABASE" -f ops/queries/20-versions.sql
select v.workspace, v.name, count(*) as versions, count(*) filter (where not v.deleted) as not_deleted, count(p.version) as ever_promoted
from marketplace.model_versions v
left join (select distinct workspace, model, version, created from marketplace.production_history) p
  on p.workspace = v.workspace and p.model = v.model and p.version = v.version and p.created = v.created
group by v.workspace, v.model, v.name
order by versions desc, v.workspace, v.name
limit 5;
