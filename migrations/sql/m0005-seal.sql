-- The global order. Sealing gives every event that has none a position, in one batch and without gaps: each
-- workspace in its own order, a named cause before its effect, never by time.
set local role ledger_owner;

create function ledger.seal_lock() returns bigint language sql immutable as 'select 7809632204640645121';
comment on function ledger.seal_lock() is 'Key of the advisory lock under which positions are given.';

create function ledger.seal() returns table (first_position bigint, last_position bigint)
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  _base bigint;
  _at timestamptz;
  -- Per workspace that has something to seal: sealed so far, to be sealed, and its effects (from, to).
  _workspaces text[];
  _done bigint[];
  _goal bigint[];
  _effect_next integer[];
  _effect_last integer[];
  -- Effects whose cause is not sealed yet, by workspace and sequence.
  _effect_sequence bigint[];
  _cause_place integer[];
  _cause_sequence bigint[];
  -- The runs, in order.
  _run_workspace text[];
  _run_first bigint[];
  _run_count bigint[];
  _runs integer := 0;
  _place integer;
  _stop bigint;
  _is_done boolean;
  _has_moved boolean;
begin
  perform pg_advisory_xact_lock(ledger.seal_lock());
  select s.last_position, s.sealed_at into _base, _at from ledger.seal s order by s.last_position desc limit 1;
  _base := coalesce(_base, 0);

  -- One statement, one snapshot: whoever sees an effect in it sees its cause, which was committed before.
  select array_agg(h.workspace order by h.workspace), array_agg(s.sequence order by h.workspace),
         array_agg(h.last_sequence order by h.workspace)
    into _workspaces, _done, _goal
  from ledger.head h join ledger.sealed s on s.workspace = h.workspace
  where h.last_sequence > s.sequence;
  if _workspaces is null then
    return query select null::bigint, _base;
    return;
  end if;

  with place as (
    select * from unnest(_workspaces, _done, _goal) with ordinality as p (workspace, done, goal, nth)
  ),
  effect as (
    select p.nth, row_number() over (order by p.nth, e.sequence) as number, e.sequence, c.nth as cause_nth, e.cause_sequence
    from place p
    join ledger.event e on e.workspace = p.workspace and e.sequence > p.done and e.sequence <= p.goal
     and e.cause_workspace is not null and e.cause_workspace <> e.workspace
    join place c on c.workspace = e.cause_workspace and c.done < e.cause_sequence
  )
  select (select array_agg(e.sequence order by e.number) from effect e), (select array_agg(e.cause_nth order by e.number) from effect e),
         (select array_agg(e.cause_sequence order by e.number) from effect e),
         array_agg(coalesce(b.first, 1) order by p.nth), array_agg(coalesce(b.last, 0) order by p.nth)
    into _effect_sequence, _cause_place, _cause_sequence, _effect_next, _effect_last
  from place p
  left join (select e.nth, min(e.number) as first, max(e.number) as last from effect e group by e.nth) b on b.nth = p.nth;

  -- Each workspace goes as far as it can, up to the next effect whose cause has not had its turn, until all are there.
  loop
    _is_done := true;
    _has_moved := false;
    for _place in 1..cardinality(_workspaces) loop
      continue when _done[_place] = _goal[_place];
      _stop := _goal[_place];
      while _effect_next[_place] <= _effect_last[_place] loop
        if _done[_cause_place[_effect_next[_place]]] < _cause_sequence[_effect_next[_place]] then
          _stop := _effect_sequence[_effect_next[_place]] - 1;
          exit;
        end if;
        _effect_next[_place] := _effect_next[_place] + 1;
      end loop;
      if _stop > _done[_place] then
        _runs := _runs + 1;
        _run_workspace[_runs] := _workspaces[_place];
        _run_first[_runs] := _done[_place] + 1;
        _run_count[_runs] := _stop - _done[_place];
        _done[_place] := _stop;
        _has_moved := true;
      end if;
      _is_done := _is_done and _stop = _goal[_place];
    end loop;
    exit when _is_done;
    if not _has_moved then
      raise exception 'Causes and effects go round in a circle after position %.', _base
        using errcode = 'internal_error', hint = 'ledger.event has been changed past the append functions.';
    end if;
  end loop;

  insert into ledger.seal_run (position, workspace, first_sequence, count)
  select _base + 1 + sum(r.count) over (order by r.nth) - r.count, r.workspace, r.first, r.count
  from unnest(_run_workspace, _run_first, _run_count) with ordinality as r (workspace, first, count, nth)
  order by r.nth;
  update ledger.sealed s set sequence = g.goal
  from unnest(_workspaces, _goal) as g (workspace, goal) where s.workspace = g.workspace;
  insert into ledger.seal (first_position, last_position, sealed_at)
  select _base + 1, _base + sum(c), greatest(clock_timestamp(), _at + interval '1 microsecond') from unnest(_run_count) c
  returning seal.first_position, seal.last_position into first_position, last_position;
  perform pg_notify('ledger', last_position::text);
  return next;
end $$;
comment on function ledger.seal() is
  'Gives all events that have none their positions, and notifies channel ledger once. Returns the positions given (first_position null if none) and the last position of all.';

-- A seal under way may carry a time before _at and commit after it. Waiting for it makes the answer final.
create function ledger.position_at(_at timestamptz) returns bigint
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  _position bigint;
begin
  perform pg_advisory_lock_shared(ledger.seal_lock());
  begin
    select s.last_position into _position from ledger.seal s where s.sealed_at <= _at order by s.sealed_at desc limit 1;
  exception when others then
    perform pg_advisory_unlock_shared(ledger.seal_lock());
    raise;
  end;
  perform pg_advisory_unlock_shared(ledger.seal_lock());
  return coalesce(_position, 0);
end $$;
comment on function ledger.position_at(timestamptz) is
  'The last position sealed at or before a time, 0 if there was none. For a time that has passed the answer never changes. Call it outside a REPEATABLE READ transaction.';

create function ledger.cut_at(_position bigint) returns table (workspace text, sequence bigint)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select w.workspace, r.first_sequence + least(r.count, _position - r.position + 1) - 1
  from ledger.workspace w,
       lateral (select * from ledger.seal_run r where r.workspace = w.workspace and r.position <= _position
                order by r.position desc limit 1) r
$$;
comment on function ledger.cut_at(bigint) is
  'How far each workspace had come at a position: what was known there is what has this sequence or a smaller one. Workspaces without events up to there are left out.';

create function ledger.position_of(_workspace text, _sequence bigint) returns bigint
language sql stable parallel safe as $$
  select r.position + _sequence - r.first_sequence
  from (select * from ledger.seal_run r where r.workspace = _workspace and r.first_sequence <= _sequence
        order by r.first_sequence desc limit 1) r
  where _sequence < r.first_sequence + r.count
$$;
comment on function ledger.position_of(text, bigint) is 'The position of an event; null while it is not sealed.';

create view ledger.events as
select e.workspace, e.sequence, e.stream, e.version, e.id, e.type, e.type_version, e.recorded_at, e.occurred_at, e.principal,
       e.run, e.cause_workspace, e.cause_sequence, e.data, e.salt, e.data_hash, e.nth, p.position
from ledger.event e
left join lateral (
  select r.position + e.sequence - r.first_sequence as position
  from (select * from ledger.seal_run r where r.workspace = e.workspace and r.first_sequence <= e.sequence
        order by r.first_sequence desc limit 1) r
  where e.sequence < r.first_sequence + r.count
) p on true;
comment on view ledger.events is 'Every event with its position. To read in the global order, use ledger.sealed_events.';
comment on column ledger.events.workspace is 'The workspace whose log this is.';
comment on column ledger.events.sequence is 'Place in the workspace: 1, 2, 3 … in commit order, without a gap.';
comment on column ledger.events.stream is 'The stream it belongs to.';
comment on column ledger.events.version is 'Place in the stream: 1, 2, 3 …';
comment on column ledger.events.id is 'Chosen by its author before it was sent; once in a workspace.';
comment on column ledger.events.type is 'What happened, in the past tense.';
comment on column ledger.events.type_version is 'Version of the shape of data.';
comment on column ledger.events.recorded_at is 'When it was appended, by the clock of the server; one value per call, increasing in a workspace.';
comment on column ledger.events.occurred_at is 'When its author says it happened. It orders nothing.';
comment on column ledger.events.principal is 'Who appended it, authenticated.';
comment on column ledger.events.run is 'The execution of a job that appended it.';
comment on column ledger.events.cause_workspace is 'Workspace of the event that caused this one.';
comment on column ledger.events.cause_sequence is 'Sequence there of the event that caused this one.';
comment on column ledger.events.data is 'What happened: the exact JSON text that was accepted. Null once redacted.';
comment on column ledger.events.salt is 'Sixteen random bytes. Null once redacted.';
comment on column ledger.events.data_hash is 'SHA-256 of salt followed by data in UTF-8.';
comment on column ledger.events.nth is 'Place in the call that appended it, from 0.';
comment on column ledger.events.position is 'Place in the global order: 1, 2, 3 …; null while it is not sealed.';

create function ledger.sealed_events(_after bigint, _limit bigint) returns setof ledger.events
language sql stable rows 1000 as $$
  with run as materialized (
    select r.workspace, r.position, r.first_sequence,
           greatest(r.first_sequence, r.first_sequence + _after + 1 - r.position) as first,
           least(r.first_sequence + r.count - 1, r.first_sequence + _after + _limit - r.position) as last
    from ledger.seal_run r
    where r.position > coalesce((select max(b.position) from ledger.seal_run b where b.position <= _after + 1), 0) - 1
      and r.position <= _after + _limit
  )
  select e.workspace, e.sequence, e.stream, e.version, e.id, e.type, e.type_version, e.recorded_at, e.occurred_at, e.principal,
         e.run, e.cause_workspace, e.cause_sequence, e.data, e.salt, e.data_hash, e.nth,
         r.position + e.sequence - r.first_sequence
  from run r
  cross join lateral (select * from ledger.event e where e.workspace = r.workspace and e.sequence between r.first and r.last) e
  order by r.position + e.sequence - r.first_sequence
$$;
comment on function ledger.sealed_events(bigint, bigint) is
  'Up to so many sealed events after a position, in the global order.';

-- The leaf: what is hashed for an event. Every byte of it is defined in LeafFormat; it never changes for a
-- sealed event, redacted or not.
create function ledger.leaf_time(_at timestamptz) returns text
language sql immutable parallel safe as $$
  select to_char(_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
comment on function ledger.leaf_time(timestamptz) is 'A time as it stands in a leaf: RFC 3339, UTC, six digits of fraction.';

create function ledger.leaf(
  _position bigint, _workspace text, _sequence bigint, _stream text, _version bigint, _id uuid, _type text, _type_version smallint,
  _recorded_at timestamptz, _occurred_at timestamptz, _principal text, _run uuid, _cause_workspace text, _cause_sequence bigint,
  _nth integer, _data_hash bytea
) returns bytea
language sql stable parallel safe as $$
  select convert_to(
    concat('[1,', _position, ',', to_json(_workspace), ',', _sequence, ',', to_json(_stream), ',', _version, ',"', _id, '",',
           to_json(_type), ',', _type_version, ',"', ledger.leaf_time(_recorded_at), '",',
           coalesce('"' || ledger.leaf_time(_occurred_at) || '"', 'null'), ',', to_json(_principal), ',',
           coalesce('"' || _run::text || '"', 'null'), ',', coalesce(to_json(_cause_workspace)::text, 'null'), ',',
           coalesce(_cause_sequence::text, 'null'), ',', _nth, ',"', encode(_data_hash, 'hex'), '"]'),
    'UTF8')
$$;
comment on function ledger.leaf(bigint, text, bigint, text, bigint, uuid, text, smallint, timestamptz, timestamptz, text, uuid, text,
                                bigint, integer, bytea) is
  'The exact bytes of the leaf of a sealed event: a JSON array of every field of its envelope and its data hash.';

create function ledger.leaves(_after bigint, _limit bigint)
returns table ("position" bigint, leaf bytea, leaf_hash bytea)
language sql stable rows 1000 as $$
  select l.position, l.leaf, sha256('\x00'::bytea || l.leaf)
  from (
    select e.position,
           ledger.leaf(e.position, e.workspace, e.sequence, e.stream, e.version, e.id, e.type, e.type_version, e.recorded_at,
                       e.occurred_at, e.principal, e.run, e.cause_workspace, e.cause_sequence, e.nth, e.data_hash) as leaf
    from ledger.sealed_events(_after, _limit) e
  ) l
  order by l.position
$$;
comment on function ledger.leaves(bigint, bigint) is
  'Leaf and RFC 6962 leaf hash of up to so many sealed events after a position, in order.';
