-- Appending. The head row of the workspace is locked, the events take the next sequences, and whatever follows
-- from them moves in the same transaction.
set local role ledger_owner;

-- SQLSTATE classes that say nothing about the data: lost connections, locks, resources, cancellation. They must
-- fail the append, which is then tried again, and never mark a projection stale.
create function ledger.is_transient(_state text) returns boolean
language sql immutable parallel safe as $$
  select left(_state, 2) in ('08', '25', '40', '53', '55', '57', '58', 'XX')
$$;
comment on function ledger.is_transient(text) is 'Whether an SQLSTATE says nothing about the data, so that trying again may help.';

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

-- Inserts a batch whose workspace is locked and whose events are checked. Sequences follow _last. Versions are worked
-- out first, from the streams alone: what is sorted is narrow, and the events themselves pass through once, in order.
-- The streams are joined by hash: a plan made for few rows would join each with each.
--
-- Salts come from one seed of 244 random bits, four from each hash of it with their place: none can be told from the
-- others without the seed, which is in no table and is gone when the call ends.
create function ledger.put(
  _workspace text, _last bigint, _recorded_at timestamptz, _principal text, _run uuid, _streams text[], _expected bigint[],
  _ids uuid[], _types text[], _type_versions smallint[], _occurred_at timestamptz[], _data text[],
  _cause_workspaces text[], _cause_sequences bigint[]
) returns void
language plpgsql
set enable_nestloop to off
as $$
declare
  _versions bigint[];
  _wrong bigint;
  _seed bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
  _salts bytea;
begin
  with event as materialized (
    select u.stream, u.expected, u.nth, row_number() over (partition by u.stream order by u.nth desc) as from_end
    from unnest(_streams, _expected) with ordinality as u (stream, expected, nth)
  ),
  moved as (
    insert into ledger.stream as s (workspace, stream, version)
    select _workspace, event.stream, count(*) from event group by event.stream
    on conflict (workspace, stream) do update set version = s.version + excluded.version
    returning s.stream, s.version
  ),
  placed as (
    select event.nth, event.expected, moved.version - event.from_end + 1 as version
    from event join moved using (stream)
    order by event.nth
  )
  select array_agg(placed.version), min(placed.nth) filter (where placed.expected <> placed.version - 1)
    into _versions, _wrong
  from placed;
  if _wrong is not null then
    perform ledger.refuse_expected(_workspace, _streams[_wrong], _expected[_wrong], _versions[_wrong] - 1);
  end if;

  select string_agg(sha512(_seed || int4send(n)), '') into _salts from generate_series(0, (cardinality(_ids) - 1) / 4) n;
  insert into ledger.event (workspace, sequence, stream, version, id, type, type_version, recorded_at, occurred_at, principal, run,
                            cause_workspace, cause_sequence, nth, data, salt, data_hash)
  select _workspace, _last + e.nth, e.stream, e.version, e.id, e.type, coalesce(e.type_version, 1::smallint), _recorded_at,
         e.occurred_at, _principal, _run, e.cause_workspace, e.cause_sequence, e.nth - 1, e.data::json, e.salt,
         sha256(e.salt || convert_to(e.data, 'UTF8'))
  from (
    select u.*, substring(_salts from u.nth::integer * 16 - 15 for 16) as salt
    from unnest(_streams, _versions, _ids, _types, _type_versions, _occurred_at, _data, _cause_workspaces, _cause_sequences)
      with ordinality as u (stream, version, id, type, type_version, occurred_at, data, cause_workspace, cause_sequence, nth)
    offset 0
  ) e;
end $$;
comment on function ledger.put(text, bigint, timestamptz, text, uuid, text[], bigint[], uuid[], text[], smallint[], timestamptz[],
                               text[], text[], bigint[]) is
  'Inserts a checked batch into a locked workspace; refuses a wrong expected version.';

-- Which projections a batch moves. Registering a projection writes these two anew (see the migration of
-- projections), so that an append calls them directly and looks nothing up.
create function ledger.is_projected(_types text[]) returns boolean language sql immutable as 'select false';
comment on function ledger.is_projected(text[]) is 'Whether a projection moves for any of these types. Written anew by registering one.';

create function ledger.project(_workspace text, _first bigint, _last bigint, _types text[], _stale text[]) returns void
language plpgsql as 'begin end';
comment on function ledger.project(text, bigint, bigint, text[], text[]) is
  'Moves every projection that is not stale over a batch. Written anew by registering one.';

create function ledger.mark_stale(_projection text, _workspace text, _from_sequence bigint, _state text, _message text) returns void
language plpgsql as $$
begin
  insert into ledger.projection_stale (projection, workspace, from_sequence, state, message)
  values (_projection, _workspace, _from_sequence, _state, _message)
  on conflict (projection, workspace) do nothing;
  update ledger.head set stale = array_append(stale, _projection)
  where workspace = _workspace and not _projection = any (stale);
end $$;
comment on function ledger.mark_stale(text, text, bigint, text, text) is 'Stops a projection in a workspace until it is rebuilt.';

-- The slow way, after ledger.project has failed: each projection on its own, so that only the faulty one stops.
create function ledger.project_apart(_workspace text, _first bigint, _last bigint, _types text[]) returns void
language plpgsql as $$
declare
  _projection record;
  _state text;
  _message text;
begin
  for _projection in
    select p.name, p.function from ledger.projection p, ledger.head h
    where h.workspace = _workspace and p.types && _types and not p.name = any (h.stale)
    order by p.name
  loop
    begin
      execute format('select %s($1, $2, $3)', split_part(_projection.function, '(', 1)) using _workspace, _first, _last;
    exception when others then
      get stacked diagnostics _state = returned_sqlstate, _message = message_text;
      if ledger.is_transient(_state) then
        raise;
      end if;
      perform ledger.mark_stale(_projection.name, _workspace, _first, _state, _message);
    end;
  end loop;
end $$;
comment on function ledger.project_apart(text, bigint, bigint, text[]) is
  'Moves every projection over a batch, each in a subtransaction; one that fails is marked stale.';

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

create function ledger.append(
  _workspace text, _streams text[], _expected bigint[], _ids uuid[], _types text[], _type_versions smallint[],
  _occurred_at timestamptz[], _data text[], _cause_workspaces text[], _cause_sequences bigint[], _run uuid, _principal text
) returns table (sequences bigint[], appended integer, replayed integer, recorded_at timestamptz)
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  _count integer := cardinality(_streams);
  _all_ids uuid[] := _ids;
  _by text := ledger.principal(_principal);
  _last bigint;
  _now timestamptz;
  _stale text[];
  _fresh bigint[];
  _known bigint;
  _found record;
  _is_put boolean := false;
  _is_filtered boolean := false;
  _state text;
  _table text;
begin
  perform ledger.check_shape(_streams, _expected, _ids, _types, _type_versions, _occurred_at, _data, _cause_workspaces,
                             _cause_sequences);
  if 'EventRedacted' = any (_types) then
    perform ledger.refuse('LG403', 'EventRedacted is appended by ledger.redact alone.', json_build_object('type', 'EventRedacted'),
      'An owner redacts: select ledger.redact(workspace, sequence, reason).');
  end if;
  perform ledger.check_types(_types, _type_versions);
  perform ledger.check_grant(_by, _workspace, _types);
  perform ledger.check_data(_data, _types);
  if _cause_workspaces is not null or _cause_sequences is not null then
    perform ledger.check_causes(_cause_workspaces, _cause_sequences, _data);
  end if;

  update ledger.head h
  set last_sequence = h.last_sequence + _count,
      last_recorded_at = greatest(clock_timestamp(), h.last_recorded_at + interval '1 microsecond')
  where h.workspace = _workspace
  returning h.last_sequence - _count, h.last_recorded_at, h.stale into _last, _now, _stale;
  if not found then
    perform ledger.refuse_malformed_data(_data);
    perform ledger.refuse_workspace(_workspace);
  end if;

  -- New ids are the rule, so the batch is tried as it is; one subtransaction takes back what turns out to be known,
  -- and what a faulty projection did.
  loop
    begin
      perform ledger.put(_workspace, _last, _now, _by, _run, _streams, _expected, _ids, _types, _type_versions, _occurred_at, _data,
                         _cause_workspaces, _cause_sequences);
      _is_put := true;
      if ledger.is_projected(_types) then
        perform ledger.project(_workspace, _last + 1, _last + cardinality(_ids), _types, _stale);
      end if;
      exit;
    exception when others then
      get stacked diagnostics _state = returned_sqlstate, _table = table_name;
      if ledger.is_transient(_state) then
        raise;
      end if;
      if not _is_put then
        perform ledger.refuse_malformed_data(_data);
        -- Ids come before expected versions: either may say that something is known already.
        if _is_filtered or not (_state = 'LG412' or _state = '23505' and _table like 'event\_%') then
          raise;
        end if;
        select q.id, e.sequence into _found
        from unnest(_ids, _streams, _types, _type_versions, _data) as q (id, stream, type, type_version, data)
        join ledger.event e on e.workspace = _workspace and e.id = q.id
        where e.stream <> q.stream or e.type <> q.type or e.type_version <> coalesce(q.type_version, 1) or e.data::text <> q.data
        limit 1;
        if found then
          perform ledger.refuse_other_content(_workspace, _found.id, _found.sequence);
        end if;
        select q.id into _found
        from unnest(_ids, _streams, _types, _type_versions, _data) as q (id, stream, type, type_version, data)
        group by q.id
        having count(distinct (q.stream, q.type, coalesce(q.type_version, 1), q.data)) > 1
        limit 1;
        if found then
          perform ledger.refuse_other_content(_workspace, _found.id, null);
        end if;
        select array_agg(q.nth order by q.nth) filter (where q.is_first and not q.is_known), count(*) filter (where q.is_known)
          into _fresh, _known
        from (
          select u.nth, row_number() over (partition by u.id order by u.nth) = 1 as is_first,
                 exists (select from ledger.event e where e.workspace = _workspace and e.id = u.id) as is_known
          from unnest(_ids) with ordinality as u (id, nth)
        ) q;
        if cardinality(_fresh) = cardinality(_ids) then
          raise;
        end if;
        if _known > 0 and _fresh is not null and exists (select from unnest(_expected) e where e is not null) then
          select q.stream, q.expected, coalesce(s.version, 0) as actual into _found
          from unnest(_streams, _expected) with ordinality as q (stream, expected, nth)
          left join ledger.stream s on s.workspace = _workspace and s.stream = q.stream
          where q.expected is not null
          order by not q.nth = any (_fresh), q.nth
          limit 1;
          perform ledger.refuse('LG412',
            format('Wrong expected version: %s of the %s events of this call are known already, the others are new (stream %s is at version %s).',
                   _known, _count, _found.stream, _found.actual),
            json_build_object('workspace', _workspace, 'stream', _found.stream, 'expected', _found.expected, 'actual', _found.actual,
                              'known', _known, 'new', cardinality(_fresh)),
            'With expected versions a batch is known as a whole or new as a whole. Read the streams again and decide again.');
        end if;
        update ledger.head h set last_sequence = _last + coalesce(cardinality(_fresh), 0) where h.workspace = _workspace;
        exit when _fresh is null;
        _is_filtered := true;
        select array_agg(q.stream order by q.nth), array_agg(q.expected order by q.nth), array_agg(q.id order by q.nth),
               array_agg(q.type order by q.nth), array_agg(q.type_version order by q.nth), array_agg(q.occurred_at order by q.nth),
               array_agg(q.data order by q.nth), array_agg(q.cause_workspace order by q.nth),
               array_agg(q.cause_sequence order by q.nth)
          into _streams, _expected, _ids, _types, _type_versions, _occurred_at, _data, _cause_workspaces, _cause_sequences
        from unnest(_streams, _expected, _ids, _types, _type_versions, _occurred_at, _data, _cause_workspaces, _cause_sequences)
          with ordinality as q (stream, expected, id, type, type_version, occurred_at, data, cause_workspace, cause_sequence, nth)
        where q.nth = any (_fresh);
        continue;
      end if;
    end;
    -- A projection failed and took the events with it. They come first; whoever is at fault stops.
    perform ledger.put(_workspace, _last, _now, _by, _run, _streams, _expected, _ids, _types, _type_versions, _occurred_at, _data,
                       _cause_workspaces, _cause_sequences);
    perform ledger.project_apart(_workspace, _last + 1, _last + cardinality(_ids), _types);
    exit;
  end loop;

  if _is_filtered or _fresh is null and _known > 0 then
    return query
      select array_agg(e.sequence order by q.nth), coalesce(cardinality(_fresh), 0), _count - coalesce(cardinality(_fresh), 0),
             max(e.recorded_at)
      from unnest(_all_ids) with ordinality as q (id, nth)
      join ledger.event e on e.workspace = _workspace and e.id = q.id;
  else
    return query
      select array(select generate_series(_last + 1, _last + _count)), _count, 0, _now;
  end if;
end $$;
comment on function ledger.append(text, text[], bigint[], uuid[], text[], smallint[], timestamptz[], text[], text[], bigint[], uuid, text) is
  'Appends a batch to a workspace: one call, one transaction. Sequences come back in the order of the input, original ones for ids known already.';

-- The fast path for one event: plain statements, ids by ON CONFLICT, a subtransaction only where something is
-- projected.
create function ledger.append_one(
  _workspace text, _stream text, _expected bigint, _id uuid, _type text, _type_version smallint, _occurred_at timestamptz,
  _data text, _cause_workspace text, _cause_sequence bigint, _run uuid, _principal text
) returns table (sequence bigint, replayed boolean, recorded_at timestamptz)
language plpgsql security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
as $$
#variable_conflict use_column
declare
  _by text := session_user;
  _json json;
  _salt bytea := uuid_send(gen_random_uuid());
  _sequence bigint;
  _now timestamptz;
  _stale text[];
  _version bigint;
  _known record;
  _state text;
begin
  if _principal is not null then
    _by := ledger.principal(_principal);
  end if;
  if num_nulls(_stream, _id, _type, _data) > 0 or octet_length(_stream) not between 1 and ledger.stream_bytes_max()
    or _stream ~ '[\u0001-\u001f\u007f-\u009f]' or _expected < 0 or _occurred_at is not null
  then
    perform ledger.check_shape(array[_stream], array[_expected], array[_id], array[_type], array[_type_version],
                               array[_occurred_at], array[_data], array[_cause_workspace], array[_cause_sequence]);
  end if;
  if _type = 'EventRedacted' then
    perform ledger.refuse('LG403', 'EventRedacted is appended by ledger.redact alone.', json_build_object('type', 'EventRedacted'),
      'An owner redacts: select ledger.redact(workspace, sequence, reason).');
  end if;
  _type_version := coalesce(_type_version, 1::smallint);
  perform from ledger.event_type t where t.type = _type and t.type_version = _type_version;
  if not found then
    perform ledger.check_types(array[_type], array[_type_version]);
  end if;
  perform ledger.check_grant(_by, _workspace, array[_type]);
  perform ledger.check_data(array[_data], array[_type]);
  _json := _data::json;
  if _cause_workspace is not null or _cause_sequence is not null then
    perform ledger.check_causes(array[_cause_workspace], array[_cause_sequence], array[_data]);
  end if;

  update ledger.head h
  set last_sequence = h.last_sequence + 1,
      last_recorded_at = greatest(clock_timestamp(), h.last_recorded_at + interval '1 microsecond')
  where h.workspace = _workspace
  returning h.last_sequence, h.last_recorded_at, h.stale into _sequence, _now, _stale;
  if not found then
    perform ledger.refuse_workspace(_workspace);
  end if;
  insert into ledger.stream as s (workspace, stream, version) values (_workspace, _stream, 1)
  on conflict (workspace, stream) do update set version = s.version + 1
  returning s.version into _version;
  insert into ledger.event (workspace, sequence, stream, version, id, type, type_version, recorded_at, occurred_at, principal, run,
                            cause_workspace, cause_sequence, nth, data, salt, data_hash)
  values (_workspace, _sequence, _stream, _version, _id, _type, _type_version, _now, _occurred_at, _by, _run, _cause_workspace,
          _cause_sequence, 0, _json, _salt, sha256(_salt || convert_to(_data, 'UTF8')))
  on conflict (workspace, id) do nothing;

  if not found then
    select e.sequence, e.recorded_at,
           e.stream <> _stream or e.type <> _type or e.type_version <> _type_version or coalesce(e.data::text <> _data, false) as is_other
      into _known
    from ledger.event e where e.workspace = _workspace and e.id = _id;
    if _known.is_other then
      perform ledger.refuse_other_content(_workspace, _id, _known.sequence);
    end if;
    -- Gives back the numbers that were taken for nothing.
    update ledger.head h set last_sequence = _sequence - 1 where h.workspace = _workspace;
    if _version = 1 then
      delete from ledger.stream s where s.workspace = _workspace and s.stream = _stream;
    else
      update ledger.stream s set version = _version - 1 where s.workspace = _workspace and s.stream = _stream;
    end if;
    return query select _known.sequence, true, _known.recorded_at;
    return;
  end if;

  if _expected <> _version - 1 then
    perform ledger.refuse_expected(_workspace, _stream, _expected, _version - 1);
  end if;
  if ledger.is_projected(array[_type]) then
    begin
      perform ledger.project(_workspace, _sequence, _sequence, array[_type], _stale);
    exception when others then
      get stacked diagnostics _state = returned_sqlstate;
      if ledger.is_transient(_state) then
        raise;
      end if;
      perform ledger.project_apart(_workspace, _sequence, _sequence, array[_type]);
    end;
  end if;
  return query select _sequence, false, _now;
end $$;
comment on function ledger.append_one(text, text, bigint, uuid, text, smallint, timestamptz, text, text, bigint, uuid, text) is
  'Appends one event; like ledger.append, faster for one.';

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
