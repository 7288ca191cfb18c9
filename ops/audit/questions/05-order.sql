-- Question 5: steps that were taken in an order that is not permitted.
--
--   psql -v at='2026-03-01T00:00:00Z' -f ops/audit/questions/05-order.sql
--
-- A version is promoted at its source, then exported, then imported, then promoted in the marketplace. No row: always so.
with exported as (select * from marketplace.export_summary_at(:'at'::timestamptz) where state <> 'failed'),
imported as (select * from marketplace.import_summary_at(:'at'::timestamptz) where state <> 'failed'),
-- by the rules that were in force in its workspace at any time before
rule as (
  select c.workspace, c.sequence, c.stages, c.aliases from marketplace_projection.connection c where c.connected
),
promoted as (
  select workspace, model, version, created, min(sequence) as sequence
  from (
    select h.workspace, h.model, h.version, h.created, h.from_sequence as sequence
    from marketplace.production_history_at(:'at'::timestamptz) h
    union all
    -- where all promoted versions are exported: in a promoted stage or under a promoted alias
    select s.workspace, s.model, s.version, s.created, greatest(s.from_sequence, r.sequence)
    from marketplace.stage_history_at(:'at'::timestamptz) s
    join rule r on r.workspace = s.workspace and s.stage = any (r.stages)
    union all
    select a.workspace, a.model, a.version, a.created, greatest(a.from_sequence, r.sequence)
    from marketplace.alias_history_at(:'at'::timestamptz) a
    join rule r on r.workspace = a.workspace and a.alias = any (r.aliases)
  ) x
  group by workspace, model, version, created
)
select e.workspace || '/' || e.sequence as event, e.name, e.version, 'exported before it was promoted' as violation
from exported e
left join promoted p on p.workspace = e.workspace and p.model = e.model and p.version = e.version
  and p.created = e.created and p.sequence < e.sequence
where p.sequence is null
union all
select i.workspace || '/' || i.sequence, i.name, i.version, 'imported without an earlier export of the same bytes'
from imported i
left join exported e on e.workspace = i.workspace and e.export_id = i.export_id and e.sequence < i.sequence
  and e.manifest_sha256 = i.manifest_sha256
where e.sequence is null
union all
select a.workspace || '/' || a.from_sequence, a.name, a.version, 'promoted in the marketplace before it was imported'
from marketplace.availability_history_at(:'at'::timestamptz) a
left join imported i on i.workspace = a.workspace and i.model = a.model and i.version = a.version and i.target = a.target
  and i.sequence < a.from_sequence
where a.version is not null and i.sequence is null
order by 1;
