-- Question 4: every change to a model between two times, with the old and the new value.
--
--   psql -v model='dev01/readmission-risk' -v from='2026-03-01' -v to='2026-04-01' -f ops/audit/questions/04-changes.sql
--
-- The first lines say what was recorded, event by event; the last what the catalog said at the end otherwise than at the
-- beginning. Earlier entries stay as they are: nothing is ever written over.
with model as (
  select distinct v.workspace, v.model from (
    -- by whatever name it ever had
    select workspace, model, name from marketplace_projection.model
    union select workspace, model, name from marketplace_projection.model_closed) v
  where :'model' in (v.workspace || '/' || v.name, v.workspace || '.' || v.name, v.model::text)
)
select h.recorded_at, h.event, h.kind, h.before, h.what as after
from (
  -- what was said last of the same thing: of a version's stage, of an alias, of the model
  select h.recorded_at, h.workspace || '/' || h.sequence as event, h.kind, h.what,
    lag(h.what) over (
      partition by h.workspace, h.model, h.kind,
        case h.kind when 'alias' then split_part(h.what, ' ', 1) when 'current' then '' when 'available' then '' else h.version::text end
      order by h.sequence) as before
  from marketplace.model_history h
  join model m on m.workspace = h.workspace and m.model = h.model
) h
where h.recorded_at > :'from'::timestamptz and h.recorded_at <= :'to'::timestamptz
union all
select null, null, 'catalog: ' || c.field, c.before, c.after
from marketplace.catalog_changes(ledger.position_at(:'from'::timestamptz), ledger.position_at(:'to'::timestamptz)) c
join model m on m.workspace = c.workspace and m.model = c.model
order by 1 nulls last, 2, 3, 5;
