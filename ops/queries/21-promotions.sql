-- How many versions are promoted in each workspace, quarter by quarter?
--
--   psql "$DATABASE" -f ops/queries/21-promotions.sql
select to_char(date_trunc('quarter', p.from_recorded_at at time zone 'UTC'), 'YYYY "Q"Q') as quarter, p.workspace, count(*) as promoted
from marketplace.production_history p
group by date_trunc('quarter', p.from_recorded_at at time zone 'UTC'), p.workspace
order by date_trunc('quarter', p.from_recorded_at at time zone 'UTC'), p.workspace;
