-- A workspace of many events is taken into the scratch copy in two steps. While the copy is empty the planner takes its tables to hold
-- a row, and joins what comes with all that is there row by row: four times the events took twenty-five times as long. After the
-- first step it knows better.
set local role ledger_owner;

create function marketplace_projection.scratch_events_first() returns bigint language sql immutable as 'select 10000::bigint';
comment on function marketplace_projection.scratch_events_first() is
  'Events of a workspace after which the scratch copy is analyzed, where there are twice as many. Analyzing costs some 100 ms.';

create or replace function marketplace_projection.take_into_scratch(_workspace text, _last bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
declare
  _first constant bigint := marketplace_projection.scratch_events_first();
  _table text;
begin
  perform marketplace_projection.open_scratch();
  perform pg_temp.marketplace_scratch_reset(_workspace);
  perform marketplace_projection.keep_detached(_workspace, _last, 'pg_temp.marketplace_scratch_observation'::regclass);
  if _last < 2 * _first then
    perform pg_temp.marketplace_scratch_apply(_workspace, 1::bigint, _last);
    return;
  end if;
  perform pg_temp.marketplace_scratch_apply(_workspace, 1::bigint, _first);
  for _table in select s.name from marketplace_projection.scratch_tables() s loop
    execute format('analyze pg_temp.%I', 'marketplace_scratch_' || _table);
  end loop;
  perform pg_temp.marketplace_scratch_apply(_workspace, _first + 1, _last);
end
$body$;
reset role;
