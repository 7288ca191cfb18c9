-- Question 6: which principal did what to a model, and how it was authenticated.
--
--   psql -v model='dev01/readmission-risk' -v from='2026-03-01' -v to='2026-04-01' -f ops/audit/questions/06-who.sql
--
-- Two ways lead to a principal. Either PostgreSQL authenticated the session of a role, by pg_hba.conf, and the principal is that
-- role. Or the service did, which alone may speak for others: by a token, and then `tokens` names those that stood for the
-- principal at the time; or by an identity provider, whose claims its configuration maps. What the source says about who
-- changed it there stands in the data of the transition, where it says it.
with token as (
  select c.data::jsonb ->> 'token' as token, c.data::jsonb ->> 'principal' as principal, c.data::jsonb ->> 'name' as name,
    c.recorded_at as since,
    least(
      to_timestamp((c.data::jsonb ->> 'expires')::bigint / 1000.0),
      (select min(r.recorded_at) from ledger.events r
       where r.workspace = c.workspace and r.type = 'TokenRevoked' and r.data::jsonb ->> 'token' = c.data::jsonb ->> 'token')) as until
  from ledger.events c
  where c.workspace = 'marketplace' and c.type = 'TokenCreated'
),
model as (
  -- by whatever name it ever had
  select workspace, model, name from marketplace_projection.model
  union select workspace, model, name from marketplace_projection.model_closed
)
select e.recorded_at, e.workspace || '/' || e.sequence as event, e.type, e.principal, e.run,
  (select string_agg(t.name || ' (' || t.token || ')', ', ' order by t.since) from token t
   where t.principal = e.principal and t.since <= e.recorded_at and e.recorded_at < t.until) as tokens,
  e.data::jsonb ->> 'by' as at_the_source
from (
  select distinct m.workspace, 'model/' || m.model as stream from model m
  where :'model' in (m.workspace || '/' || m.name, m.workspace || '.' || m.name, m.model::text)
) s
join ledger.events e on e.workspace = s.workspace and e.stream = s.stream
where e.recorded_at > :'from'::timestamptz and e.recorded_at <= :'to'::timestamptz
order by e.workspace, e.sequence;
