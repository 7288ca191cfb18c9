-- Which models were taken out of the marketplace in the last ninety days, and why?
--
--   psql "$DATABASE" -v now='2026-03-31' -f ops/queries/22-withdrawn.sql
select a.workspace, a.marketplace_name, a.version, a.to_recorded_at::date as withdrawn, a.ended_by, p.ended_by as at_the_source
from marketplace.availability_history a
left join lateral (
  select p.ended_by from marketplace.production_history p
  where p.workspace = a.workspace and p.model = a.model and p.to_sequence < a.to_sequence order by p.to_sequence desc limit 1) p on true
where a.ended_by in ('withdrawal', 'lost') and a.to_recorded_at >= timestamptz :'now' - interval '90 days'
order by a.to_recorded_at, a.workspace, a.marketplace_name;
