-- Which versions were, or may have been, in Production at some time between two moments: during an incident?
--
--   psql "$DATABASE" -v from='2025-05-26' -v to='2025-05-27' -f ops/queries/17-during.sql
--
-- `possible` is looked up by index; what was certain is among it.
select s.workspace, s.name, s.version,
  case when bool_or(s.certain && tstzrange(:'from', :'to')) then 'certain' else 'possible' end as answer
from marketplace.stage_history s
where s.stage = 'Production' and s.possible && tstzrange(:'from', :'to')
group by s.workspace, s.model, s.name, s.version
order by s.workspace, s.name, s.version;
