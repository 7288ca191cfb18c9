-- What can be loaded from the marketplace, whose is it, and how long has it been there?
--
--   psql "$DATABASE" -f ops/queries/01-inventory.sql
select c.marketplace_name, c.marketplace_version, c.workspace, c.owner, c.description, c.since::date as since
from marketplace.catalog c
where c.available_version is not null
order by c.marketplace_name;
