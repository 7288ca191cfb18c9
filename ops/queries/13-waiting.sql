-- What do the sources mean that cannot be loaded, since when, and why?
--
--   psql "$DATABASE" -v now='2026-03-31' -f ops/queries/13-waiting.sql
select c.workspace, c.name, c.source_version, c.available_version, c.state, c.since::date as since,
  (timestamptz :'now')::date - c.since::date as days, c.reason
from marketplace.catalog c
where c.source_version is not null and c.source_version is distinct from c.available_version
order by c.since, c.workspace, c.name;
