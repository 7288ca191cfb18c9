-- Which workspaces promote the very same bytes under names of their own?
--
--   psql "$DATABASE" -f ops/queries/04-identical-bytes.sql
select left(e.model_sha256, 12) as digest, count(distinct e.workspace) as workspaces,
  string_agg(distinct e.workspace || '/' || e.name || ' v' || e.version, ', ') as versions
from marketplace.export_summary e
where e.export_id is not null
group by e.model_sha256
having count(distinct (e.workspace, e.model)) > 1
order by e.model_sha256;
