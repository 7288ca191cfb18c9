-- Which exports were never imported, though they were sound, and is their version still promoted?
--
--   psql "$DATABASE" -f ops/queries/12-never-imported.sql
select e.workspace, e.name, e.version, e.recorded_at::date as exported, e.bytes, v.current as still_promoted
from marketplace.export_summary e
join marketplace.model_versions v on v.workspace = e.workspace and v.model = e.model and v.version = e.version and v.created = e.created
where e.export_id is not null and e.invalidated_sequence is null
  and not exists (
    select from marketplace.import_summary i
    where i.workspace = e.workspace and i.model = e.model and i.version = e.version and i.created = e.created
      and i.marketplace_version is not null)
order by e.recorded_at, e.workspace, e.name;
