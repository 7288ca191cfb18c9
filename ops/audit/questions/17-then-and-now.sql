-- Question 17: what was meant to be in production at a time, as it was known then and as it is known now.
--
--   psql -v at='2026-03-01T00:00:00Z' -f ops/audit/questions/17-then-and-now.sql
--
-- They differ where a change was observed only later: a late event.
with then_known as (
  select workspace, model, name, source_version from marketplace.catalog_at(:'at'::timestamptz)
  where source_version is not null
),
now_known as (
  select workspace, model, name, version, answer, from_sequence from marketplace.in_production_at(:'at'::timestamptz)
)
select coalesce(n.workspace, t.workspace) as workspace, coalesce(n.name, t.name) as name,
  t.source_version as known_then, n.version as known_now, coalesce(n.answer, 'no') as certainty_now,
  n.workspace || '/' || n.from_sequence as learnt_from
from then_known t
full join now_known n on n.workspace = t.workspace and n.model = t.model
where n.answer is distinct from 'certain' or t.source_version is distinct from n.version
order by 1, 2, 4;
