-- Redaction, and who may do what.
set local role ledger_owner;

-- The event that says so comes first, then data and salt go, then the projections move over the event and find
-- the data gone. The hash stays, so every proof stays valid. Old row versions, the write-ahead log and backups
-- keep the bytes until they are vacuumed, recycled and deleted.
create function ledger.redact(_workspace text, _sequence bigint, _reason text) returns bigint
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  _stream text;
  _last bigint;
  _now timestamptz;
  _data text;
begin
  if coalesce(_reason, '') = '' then
    perform ledger.refuse('LG400', 'A redaction needs a reason.', json_build_object('field', 'reason'), 'Say why, without the data itself.');
  end if;
  update ledger.head h
  set last_sequence = h.last_sequence + 1,
      last_recorded_at = greatest(clock_timestamp(), h.last_recorded_at + interval '1 microsecond')
  where h.workspace = _workspace
  returning h.last_sequence, h.last_recorded_at into _last, _now;
  if not found then
    perform ledger.refuse_workspace(_workspace);
  end if;
  select e.stream into _stream from ledger.event e
  where e.workspace = _workspace and e.sequence = _sequence and e.data is not null and e.type <> 'EventRedacted';
  if not found then
    perform ledger.refuse('LG400', format('Sequence %s of workspace %s cannot be redacted.', _sequence, _workspace),
      json_build_object('workspace', _workspace, 'sequence', _sequence),
      'It is not there, is redacted already, or is a redaction itself.');
  end if;
  _data := format('{"reason":%s,"sequence":%s,"stream":%s}', to_json(_reason), _sequence, to_json(_stream));
  perform ledger.check_data(array[_data], array['EventRedacted']);
  perform ledger.put(_workspace, _last - 1, _now, ledger.principal(null), null, array['redactions'], null, array[gen_random_uuid()],
                     array['EventRedacted'], null, null, array[_data], array[_workspace], array[_sequence]);
  update ledger.event e set data = null, salt = null where e.workspace = _workspace and e.sequence = _sequence;
  perform ledger.project_apart(_workspace, _last, _last, array['EventRedacted']);
  return _last;
end $$;
comment on function ledger.redact(text, bigint, text) is
  'Empties the data and salt of an event and appends EventRedacted {reason, sequence, stream} to stream redactions; returns its sequence.';

insert into ledger.event_type (type, type_version, description)
values ('EventRedacted', 1, 'Data and salt of an event of this workspace were emptied; appended by ledger.redact alone.');

-- Everything was made by ledger_owner without rights for anybody else; the functions of the first migrations,
-- too, because of its default privileges. Writers may append and nothing else.
grant execute on function
  ledger.append(text, text[], bigint[], uuid[], text[], smallint[], timestamptz[], text[], text[], bigint[], uuid, text),
  ledger.append_one(text, text, bigint, uuid, text, smallint, timestamptz, text, text, bigint, uuid, text),
  ledger.open_workspace(text)
  to ledger_writer;
grant execute on function ledger.seal() to ledger_sealer;
grant execute on function ledger.position_at(timestamptz), ledger.cut_at(bigint) to ledger_sealer, ledger_auditor;
grant select on all tables in schema ledger to ledger_auditor;
grant execute on function
  ledger.position_of(text, bigint), ledger.sealed_events(bigint, bigint), ledger.leaf_time(timestamptz), ledger.leaves(bigint, bigint),
  ledger.leaf(bigint, text, bigint, text, bigint, uuid, text, smallint, timestamptz, timestamptz, text, uuid, text, bigint, integer,
              bytea)
  to ledger_auditor;
alter default privileges for role ledger_owner in schema ledger grant select on tables to ledger_auditor;
