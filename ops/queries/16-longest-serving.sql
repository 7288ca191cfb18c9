-- Which versions have been in production longest without a doubt?
--
--   psql "$DATABASE" -f ops/queries/16-longest-serving.sql
select p.workspace, p.name, p.version, sum(extract(day from upper(p.certain) - lower(p.certain)))::integer as days,
  bool_or(p.to_sequence is null) as still
from marketplace.production_history p
where not isempty(p.certain)
group by p.workspace, p.model, p.name, p.version
order by days desc, p.workspace, p.name
limit 5;
