-- What was sealed and is gone from this database, taken back from an export of the log: the very same events, at the very
-- same positions. Only the owner may. Nothing is believed: each event has to come out with the leaf that it came with, its
-- data with the hash in it, and each workspace has to go on where it ends. Who calls it has proven beforehand that the leaves
-- are those which a signed checkpoint holds.
set local role ledger_owner;

create function ledger.recover(_leaves text[], _salts bytea[], _data text[]) returns bigint
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  _base bigint;
  _at timestamptz;
  _last bigint;
  _wrong record;
begin
  if not pg_has_role(session_user, 'ledger_owner', 'member') then
    perform ledger.refuse('LG403', format('%s may not recover events.', session_user),
      json_build_object('principal', session_user), 'It takes a member of ledger_owner.');
  end if;
  perform pg_advisory_xact_lock(ledger.seal_lock());
  select s.last_position, s.sealed_at into _base, _at from ledger.seal s order by s.last_position desc limit 1;
  _base := coalesce(_base, 0);

  create temporary table recovered on commit drop as
  select (l.leaf ->> 1)::bigint as position, l.leaf ->> 2 as workspace, (l.leaf ->> 3)::bigint as sequence, l.leaf ->> 4 as stream,
    (l.leaf ->> 5)::bigint as version, (l.leaf ->> 6)::uuid as id, l.leaf ->> 7 as type, (l.leaf ->> 8)::smallint as type_version,
    (l.leaf ->> 9)::timestamptz as recorded_at, (l.leaf ->> 10)::timestamptz as occurred_at, l.leaf ->> 11 as principal,
    (l.leaf ->> 12)::uuid as run, l.leaf ->> 13 as cause_workspace, (l.leaf ->> 14)::bigint as cause_sequence,
    (l.leaf ->> 15)::integer as nth, decode(l.leaf ->> 16, 'hex') as data_hash, l.salt, l.data, l.text, l.place
  from (select u.leaf::json as leaf, u.leaf as text, u.salt, u.data, u.place
        from unnest(_leaves, _salts, _data) with ordinality as u (leaf, salt, data, place)) l;

  -- other lines than its own would be other events
  select r.* into _wrong from recovered r
  where r.position is distinct from _base + r.place
    or convert_to(r.text, 'UTF8') is distinct from ledger.leaf(r.position, r.workspace, r.sequence, r.stream, r.version, r.id, r.type,
         r.type_version, r.recorded_at, r.occurred_at, r.principal, r.run, r.cause_workspace, r.cause_sequence, r.nth, r.data_hash)
    or (r.data is null) <> (r.salt is null)
    or r.data is not null and sha256(r.salt || convert_to(r.data, 'UTF8')) <> r.data_hash
  order by r.place limit 1;
  if found then
    perform ledger.refuse('LG400', format('What is to be position %s is no event of that place: its leaf, or the hash of its data, is another.',
        _base + _wrong.place),
      json_build_object('position', _base + _wrong.place), 'Positions go on where this database ends. Give the lines as they stand in the export.');
  end if;

  insert into ledger.workspace (workspace) select distinct r.workspace from recovered r on conflict do nothing;
  insert into ledger.head (workspace) select distinct r.workspace from recovered r on conflict do nothing;
  insert into ledger.sealed (workspace) select distinct r.workspace from recovered r on conflict do nothing;
  insert into ledger.event_type (type, type_version, description)
  select distinct r.type, r.type_version, 'Known from events that were recovered.' from recovered r on conflict do nothing;
  perform from ledger.head h where h.workspace in (select r.workspace from recovered r) order by h.workspace for update;

  -- what was appended here since must be what was published, or both tell another history
  select r.position, r.workspace, r.sequence, coalesce(e.id, r.id) as id into _wrong
  from recovered r
  left join ledger.event e on e.workspace = r.workspace and e.sequence = r.sequence
  left join ledger.sealed s on s.workspace = r.workspace
  where e.id is not null and ledger.leaf(r.position, e.workspace, e.sequence, e.stream, e.version, e.id, e.type, e.type_version,
      e.recorded_at, e.occurred_at, e.principal, e.run, e.cause_workspace, e.cause_sequence, e.nth, e.data_hash)
      is distinct from convert_to(r.text, 'UTF8')
    or r.sequence <= s.sequence
  order by r.position limit 1;
  if found then
    perform ledger.refuse('LG409', format('Event %s/%s of this database is not the one that was published at position %s.', _wrong.workspace,
        _wrong.sequence, _wrong.position),
      json_build_object('id', _wrong.id, 'position', _wrong.position, 'workspace', _wrong.workspace, 'sequence', _wrong.sequence),
      'It went on by itself since it was set back. Restore it once more, and recover before any job runs; or open a new log.');
  end if;
  insert into ledger.event (sequence, version, recorded_at, occurred_at, cause_sequence, nth, type_version, id, run, workspace, stream,
    type, principal, cause_workspace, data_hash, salt, data)
  select r.sequence, r.version, r.recorded_at, r.occurred_at, r.cause_sequence, r.nth, r.type_version, r.id, r.run, r.workspace,
    r.stream, r.type, r.principal, r.cause_workspace, r.data_hash, r.salt, r.data::json
  from recovered r
  where not exists (select from ledger.event e where e.workspace = r.workspace and e.sequence = r.sequence)
  order by r.workspace, r.sequence;
  -- what was redacted since the backup stays redacted: the event that says so is here again
  update ledger.event e set data = null, salt = null from recovered r
  where r.type = 'EventRedacted' and e.workspace = r.cause_workspace and e.sequence = r.cause_sequence and e.data is not null;
  insert into ledger.stream as s (workspace, stream, version)
  select r.workspace, r.stream, max(r.version) from recovered r group by r.workspace, r.stream
  on conflict (workspace, stream) do update set version = greatest(s.version, excluded.version);
  update ledger.head h
  set last_sequence = greatest(h.last_sequence, r.sequence), last_recorded_at = greatest(h.last_recorded_at, r.recorded_at)
  from (select workspace, max(sequence) as sequence, max(recorded_at) as recorded_at from recovered group by workspace) r
  where h.workspace = r.workspace;

  -- each workspace has to come out whole: from what was sealed on, without a gap
  select r.workspace, r.first, r.count, s.sequence into _wrong
  from (select workspace, min(sequence) as first, max(sequence) as last, count(*) as count from recovered group by workspace) r
  join ledger.sealed s on s.workspace = r.workspace
  where r.first <> s.sequence + 1 or r.last - r.first + 1 <> r.count
  order by r.workspace limit 1;
  if found then
    perform ledger.refuse('LG400', format('Workspace %s would have a gap after its event %s.', _wrong.workspace, _wrong.sequence),
      json_build_object('workspace', _wrong.workspace), 'Recover the positions one after the other, none left out.');
  end if;

  insert into ledger.seal_run (position, workspace, first_sequence, count)
  select min(r.position), r.workspace, min(r.sequence), count(*)
  from (select x.*, x.position - row_number() over (partition by x.workspace order by x.position) as run_key from recovered x) r
  group by r.workspace, r.run_key
  order by 1;
  update ledger.sealed s set sequence = r.sequence
  from (select workspace, max(sequence) as sequence from recovered group by workspace) r where s.workspace = r.workspace;
  -- when it was sealed is not in the log; it was after its last event was recorded
  insert into ledger.seal (first_position, last_position, sealed_at)
  select min(r.position), max(r.position), greatest(max(r.recorded_at), _at + interval '1 microsecond') from recovered r
  returning last_position into _last;
  perform ledger.mark_stale(p.name, r.workspace, r.first, null, 'Events were recovered from here on; rebuild it.')
  from ledger.projection p, (select workspace, min(sequence) as first from recovered group by workspace) r;
  drop table recovered;
  perform pg_notify('ledger', _last::text);
  return _last;
end $$;
comment on function ledger.recover(text[], bytea[], text[]) is
  'Takes back sealed events that this database has lost: their leaves, salts and data, in the order of their positions, from the first that is missing on. Returns the last position. Projections of their workspaces are stale until rebuilt. Salt and data are null where they were redacted.';
revoke execute on function ledger.recover(text[], bytea[], text[]) from public;

select ledger.register_event_type('LogReopened', 1::smallint,
  'A database that lost events goes on as a new log: origin, size and root of the old one, and what is lost.');
