-- How often is a promotion taken back to a version that had been there before?
--
--   psql "$DATABASE" -f ops/queries/15-rollbacks.sql
select a.workspace, a.name, count(*) filter (where a.began_by = 'promotion') as promotions,
  count(*) filter (where a.began_by = 'rollback') as rollbacks
from marketplace.availability_history a
group by a.workspace, a.name
having count(*) filter (where a.began_by = 'rollback') > 0
order by rollbacks desc, a.workspace, a.name;
