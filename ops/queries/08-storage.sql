-- How much does each workspace keep on external storage, and how much of it is in the catalog now?
--
--   psql "$DATABASE" -f ops/queries/08-storage.sql
select e.workspace, count(*) as exports, sum(e.files) as files, sum(e.bytes) as bytes,
  coalesce(sum(e.bytes) filter (where c.export_id is not null), 0) as in_catalog
from marketplace.export_summary e
left join marketplace.catalog c on c.workspace = e.workspace and c.model = e.model and c.export_id = e.export_id
where e.export_id is not null
group by e.workspace
order by bytes desc;
