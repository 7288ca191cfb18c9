-- Append-only is the database's word, not a convention. The owner and a superuser are refused, too, and so is
-- session_replication_role = replica, which switches ordinary triggers off. Who drops the trigger itself is
-- caught by proof, not here.
set local role ledger_owner;

create function ledger.refuse_change() returns trigger
language plpgsql as $$
begin
  perform ledger.refuse('LG403', format('%s on %s.%s is forbidden: it is append-only.', tg_op, tg_table_schema, tg_table_name),
    json_build_object('operation', tg_op, 'table', tg_table_schema || '.' || tg_table_name),
    'What was wrong is put right by another event. Personal data: select ledger.redact(workspace, sequence, reason).');
  return null;
end $$;
comment on function ledger.refuse_change() is 'Trigger: refuses every change with LG403.';

-- The one update there is empties data and salt and nothing else, and only if an event says so: no setting and
-- no flag, but the log itself, allows it.
create function ledger.refuse_update() returns trigger
language plpgsql as $$
begin
  if new.data is null and new.salt is null and old.data is not null
    and (new.workspace, new.sequence, new.stream, new.version, new.id, new.type, new.type_version, new.recorded_at, new.principal,
         new.data_hash, new.nth)
      = (old.workspace, old.sequence, old.stream, old.version, old.id, old.type, old.type_version, old.recorded_at, old.principal,
         old.data_hash, old.nth)
    and (new.occurred_at, new.run, new.cause_workspace, new.cause_sequence)
      is not distinct from (old.occurred_at, old.run, old.cause_workspace, old.cause_sequence)
    and exists (select from ledger.event r
                where r.workspace = old.workspace and r.stream = 'redactions' and r.type = 'EventRedacted'
                  and (r.data ->> 'sequence')::bigint = old.sequence)
  then
    return new;
  end if;
  perform ledger.refuse('LG403', format('UPDATE on %s.%s is forbidden: it is append-only.', tg_table_schema, tg_table_name),
    json_build_object('operation', tg_op, 'table', tg_table_schema || '.' || tg_table_name),
    'What was wrong is put right by another event. Personal data: select ledger.redact(workspace, sequence, reason).');
  return null;
end $$;
comment on function ledger.refuse_update() is 'Trigger: refuses every update but a redaction that stands in the log.';

create trigger append_only_update before update on ledger.event for each row execute function ledger.refuse_update();
create trigger append_only_delete before delete on ledger.event for each row execute function ledger.refuse_change();
create trigger append_only before update or delete on ledger.seal for each row execute function ledger.refuse_change();
create trigger append_only before update or delete on ledger.seal_run for each row execute function ledger.refuse_change();
create trigger append_only before update or delete on ledger.workspace for each row execute function ledger.refuse_change();

do $$
declare
  _table regclass;
  _trigger record;
begin
  -- TRUNCATE asks the triggers of the tables it names, so every partition needs its own.
  foreach _table in array array(
    select 'ledger.event'::regclass union all
    select inhrelid::regclass from pg_inherits where inhparent = 'ledger.event'::regclass union all
    select unnest(array['ledger.seal', 'ledger.seal_run', 'ledger.workspace']::regclass[])
  ) loop
    execute format('create trigger append_only_truncate before truncate on %s for each statement execute function ledger.refuse_change()',
                   _table);
  end loop;
  for _trigger in
    select t.tgrelid::regclass as relation, t.tgname as name
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where c.relnamespace = 'ledger'::regnamespace and t.tgname like 'append\_only%'
  loop
    execute format('alter table %s enable always trigger %I', _trigger.relation, _trigger.name);
  end loop;
end $$;
