-- Question 6: which principal did what to a model, and how it was authenticated.
--
--   psql -v model='dev01/readmission-risk' -v from='2026-03-01' -v to='2026-04-01' -f ops/audit/questions/06-who.sql
--
-- The principal is the role that PostgreSQL authenticated the session of, by pg_hba.conf; it cannot be chosen by whoever
-- appends. What the source says about who changed it there stands in the data of the transition, where it says it.
with model as (
  -- by whatever name it ever had
  select workspace, model, name from marketplace_projection.model
  union select workspace, model, name from marketplace_projection.model_closed
)
select e.recorded_at, e.workspace || '/' || e.sequence as event, e.type, e.principal, e.run,
  e.data::jsonb ->> 'by' as at_the_source
from (
  select distinct m.workspace, 'model/' || m.model as stream from model m
  where :'model' in (m.workspace || '/' || m.name, m.workspace || '.' || m.name, m.model::text)
) s
join ledger.events e on e.workspace = s.workspace and e.stream = s.stream
where e.recorded_at > :'from'::timestamptz and e.recorded_at <= :'to'::timestamptz
order by e.workspace, e.sequence;
