-- Which models can be loaded without a word on what they are for, or on whose they are?
--
--   psql "$DATABASE" -f ops/queries/18-undescribed.sql
select c.marketplace_name, c.workspace, c.description is null as without_description, c.owner is null as without_owner
from marketplace.catalog c
where c.available_version is not null and (c.description is null or c.owner is null)
order by c.marketplace_name;
