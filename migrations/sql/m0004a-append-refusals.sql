-- What an append refuses besides faulty data: who may not, what is not registered, not there, or there already.
set local role ledger_owner;

-- Who appends. session_user has been authenticated; only the service may speak for somebody else.
create function ledger.principal(_principal text) returns text
language plpgsql stable as $$
begin
  if _principal is null or _principal = session_user then
    return session_user;
  end if;
  if not pg_has_role(session_user, 'ledger_service', 'member') then
    perform ledger.refuse('LG403', format('%s may not append as %s.', session_user, _principal),
      json_build_object('session_user', session_user, 'principal', _principal),
      'Leave the principal out, or be a member of ledger_service.');
  end if;
  if not ledger.is_name(_principal, ledger.principal_bytes_max()) then
    perform ledger.refuse('LG400', 'The name of the principal is empty, too long or has control characters.',
      json_build_object('field', 'principal', 'bytes_max', ledger.principal_bytes_max()), 'Shorten it.');
  end if;
  return _principal;
end $$;
comment on function ledger.principal(text) is 'The principal an append is by: session_user, or whom the service acts for.';

create function ledger.check_grant(_principal text, _workspace text, _types text[]) returns void
language plpgsql stable as $$
declare
  _prefixes text[];
  _type text;
begin
  if pg_has_role(session_user, 'ledger_owner', 'member') then
    return;
  end if;
  select array_agg(g.type_prefix) into _prefixes
  from ledger.append_grant g
  where g.principal = _principal and g.workspace in (_workspace, '*');
  if '' = any (_prefixes) then
    return;
  end if;
  select t into _type from unnest(_types) t
  where not exists (select from unnest(_prefixes) p where starts_with(t, p))
  limit 1;
  if found then
    perform ledger.refuse('LG403', format('%s may not append %s to workspace %s.', _principal, _type, _workspace),
      json_build_object('principal', _principal, 'workspace', _workspace, 'type', _type),
      'An owner grants it: select ledger.grant_append(principal, workspace, type_prefix).');
  end if;
end $$;
comment on function ledger.check_grant(text, text, text[]) is 'Refuses with LG403 unless the principal may append these types there.';

create function ledger.check_types(_types text[], _type_versions smallint[]) returns void
language plpgsql stable as $$
declare
  _known text[];
  _unknown record;
begin
  select array_agg(e.type) into _known from ledger.event_type e where e.type_version = 1;
  if _type_versions is null and _types <@ _known then
    return;
  end if;
  select u.nth - 1 as index, u.type, coalesce(u.type_version, 1) as type_version into _unknown
  from unnest(_types, coalesce(_type_versions, '{}')) with ordinality as u (type, type_version, nth)
  where (u.type, coalesce(u.type_version, 1)) not in (select e.type, e.type_version from ledger.event_type e)
  order by u.nth
  limit 1;
  if found then
    perform ledger.refuse('LG422',
      format('Event %s is of type %s version %s, which is not registered.', _unknown.index, left(_unknown.type, 200),
             _unknown.type_version),
      json_build_object('index', _unknown.index, 'type', left(_unknown.type, 200), 'type_version', _unknown.type_version),
      'An owner registers it: select ledger.register_event_type(type, version, description). A name is a letter, then letters, digits, . _ -');
  end if;
end $$;
comment on function ledger.check_types(text[], smallint[]) is 'Refuses with LG422 the first event whose type is not registered.';

-- A workspace is a complete prefix, so the head alone says whether a cause exists. It is asked before the head
-- is locked: a cause has been committed, or stands earlier in this transaction, hence always comes first.
create function ledger.check_causes(_workspaces text[], _sequences bigint[], _data text[]) returns void
language plpgsql as $$
declare
  _unknown record;
begin
  select c.nth - 1 as index, c.workspace, c.sequence into _unknown
  from unnest(_workspaces, _sequences) with ordinality as c (workspace, sequence, nth)
  left join ledger.head h on h.workspace = c.workspace
  where num_nulls(c.workspace, c.sequence) = 1
     or num_nulls(c.workspace, c.sequence) = 0
        and not (c.sequence >= 1 and coalesce(c.sequence <= h.last_sequence, false))
  order by c.nth
  limit 1;
  if found then
    perform ledger.refuse_malformed_data(_data);
    perform ledger.refuse('LG405',
      format('The cause of event %s is unknown: sequence %s of workspace %s.', _unknown.index,
             coalesce(_unknown.sequence::text, '(none)'), coalesce(left(_unknown.workspace, 100), '(none)')),
      json_build_object('index', _unknown.index, 'workspace', left(_unknown.workspace, 100), 'sequence', _unknown.sequence),
      'A cause is named by workspace and sequence, and is appended and committed before its effect.');
  end if;
end $$;
comment on function ledger.check_causes(text[], bigint[], text[]) is 'Refuses with LG405 the first event whose cause is not there.';

create function ledger.check_times(_occurred_at timestamptz[]) returns void
language plpgsql immutable as $$
begin
  if '0001-01-01T00:00:00Z'::timestamptz > any (_occurred_at) or '10000-01-01T00:00:00Z'::timestamptz <= any (_occurred_at) then
    perform ledger.refuse('LG400', 'An event occurred outside the years 1 to 9999.',
      json_build_object('field', 'occurred_at'), 'Leave the time out if it is not known.');
  end if;
end $$;
comment on function ledger.check_times(timestamptz[]) is 'Refuses with LG400 times outside the years 1 to 9999, infinity included.';

create function ledger.refuse_expected(_workspace text, _stream text, _expected bigint, _actual bigint) returns void
language plpgsql as $$
begin
  perform ledger.refuse('LG412', format('Wrong expected version: %s (stream %s is at version %s).', _expected, _stream, _actual),
    json_build_object('workspace', _workspace, 'stream', _stream, 'expected', _expected, 'actual', _actual),
    'Somebody was faster. Read the stream again and decide again.');
end $$;
comment on function ledger.refuse_expected(text, text, bigint, bigint) is 'Refuses with LG412: wrong expected version.';

create function ledger.refuse_other_content(_workspace text, _id uuid, _sequence bigint) returns void
language plpgsql as $$
begin
  perform ledger.refuse('LG409',
    case when _sequence is null then format('Event id %s stands twice in this call, with different content.', _id)
         else format('Event id %s is taken in workspace %s: sequence %s has other content.', _id, _workspace, _sequence) end,
    json_build_object('id', _id, 'workspace', _workspace, 'sequence', _sequence),
    'The same id means the same stream, type, type version and data. Read what is there and adopt it, or choose another id.');
end $$;
comment on function ledger.refuse_other_content(text, uuid, bigint) is 'Refuses with LG409: same id, other content.';

create function ledger.refuse_workspace(_workspace text) returns void
language plpgsql as $$
begin
  perform ledger.refuse('LG404', format('Workspace %s is unknown.', left(_workspace, 100)),
    json_build_object('workspace', left(_workspace, 100)), 'Open it first: select ledger.open_workspace(workspace).');
end $$;
comment on function ledger.refuse_workspace(text) is 'Refuses with LG404: unknown workspace.';

create function ledger.check_shape(
  _streams text[], _expected bigint[], _ids uuid[], _types text[], _type_versions smallint[], _occurred_at timestamptz[],
  _data text[], _cause_workspaces text[], _cause_sequences bigint[]
) returns void
language plpgsql immutable as $$
declare
  _count integer := coalesce(cardinality(_streams), 0);
  _joined text;
  _index bigint;
begin
  if _count not between 1 and ledger.batch_events_max() then
    perform ledger.refuse('LG400', format('The batch has %s events; 1 to %s are allowed (batch_events_max).', _count,
                                          ledger.batch_events_max()),
      json_build_object('reason', 'batch_size', 'events', _count, 'events_max', ledger.batch_events_max()),
      'Append it in several calls.');
  end if;
  if _ids is null or _types is null or _data is null
    or cardinality(_ids) <> _count or cardinality(_types) <> _count or cardinality(_data) <> _count
    or cardinality(_expected) <> _count or cardinality(_type_versions) <> _count or cardinality(_occurred_at) <> _count
    or cardinality(_cause_workspaces) <> _count or cardinality(_cause_sequences) <> _count
  then
    perform ledger.refuse('LG400', 'The arrays of the batch have different lengths.', json_build_object('reason', 'batch_shape'),
      'Give one element per event. Only _expected, _type_versions, _occurred_at and _cause_* may be null as a whole.');
  end if;
  if array_position(_streams, null) is not null or array_position(_ids, null) is not null
    or array_position(_types, null) is not null or array_position(_data, null) is not null
  then
    select u.nth - 1 into _index
    from unnest(_streams, _ids, _types, _data) with ordinality as u (stream, id, type, data, nth)
    where num_nulls(stream, id, type, data) > 0 order by u.nth limit 1;
    perform ledger.refuse('LG400', format('Event %s lacks its stream, id, type or data.', _index),
      json_build_object('index', _index, 'reason', 'missing'), 'None of these four may be null.');
  end if;
  -- Together no longer than one may be: then each is short enough, and no query is needed to see it.
  _joined := array_to_string(_streams, '');
  if _joined ~ '[\u0001-\u001f\u007f-\u009f]' or '' = any (_streams)
    or octet_length(_joined) > ledger.stream_bytes_max()
       and exists (select from unnest(_streams) s where octet_length(s) > ledger.stream_bytes_max())
  then
    select u.nth - 1 into _index from unnest(_streams) with ordinality as u (stream, nth)
    where not ledger.is_name(stream, ledger.stream_bytes_max()) order by u.nth limit 1;
    perform ledger.refuse('LG400', format('The stream of event %s is empty, too long or has control characters.', _index),
      json_build_object('index', _index, 'field', 'stream', 'bytes_max', ledger.stream_bytes_max()), 'Name the stream otherwise.');
  end if;
  if 0 > any (_expected) then
    perform ledger.refuse('LG400', 'An expected version is below 0.', json_build_object('field', 'expected'),
      'Null expects nothing; 0 expects that the stream is empty.');
  end if;
  if _occurred_at is not null then
    perform ledger.check_times(_occurred_at);
  end if;
end $$;
comment on function ledger.check_shape(text[], bigint[], uuid[], text[], smallint[], timestamptz[], text[], text[], bigint[]) is
  'Refuses with LG400 a batch that lacks something, is too long, or has a bad name or time.';
