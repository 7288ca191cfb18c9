-- Which exports were never imported, though they were sound, and is their version still promoted?
--
--   psql "$DATABASE" -f ops/queries/12-never-imported.sql
select e.workspace, e.name, e.version, e.recorded_at::date as exported, e.bytes, c.model is not null as still_promoted
from marketplace.export_summary e
left join marketplace.import_summary i on i.workspace = e.workspace and i.model = e.model and i.version = e.version
  and i.created = e.created and i.marketplace_version is not null
left join marketplace.catalog c on c.workspace = e.workspace and c.model = e.model and c.source_version = e.version
  and c.source_created = e.created
where e.export_id is not null and e.invalidated_sequence is null and i.model is null
order by e.recorded_at, e.workspace, e.name;
