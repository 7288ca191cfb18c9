-- What changed in the last seven days?
--
--   psql "$DATABASE" -v now='2026-03-31' -f ops/queries/10-this-week.sql
select h.recorded_at::date as day, h.workspace, h.name, h.kind, h.version, h.what
from marketplace.model_history h
where h.recorded_at >= timestamptz :'now' - interval '7 days' and h.recorded_at < timestamptz :'now'
order by h.recorded_at, h.workspace, h.sequence, h.what;
