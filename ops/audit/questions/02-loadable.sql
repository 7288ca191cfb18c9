-- Question 2: which version of a model could be loaded from the marketplace at a time, and which bytes it has.
--
--   psql -v model='dev01.readmission-risk' -v at='2026-03-01T09:30:00Z' -f ops/audit/questions/02-loadable.sql
--
-- By when it was promoted in the marketplace; no row means that none could be loaded.
select a.marketplace_name, a.marketplace_version, a.workspace, a.name, a.version, i.manifest_sha256, e.model_sha256, e.uri,
  a.from_recorded_at, a.to_recorded_at, a.workspace || '/' || a.from_sequence as promoted_by,
  i.workspace || '/' || i.sequence as imported_by, e.workspace || '/' || e.sequence as exported_by
from marketplace.availability_history a
left join marketplace.import_summary i on i.workspace = a.workspace and i.model = a.model
  and i.target = a.target and i.marketplace_name = a.marketplace_name and i.marketplace_version = a.marketplace_version and i.state <> 'failed'
left join marketplace.export_summary e on e.workspace = i.workspace and e.export_id = i.export_id and e.state <> 'failed'
where a.marketplace_name = :'model' and a.version is not null
  and a.from_recorded_at <= :'at'::timestamptz
  and (a.to_recorded_at is null or a.to_recorded_at > :'at'::timestamptz)
order by a.from_recorded_at;
