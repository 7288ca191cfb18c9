-- What a stopped projection claims is still compared: a row that nobody may forge in a workspace that follows nobody may forge in
-- one that stopped either, and to say that it stopped was enough to have nothing looked at.
set local role ledger_owner;

create or replace function marketplace_projection.check(_workspace text)
returns table (projection_table text, difference text, row_text text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
  _last bigint;
  _stale ledger.projection_stale;
begin
  -- appends of this workspace wait, so that both sides end with the same event
  select h.last_sequence into _last from ledger.head h where h.workspace = _workspace for update;
  if not found then
    raise exception 'Workspace % is unknown.', _workspace
      using errcode = 'LG404', hint = 'select workspace from ledger.workspace lists them.';
  end if;
  select * into _stale from ledger.projection_stale s where s.projection = 'marketplace' and s.workspace = _workspace;
  if found then
    projection_table := null;
    difference := 'stale';
    row_text := format('stopped at event %s: %s', _stale.from_sequence, _stale.message);
    return next;
    -- Stopped at the first event, it claims nothing. Where something was redacted since, its rows are of what is gone: they
    -- wait to be made anew, and nobody can say what they were.
    if _stale.from_sequence <= 1 or exists (
      select from ledger.event e
      where e.workspace = _workspace and e.stream = 'redactions' and e.sequence >= _stale.from_sequence)
    then
      difference := 'not compared';
      return next;
      return;
    end if;
    _last := least(_last, _stale.from_sequence - 1);
  end if;
  perform marketplace_projection.take_into_scratch(_workspace, _last);
  return query select * from pg_temp.marketplace_scratch_differences(_workspace);
end
$body$;
comment on function marketplace_projection.check(text) is
  'Takes all events of a workspace into a scratch copy and returns what differs: rows that are missing, rows that no event accounts for. Nothing means that the projections are right; a row `stale` that they stopped at an event, have to be rebuilt, and were compared with the events before it, unless a row `not compared` says that they could not be. Appends of the workspace wait meanwhile.';

-- What was stale already claims no more than the earliest of what it stopped at, and what was taken back may say otherwise from the
-- first event on: redactions that were lost are among it.
select ledger.change_function('ledger.mark_stale(text,text,bigint,text,text)', 'on conflict (projection, workspace) do nothing;',
  'on conflict (projection, workspace) do update set from_sequence = excluded.from_sequence
  where excluded.from_sequence < projection_stale.from_sequence;');
select ledger.change_function(p.oid::regprocedure, 'ledger.mark_stale(p.name, r.workspace, r.first, null, ''Events were recovered from here on; rebuild it.'')',
  'ledger.mark_stale(p.name, r.workspace, 1, null, format(''Events were recovered from event %s on; rebuild it.'', r.first))')
from pg_proc p where p.oid::regproc = 'ledger.recover'::regproc;
reset role;
