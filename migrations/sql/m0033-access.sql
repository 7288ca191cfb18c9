-- Who may use the service, and whom it acts for.
set local role ledger_owner;

insert into ledger.event_type (type, type_version, description) values
  ('TokenCreated', 1, 'A token of the service was made; kept is what tells whether one shown is it, not the token.'),
  ('TokenRevoked', 1, 'A token of the service is valid no longer.')
on conflict (type, type_version) do nothing;

create function ledger.access_types() returns text[] language sql immutable as $$
  select array['TokenCreated', 'TokenRevoked']
$$;
comment on function ledger.access_types() is
  'Types that say who may do what. A grant of every type does not reach them: it has to begin with Token.';

-- Two things are new. Whoever may append every type, as jobs may, may not make tokens with it. And where a member of
-- ledger_owner speaks for somebody else, that one's grants hold: a service that runs as the owner is not everybody.
create or replace function ledger.check_grant(_principal text, _workspace text, _types text[]) returns void
language plpgsql stable as $$
declare
  _prefixes text[];
  _type text;
begin
  if _principal = session_user and pg_has_role(session_user, 'ledger_owner', 'member') then
    return;
  end if;
  select array_agg(g.type_prefix) into _prefixes
  from ledger.append_grant g
  where g.principal = _principal and g.workspace in (_workspace, '*');
  if '' = any (_prefixes) and not _types && ledger.access_types() then
    return;
  end if;
  select t into _type from unnest(_types) t
  where not exists (
    select from unnest(_prefixes) p
    where starts_with(t, p) and (starts_with(p, 'Token') or t <> all (ledger.access_types())))
  limit 1;
  if found then
    perform ledger.refuse('LG403', format('%s may not append %s to workspace %s.', _principal, _type, _workspace),
      json_build_object('principal', _principal, 'workspace', _workspace, 'type', _type),
      case when _type = any (ledger.access_types())
        then format('An owner grants it by name: select ledger.grant_append(%L, %L, ''Token'').', _principal, _workspace)
        else 'An owner grants it: select ledger.grant_append(principal, workspace, type_prefix).' end);
  end if;
end $$;
