-- What did somebody change by hand in the marketplace, that was put back?
--
--   psql "$DATABASE" -f ops/queries/25-drift.sql
select h.recorded_at::date as day, h.workspace, h.name, h.what
from marketplace.model_history h
where h.kind = 'drift'
order by h.recorded_at, h.workspace, h.name;
