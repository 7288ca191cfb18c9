-- Which workspaces have not been read completely for a week, and since when?
--
--   psql "$DATABASE" -v now='2026-03-31' -f ops/queries/06-silent-workspaces.sql
select w.workspace, w.state, w.observed_to::date as last_read, timestamptz :'now' - w.observed_to as silent_for, w.reason
from marketplace.workspaces w
where w.state <> 'disconnected' and (w.observed_to is null or w.observed_to < timestamptz :'now' - interval '7 days')
order by w.observed_to nulls first, w.workspace;
