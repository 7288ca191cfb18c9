-- Are the tables what the events amount to? Asked, and made so: all events of a workspace are taken into the scratch
-- copy by the functions that move the tables, and the rows are compared in both directions.
set local role ledger_owner;

create function marketplace_projection.check(_workspace text)
returns table (projection_table text, difference text, row_text text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
  _last bigint;
begin
  -- appends of this workspace wait, so that both sides end with the same event
  select h.last_sequence into _last from ledger.head h where h.workspace = _workspace for update;
  if not found then
    raise exception 'Workspace % is unknown.', _workspace
      using errcode = 'LG404', hint = 'select workspace from ledger.workspace lists them.';
  end if;
  return query
    select null::text, 'stale', format('stopped at event %s: %s', s.from_sequence, s.message)
    from ledger.projection_stale s where s.projection = 'marketplace' and s.workspace = _workspace;
  if found then
    return;
  end if;
  perform marketplace_projection.take_into_scratch(_workspace, _last);
  return query select * from pg_temp.marketplace_scratch_differences(_workspace);
end
$body$;
comment on function marketplace_projection.check(text) is
  'Takes all events of a workspace into a scratch copy and returns what differs: rows that are missing, rows that no event accounts for. Nothing means that the projections are right; a row `stale` that they stopped and have to be rebuilt. Appends of the workspace wait meanwhile.';
revoke execute on function marketplace_projection.check(text) from public;
grant execute on function marketplace_projection.check(text) to ledger_auditor, ledger_service;

-- Rows that are right stay as they are: nothing is written where nothing was wrong, and to insert a row over one that
-- the same transaction deleted costs a sixth of all. Where there is nothing yet there is nothing to compare with.
create function marketplace_projection.rebuild(_workspace text, _last bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
declare
  _table text;
  _has_rows boolean;
begin
  for _table in
    select c.relname from pg_class c
    where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r' order by c.relname
  loop
    execute format('select exists (select from marketplace_projection.%I where workspace = $1)', _table)
      into _has_rows using _workspace;
    if _has_rows then
      perform marketplace_projection.take_into_scratch(_workspace, _last);
      perform pg_temp.marketplace_scratch_settle(_workspace);
      return;
    end if;
  end loop;
  perform marketplace_projection.apply(_workspace, 1, _last);
end
$body$;
comment on function marketplace_projection.rebuild(text, bigint) is
  'Makes the workspace''s rows what its events up to the last amount to, by writing what differs. Called by ledger.rebuild_projection, which has its appends wait.';
