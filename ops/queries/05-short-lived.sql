-- Which versions were meant for production and taken back within a day?
--
--   psql "$DATABASE" -f ops/queries/05-short-lived.sql
--
-- The change lies between two readings, so a spell lasted between the shortest and the longest that these allow.
select p.workspace, p.name, p.version, p.from_recorded_at::date as promoted,
  coalesce(upper(p.certain) - lower(p.certain), interval '0') as at_least, upper(p.possible) - lower(p.possible) as at_most, p.ended_by
from marketplace.production_history p
where p.to_sequence is not null and p.to_recorded_at - p.from_recorded_at < interval '1 day'
order by p.from_recorded_at, p.workspace, p.name;
