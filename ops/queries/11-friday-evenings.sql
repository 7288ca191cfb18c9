-- What was promoted on a Friday after five, by the source's own clock, and whose is it?
--
--   psql "$DATABASE" -v zone='Europe/Berlin' -f ops/queries/11-friday-evenings.sql
--
-- Where the source does not say when (source_time), nothing can be said; open-source MLflow does not say who.
select s.workspace, s.name, s.version, s.source_time at time zone :'zone' as at, v.owner
from marketplace.stage_history s
left join marketplace.model_versions v on v.workspace = s.workspace and v.model = s.model and v.version = s.version and v.created = s.created
where s.stage = 'Production' and extract(isodow from s.source_time at time zone :'zone') = 5
  and extract(hour from s.source_time at time zone :'zone') >= 17
order by s.source_time;
