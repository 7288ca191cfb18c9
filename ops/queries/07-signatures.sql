-- What share of the models in the catalog says what goes in and what comes out?
--
--   psql "$DATABASE" -f ops/queries/07-signatures.sql
select c.workspace, count(*) as models, count(c.signature) as with_signature, round(100.0 * count(c.signature) / count(*)) as percent
from marketplace.catalog c
where c.version is not null
group by rollup (c.workspace)
order by c.workspace nulls last;
