-- What did the catalog say at a time, where it says otherwise now?
--
--   psql "$DATABASE" -v at='2025-06-01' -f ops/queries/26-then-and-now.sql
--
-- As it was known then: the answer is the same for ever.
select coalesce(n.workspace, t.workspace) as workspace, coalesce(n.name, t.name) as name, t.available_version as then_available,
  n.available_version as now_available, t.state as then_state, n.state as now_state
from marketplace.catalog_at(timestamptz :'at') t
full join marketplace.catalog n on n.workspace = t.workspace and n.model = t.model
where (t.available_version, t.state) is distinct from (n.available_version, n.state)
order by 1, 2;
