-- How are the models of the catalog loaded?
--
--   psql "$DATABASE" -f ops/queries/19-flavors.sql
select f.flavor, count(*) as models
from marketplace.catalog c cross join lateral unnest(c.flavors) f (flavor)
where c.available_version is not null
group by f.flavor
order by models desc, f.flavor;
