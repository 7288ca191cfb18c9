-- How long does it take, in each workspace, from the night that finds a version promoted until it can be loaded?
--
--   psql "$DATABASE" -f ops/queries/02-time-to-marketplace.sql
--
-- Rollbacks are left out: their version was there already. A version that never arrived counts in `waiting` alone.
with promoted as (
  select p.workspace, p.model, p.version, min(p.from_recorded_at) as at
  from marketplace.production_history p group by 1, 2, 3
), arrived as (
  select a.workspace, a.model, a.version, min(a.from_recorded_at) as at
  from marketplace.availability_history a group by 1, 2, 3
)
select p.workspace, count(a.at) as arrived, count(*) - count(a.at) as waiting,
  percentile_cont(0.5) within group (order by a.at - p.at) as median, max(a.at - p.at) as longest
from promoted p left join arrived a using (workspace, model, version)
group by p.workspace
order by p.workspace;
