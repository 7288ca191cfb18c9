-- Which failures are open, by their reason, and can trying again help?
--
--   psql "$DATABASE" -f ops/queries/14-failures.sql
select f.step, f.reason, f.retriable, count(*) as versions, min(f.recorded_at)::date as oldest
from (
  select 'export' as step, e.reason, e.retriable, e.recorded_at from marketplace.export_summary e where e.state = 'failed'
  union all
  select 'import', i.reason, i.retriable, i.recorded_at from marketplace.import_summary i where i.state = 'failed'
) f
group by f.step, f.reason, f.retriable
order by versions desc, f.step, f.reason;
