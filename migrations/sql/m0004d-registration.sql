-- What has to be there before an event is: its workspace, its type, and a grant.
set local role ledger_owner;

create function ledger.open_workspace(_workspace text) returns void
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if _workspace is null or _workspace !~ '^[a-z0-9-]{1,63}$' then
    perform ledger.refuse('LG400', format('"%s" is no key of a workspace.', left(_workspace, 100)),
      json_build_object('field', 'workspace', 'workspace', left(_workspace, 100)), 'Use 1 to 63 of: a to z, 0 to 9, hyphen.');
  end if;
  if exists (select from ledger.sealed s where s.workspace = _workspace) then
    return;
  end if;
  if not pg_has_role(session_user, 'ledger_owner', 'member')
    and not exists (select from ledger.append_grant g where g.principal = session_user and g.workspace in (_workspace, '*'))
  then
    perform ledger.refuse('LG403', format('%s may not open workspace %s.', session_user, _workspace),
      json_build_object('principal', session_user, 'workspace', _workspace),
      'An owner grants it: select ledger.grant_append(principal, workspace, type_prefix).');
  end if;
  insert into ledger.workspace (workspace) values (_workspace) on conflict do nothing;
  insert into ledger.head (workspace) values (_workspace) on conflict do nothing;
  insert into ledger.sealed (workspace) values (_workspace) on conflict do nothing;
end $$;
comment on function ledger.open_workspace(text) is 'Opens a workspace for events. Does nothing if it is open.';

create function ledger.register_event_type(_type text, _type_version smallint, _description text) returns void
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if _type is null or _type !~ '^[A-Za-z][A-Za-z0-9._-]{0,127}$' or coalesce(_type_version, 0) < 1 then
    perform ledger.refuse('LG422', format('"%s" version %s is no event type.', left(_type, 200), _type_version),
      json_build_object('type', left(_type, 200), 'type_version', _type_version),
      'A name is a letter, then letters, digits, . _ - (at most 128); versions begin with 1.');
  end if;
  insert into ledger.event_type (type, type_version, description) values (_type, _type_version, coalesce(_description, ''))
  on conflict (type, type_version) do update set description = excluded.description;
end $$;
comment on function ledger.register_event_type(text, smallint, text) is 'Registers an event type, so that it may be appended.';

create function ledger.grant_append(_to text, _workspace text, _type_prefix text) returns void
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if num_nulls(_to, _workspace, _type_prefix) > 0 or not (_workspace = '*' or _workspace ~ '^[a-z0-9-]{1,63}$')
    or not ledger.is_name(_to, ledger.principal_bytes_max())
  then
    perform ledger.refuse('LG400', 'A grant names a principal, a workspace or *, and a prefix of types.',
      json_build_object('principal', _to, 'workspace', _workspace, 'type_prefix', _type_prefix), 'The empty prefix allows every type.');
  end if;
  insert into ledger.append_grant (principal, workspace, type_prefix) values (_to, _workspace, _type_prefix) on conflict do nothing;
end $$;
comment on function ledger.grant_append(text, text, text) is 'Lets a principal append types that begin with the prefix to the workspace (* for all).';

create function ledger.revoke_append(_to text, _workspace text, _type_prefix text) returns void
language sql security definer
set search_path to pg_catalog, pg_temp
as $$
  delete from ledger.append_grant where principal = _to and workspace = _workspace and type_prefix = _type_prefix
$$;
comment on function ledger.revoke_append(text, text, text) is 'Takes a grant back.';
