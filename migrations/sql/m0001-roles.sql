-- The roles of the ledger. Roles belong to the whole cluster, so another database may have made them already,
-- or may be making them at this very moment; both are fine.
do $$
declare
  _role text;
  _missing text[] := '{}';
begin
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'This database is encoded in %, and the ledger hashes UTF-8.', current_setting('server_encoding')
      using hint = 'Create the database with: create database … encoding ''UTF8'' template template0';
  end if;
  foreach _role in array array['ledger_owner', 'ledger_writer', 'ledger_sealer', 'ledger_auditor', 'ledger_service',
                               'marketplace_analyst', 'marketplace_job']
  loop
    if not exists (select from pg_roles where rolname = _role) then
      begin
        execute format('create role %I nologin', _role);
      exception
        when duplicate_object or unique_violation then
          null;
        when insufficient_privilege then
          _missing := _missing || _role;
      end;
    end if;
  end loop;
  if _missing <> '{}' then
    raise exception 'These roles are missing and % may not create them: %', current_user, array_to_string(_missing, ', ')
      using errcode = 'insufficient_privilege',
            hint = format('As a superuser: %s; grant ledger_owner to %I',
                          (select string_agg('create role ' || m || ' nologin', '; ') from unnest(_missing) m), current_user);
  end if;
  if not pg_has_role(current_user, 'ledger_owner', 'member') then
    begin
      execute format('grant ledger_owner to %I', current_user);
    exception
      when insufficient_privilege then
        raise exception '% is not a member of ledger_owner, which owns the schema.', current_user
          using errcode = 'insufficient_privilege',
                hint = format('As a superuser: grant ledger_owner to %I', current_user);
    end;
  end if;
  if not pg_has_role('ledger_service', 'ledger_writer', 'member') then
    begin
      grant ledger_writer to ledger_service;
    exception
      when unique_violation or internal_error then
        null; -- another database did the same at this moment
      when insufficient_privilege then
        raise exception 'Role ledger_service is not a member of ledger_writer, and % may not make it one.', current_user
          using errcode = 'insufficient_privilege', hint = 'As a superuser: grant ledger_writer to ledger_service';
    end;
  end if;
end $$;

do $$
begin
  create schema ledger;
  alter schema ledger owner to ledger_owner;
exception
  when insufficient_privilege then
    raise exception 'Role % may not create a schema in database %, or ledger_owner may not own one there.',
      current_user, current_database()
      using errcode = 'insufficient_privilege',
            hint = format('As a superuser: grant create on database %I to %I, ledger_owner', current_database(), current_user);
end $$;

-- Nothing is for everybody: a function made by the owner can be called only by those it is granted to.
alter default privileges for role ledger_owner revoke execute on functions from public;

comment on schema ledger is
  'The append-only log. Events are appended per workspace, sealed into one global order, and never changed.';
grant usage on schema ledger to ledger_writer, ledger_sealer, ledger_auditor, ledger_service;
