-- Appending a batch. The head row of the workspace is locked, the events take the next sequences, and whatever follows
-- from them moves in the same transaction.
set local role ledger_owner;

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
