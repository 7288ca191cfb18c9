-- Which names are used in more than one workspace, and do they mean the same bytes?
--
--   psql "$DATABASE" -f ops/queries/23-same-name.sql
select c.name, string_agg(c.workspace, ', ' order by c.workspace) as workspaces, count(distinct c.model_sha256) as different_bytes
from marketplace.catalog c
group by c.name
having count(distinct c.workspace) > 1
order by c.name;
