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
  -- whatever moves rows, in an order in which plain SQL finds what it calls
  _functions constant regprocedure[] := array(
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'marketplace_projection'::regnamespace
      and (p.proname in ('apply', 'apply_chunk', 'reset', 'time_of', 'catalog_of', 'rule_since', 'points_of_rule')
           or p.proname like 'move\_%')
    order by p.proname <> 'time_of', p.proname);
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
  foreach _function in array _functions
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
  foreach _function in array _functions
  loop
    execute format('drop function %s', replace(_function::text, 'marketplace_projection.', 'pg_temp.'));
  end loop;
end
$body$;
comment on function marketplace_projection.check(text) is
  'Takes all events of a workspace into a scratch copy and returns what differs: rows that are missing, rows that no event accounts for. Nothing means that the projections are right; a row `stale` that they stopped and have to be rebuilt. Appends of the workspace wait meanwhile.';
revoke execute on function marketplace_projection.check(text) from public;
grant execute on function marketplace_projection.check(text) to ledger_auditor, ledger_service;
