-- Question 15: workspaces that have not reported for some days.
--
--   psql -v days=2 -v at='2026-03-01T00:00:00Z' -f ops/audit/questions/15-silent.sql
--
-- Silence is a finding: one that never was read completely is silent since it was connected.
select w.workspace, w.state, w.observed_to as last_read, w.unreadable_since, w.reason, w.message
from marketplace.workspaces_at(:'at'::timestamptz) w
where w.state <> 'disconnected'
  and coalesce(w.observed_to, (select min(c.recorded_at) from marketplace_projection.connection c where c.workspace = w.workspace))
    < :'at'::timestamptz - make_interval(days => :'days')
order by w.observed_to nulls first, w.workspace;
