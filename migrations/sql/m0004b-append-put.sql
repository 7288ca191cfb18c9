-- What an append does once nothing is refused: the events are inserted, and the projections move.
set local role ledger_owner;

-- SQLSTATE classes that say nothing about the data: lost connections, locks, resources, cancellation. They must
-- fail the append, which is then tried again, and never mark a projection stale.
create function ledger.is_transient(_state text) returns boolean
language sql immutable parallel safe as $$
  select left(_state, 2) in ('08', '25', '40', '53', '55', '57', '58', 'XX')
$$;
comment on function ledger.is_transient(text) is 'Whether an SQLSTATE says nothing about the data, so that trying again may help.';

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
