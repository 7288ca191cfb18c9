-- How does what is kept grow, quarter by quarter?
--
--   psql "$DATABASE" -f ops/queries/09-growth.sql
select to_char(date_trunc('quarter', e.recorded_at at time zone 'UTC'), 'YYYY "Q"Q') as quarter, count(*) as exports,
  sum(e.bytes) as bytes, sum(sum(e.bytes)) over (order by date_trunc('quarter', e.recorded_at at time zone 'UTC')) as so_far
from marketplace.export_summary e
where e.export_id is not null
group by date_trunc('quarter', e.recorded_at at time zone 'UTC')
order by date_trunc('quarter', e.recorded_at at time zone 'UTC');
