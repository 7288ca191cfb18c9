-- Which models have the most versions, and how many of them were ever promoted?
--
--   psql "$DATABASE" -f ops/queries/20-versions.sql
with registered as (
  select workspace, model, name, count(*) as versions, count(*) filter (where not deleted) as not_deleted
  from marketplace.model_versions group by workspace, model, name
), promoted as (
  select workspace, model, count(distinct (version, created)) as versions from marketplace.production_history group by workspace, model
)
select r.workspace, r.name, r.versions, r.not_deleted, coalesce(p.versions, 0) as ever_promoted
from registered r left join promoted p on p.workspace = r.workspace and p.model = r.model
order by r.versions desc, r.workspace, r.name
limit 5;
