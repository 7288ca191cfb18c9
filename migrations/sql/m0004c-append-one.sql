-- Appending one event.
set local role ledger_owner;

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
