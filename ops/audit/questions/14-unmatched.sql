-- Question 14: exports that were never imported, imports with no export, and what the registry has that the log does not know.
--
--   psql -v at='2026-03-01T00:00:00Z' -f ops/audit/questions/14-unmatched.sql
--
-- What the registry has beside the log is what jobs found there; 'marketplace check' looks now.
select 'export never imported' as what, e.workspace || '/' || e.sequence as event, e.name, e.version, e.uri as detail
from marketplace.export_summary_at(:'at'::timestamptz) e
where e.state = 'live' and not exists (
  select from marketplace.import_summary_at(:'at'::timestamptz) i
  where i.workspace = e.workspace and i.export_id = e.export_id and i.state <> 'failed')
union all
select 'import with no export', i.workspace || '/' || i.sequence, i.name, i.version, i.marketplace_name || ' ' || i.marketplace_version
from marketplace.import_summary_at(:'at'::timestamptz) i
where i.state <> 'failed' and not exists (
  select from marketplace.export_summary_at(:'at'::timestamptz) e
  where e.workspace = i.workspace and e.export_id = i.export_id and e.state <> 'failed')
union all
select 'changed by hand in the registry', h.workspace || '/' || h.sequence, h.name, h.version, h.what
from marketplace.model_history_at(:'at'::timestamptz) h
where h.kind = 'drift'
order by 1, 2;
