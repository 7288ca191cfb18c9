-- Are the tables what the events amount to? The same functions take all events of a workspace into a scratch copy of
-- the tables, and the rows are compared in both directions.
set local role ledger_owner;

create function marketplace_projection.check(_workspace text)
returns table (projection_table text, difference text, row_text text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $body$
declare
  _last bigint;
  _table text;
  _function regprocedure;
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

  for _table in
    select c.relname from pg_class c
    where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r' order by c.relname
  loop
    execute format('create temporary table %I (like marketplace_projection.%I including defaults including indexes)',
      _table, _table);
  end loop;
  -- the functions themselves, only with the scratch copy under their hands
  foreach _function in array array[
    'marketplace_projection.time_of(bigint)'::regprocedure,
    'marketplace_projection.catalog_of(text,uuid[],bigint)'::regprocedure,
    'marketplace_projection.apply_chunk(text,bigint,bigint)'::regprocedure,
    'marketplace_projection.reset(text)'::regprocedure,
    'marketplace_projection.apply(text,bigint,bigint)'::regprocedure]
  loop
    execute replace(pg_get_functiondef(_function), 'marketplace_projection.', 'pg_temp.');
  end loop;

  perform pg_temp.apply(_workspace, 1::bigint, _last);

  for _table in
    select c.relname from pg_class c
    where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r' order by c.relname
  loop
    return query execute format($compare$
      (select %1$L::text, 'missing', t::text from pg_temp.%1$I t
       except all select %1$L, 'missing', t::text from marketplace_projection.%1$I t where t.workspace = $1)
      union all
      (select %1$L, 'unfounded', t::text from marketplace_projection.%1$I t where t.workspace = $1
       except all select %1$L, 'unfounded', t::text from pg_temp.%1$I t)
      $compare$, _table) using _workspace;
    execute format('drop table pg_temp.%I', _table);
  end loop;
  drop function pg_temp.apply(text, bigint, bigint);
  drop function pg_temp.reset(text);
  drop function pg_temp.apply_chunk(text, bigint, bigint);
  drop function pg_temp.catalog_of(text, uuid[], bigint);
  drop function pg_temp.time_of(bigint);
end
$body$;
comment on function marketplace_projection.check(text) is
  'Takes all events of a workspace into a scratch copy and returns what differs: rows that are missing, rows that no event accounts for. Nothing means that the projections are right; a row `stale` that they stopped and have to be rebuilt. Appends of the workspace wait meanwhile.';
revoke execute on function marketplace_projection.check(text) from public;
grant execute on function marketplace_projection.check(text) to ledger_auditor, ledger_service;
