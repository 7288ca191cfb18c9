-- Old data leaves the database and stays in the log. A segment is a stretch of 65,536 positions, written with all its data
-- into a file of external storage that can be verified by itself. Afterwards the data of what nothing is decided from any
-- more may be taken out of here: envelope, salt and hash stay, so every leaf, every root, every id and every answer stay
-- as they were. Data that is null beside a salt is detached; redacted data has lost its salt too. What was taken out comes
-- back byte for byte, or not at all.
set local role ledger_owner;

alter table ledger.event drop constraint event_is_whole_or_redacted;
alter table ledger.event add constraint event_has_its_salt check (data is null or salt is not null) not valid;
alter table ledger.event validate constraint event_has_its_salt;
comment on column ledger.event.data is
  'What happened: the exact JSON text that was accepted. Null once redacted, or detached into a segment; then the salt is still here.';

alter table ledger.event_type add column detach_by text collate "C";
comment on column ledger.event_type.detach_by is
  'Null: data of this type stays in the database for good. Empty: it may be detached once its stream has a later event of the type. Else a key of the data: once the stream has a later event of the type with the same value there.';

alter table ledger.projection add column keeps text[] not null default '{}';
comment on column ledger.projection.keeps is
  'Of a projection with a rebuild of its own: types whose rows it keeps when it is made anew and their data is detached.';

create function ledger.let_detach(_type text, _by text) returns void
language plpgsql
set search_path to pg_catalog, pg_temp
as $$
begin
  if _by is not null and (_type in ('EventRedacted', 'DataDetached', 'DataAttached')
    or exists (select from ledger.projection p where p.rebuild is not null and _type = any (p.types) and _type <> all (p.keeps)))
  then
    perform ledger.refuse('LG400', format('Data of %s stays: the ledger or a projection is made anew from it.', _type),
      json_build_object('type', _type), 'Only types that nothing is decided from any more, once a later event is there, may be detached.');
  end if;
  update ledger.event_type t set detach_by = _by where t.type = _type;
  if not found then
    perform ledger.refuse('LG422', format('Event type "%s" is not registered.', left(_type, 200)), json_build_object('type', left(_type, 200)),
      'select type from ledger.event_type lists them.');
  end if;
end $$;
comment on function ledger.let_detach(text, text) is
  'Says that events of a type may lose their data to a segment once a later one has replaced them; see ledger.event_type.detach_by. Null takes it back.';

insert into ledger.event_type (type, type_version, description) values
  ('DataDetached', 1, 'Data of replaced events of this workspace was taken out of the database; a segment of external storage holds it. Appended by ledger.detach.'),
  ('DataAttached', 1, 'Data that had been detached is in the database again. Appended by ledger.attach.');
update ledger.projection set keeps = array['WorkspaceObserved'] where name = 'marketplace';
-- The state of a workspace rests on its newest observation, and on its newest complete one.
select ledger.let_detach('WorkspaceObserved', 'outcome');

-- Two updates more than a redaction: data goes where the newest event of the stream says that it does, and only data comes
-- back that has the hash.
create or replace function ledger.refuse_update() returns trigger
language plpgsql as $$
begin
  if (new.workspace, new.sequence, new.stream, new.version, new.id, new.type, new.type_version, new.recorded_at, new.principal,
      new.data_hash, new.nth)
     = (old.workspace, old.sequence, old.stream, old.version, old.id, old.type, old.type_version, old.recorded_at, old.principal,
        old.data_hash, old.nth)
    and (new.occurred_at, new.run, new.cause_workspace, new.cause_sequence)
      is not distinct from (old.occurred_at, old.run, old.cause_workspace, old.cause_sequence)
    and (case
      when old.salt is null then false
      when new.salt is null and new.data is null then
        exists (select from ledger.event r
                where r.workspace = old.workspace and r.stream = 'redactions' and r.type = 'EventRedacted'
                  and (r.data ->> 'sequence')::bigint = old.sequence)
      when new.salt is distinct from old.salt then false
      when new.data is null and old.data is not null then
        coalesce((select r.type = 'DataDetached' and old.sequence between (r.data ->> 'first')::bigint and (r.data ->> 'last')::bigint
                  from ledger.event r where r.workspace = old.workspace and r.stream = 'segments' order by r.version desc limit 1), false)
      when new.data is not null and old.data is null then sha256(old.salt || convert_to(new.data::text, 'UTF8')) = old.data_hash
      else false
    end)
  then
    return new;
  end if;
  perform ledger.refuse('LG403', format('UPDATE on %s.%s is forbidden: it is append-only.', tg_table_schema, tg_table_name),
    json_build_object('operation', tg_op, 'table', tg_table_schema || '.' || tg_table_name),
    'What was wrong is put right by another event. Personal data: select ledger.redact(workspace, sequence, reason).');
  return null;
end $$;
comment on function ledger.refuse_update() is
  'Trigger: refuses every update but a redaction or a detachment that stands in the log, and data that comes back as it was.';

create function ledger.is_other_data(_data json, _salt bytea, _data_hash bytea, _given text) returns boolean
language sql immutable parallel safe as $$
  select case
    when _data is not null then _data::text <> _given
    when _salt is not null then sha256(_salt || convert_to(_given, 'UTF8')) <> _data_hash
    else false
  end
$$;
comment on function ledger.is_other_data(json, bytea, bytea, text) is
  'Whether an event was recorded with other data than this. Of redacted data nothing can be said, and the answer is no.';

-- For functions of earlier steps of which one expression changes. What it was must be there once, or the step fails.
create function ledger.change_function(_function regprocedure, _from text, _to text) returns void
language plpgsql
set search_path to pg_catalog, pg_temp
as $$
declare
  _text text := pg_get_functiondef(_function);
begin
  if array_length(string_to_array(_text, _from), 1) <> 2 then
    raise exception '% does not have once: %', _function, _from;
  end if;
  execute replace(_text, _from, _to);
end $$;
comment on function ledger.change_function(regprocedure, text, text) is
  'For migrations: replaces a piece of a function''s text that stands in it once.';
revoke execute on function ledger.change_function(regprocedure, text, text) from public;

select ledger.change_function(p.oid::regprocedure, 'coalesce(e.data::text <> _data, false)', 'ledger.is_other_data(e.data, e.salt, e.data_hash, _data)')
from pg_proc p where p.pronamespace = 'ledger'::regnamespace and p.proname = 'append_one';
select ledger.change_function(p.oid::regprocedure, 'e.data::text <> q.data', 'ledger.is_other_data(e.data, e.salt, e.data_hash, q.data)')
from pg_proc p where p.pronamespace = 'ledger'::regnamespace and p.proname = 'append';
-- What the ledger says of itself nobody else says.
select ledger.change_function(p.oid::regprocedure, 'if ''EventRedacted'' = any (_types) then',
  'if _types && array[''EventRedacted'', ''DataDetached'', ''DataAttached''] then')
from pg_proc p where p.pronamespace = 'ledger'::regnamespace and p.proname = 'append';
select ledger.change_function(p.oid::regprocedure, 'if _type = ''EventRedacted'' then',
  'if _type in (''EventRedacted'', ''DataDetached'', ''DataAttached'') then')
from pg_proc p where p.pronamespace = 'ledger'::regnamespace and p.proname = 'append_one';
select ledger.change_function(p.oid::regprocedure, 'EventRedacted is appended by ledger.redact alone.',
  'EventRedacted, DataDetached and DataAttached are appended by the ledger alone.')
from pg_proc p where p.pronamespace = 'ledger'::regnamespace and p.proname in ('append', 'append_one');
select ledger.change_function(p.oid::regprocedure, 'An owner redacts: select ledger.redact(workspace, sequence, reason).',
  'An owner calls ledger.redact, ledger.detach or ledger.attach.')
from pg_proc p where p.pronamespace = 'ledger'::regnamespace and p.proname in ('append', 'append_one');
-- A redaction of detached data takes the salt away; without it the copy in the segment has to go, too.
select ledger.change_function('ledger.redact(text, bigint, text)', 'e.data is not null', 'e.salt is not null');
select ledger.change_function('ledger.redact(text, bigint, text)', '_data := format(', $to$perform ledger.refuse_without_newest(_workspace, _sequence);
  _data := format($to$);
select ledger.change_function('ledger.recover(text[], bytea[], text[])', 'e.data is not null', 'e.salt is not null');

-- What is detached was replaced by an event that is here. Were that one redacted, nothing would be left to decide from.
create function ledger.refuse_without_newest(_workspace text, _sequence bigint) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  perform from ledger.event e
  join ledger.event_type t on t.type = e.type and t.type_version = e.type_version and t.detach_by is not null
  where e.workspace = _workspace and e.sequence = _sequence and e.data is not null
    and exists (
      select from ledger.event d where d.workspace = e.workspace and d.stream = e.stream and d.type = e.type and d.data is null
        and d.salt is not null)
    and not exists (
      select from ledger.event o where o.workspace = e.workspace and o.stream = e.stream and o.type = e.type and o.sequence <> e.sequence
        and o.data is not null and (t.detach_by = '' or o.data ->> t.detach_by is not distinct from e.data ->> t.detach_by));
  if found then
    perform ledger.refuse('LG400', format('Event %s/%s is the only one of its kind with data: those that it replaced are detached.', _workspace,
        _sequence),
      json_build_object('workspace', _workspace, 'sequence', _sequence), '''marketplace audit segments attach'' brings theirs back; then redact.');
  end if;
end $$;
comment on function ledger.refuse_without_newest(text, bigint) is
  'Refuses the redaction of an event when everything that it replaced is detached, and nothing else takes its place.';

create function ledger.detach(_workspace text, _first bigint, _last bigint, _segment bigint) returns bigint
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  _sealed bigint;
  _sequences bigint[];
  _bytes bigint;
  _at bigint;
  _now timestamptz;
  _data text;
begin
  if num_nulls(_first, _last, _segment) > 0 or _first < 1 or _last < _first or _segment < 0 then
    perform ledger.refuse('LG400', 'What is detached is a range of sequences, and a segment that holds them.',
      json_build_object('first', _first, 'last', _last, 'segment', _segment), 'Sequences begin with 1, segments with 0.');
  end if;
  perform from ledger.head h where h.workspace = _workspace for update;
  if not found then
    perform ledger.refuse_workspace(_workspace);
  end if;
  select s.sequence into _sealed from ledger.sealed s where s.workspace = _workspace;
  if _last > coalesce(_sealed, 0) then
    perform ledger.refuse('LG400', format('Workspace %s is sealed up to %s, not up to %s.', _workspace, coalesce(_sealed, 0), _last),
      json_build_object('workspace', _workspace, 'sealed', coalesce(_sealed, 0)), 'Only what has positions lies in a segment.');
  end if;
  with candidate as materialized (
    select e.sequence, e.stream, e.type, e.version, case when t.detach_by <> '' then e.data ->> t.detach_by end as key,
      octet_length(e.data::text) as bytes
    from ledger.event e
    join ledger.event_type t on t.type = e.type and t.type_version = e.type_version
    where e.workspace = _workspace and e.data is not null and t.detach_by is not null
  ),
  placed as (
    select c.*, max(c.version) over (partition by c.stream, c.type, c.key) as newest from candidate c
  )
  select array_agg(p.sequence order by p.sequence), sum(p.bytes) into _sequences, _bytes
  from placed p where p.sequence between _first and _last and p.version < p.newest;
  if _sequences is null then
    return 0;
  end if;
  update ledger.head h
  set last_sequence = h.last_sequence + 1,
      last_recorded_at = greatest(clock_timestamp(), h.last_recorded_at + interval '1 microsecond')
  where h.workspace = _workspace
  returning h.last_sequence, h.last_recorded_at into _at, _now;
  _data := format('{"bytes":%s,"events":%s,"first":%s,"last":%s,"segment":%s}', _bytes, cardinality(_sequences), _first, _last, _segment);
  perform ledger.put(_workspace, _at - 1, _now, ledger.principal(null), null, array['segments'], null, array[gen_random_uuid()],
                     array['DataDetached'], null, null, array[_data], null, null);
  update ledger.event e set data = null where e.workspace = _workspace and e.sequence = any (_sequences);
  perform ledger.project_apart(_workspace, _at, _at, array['DataDetached']);
  return cardinality(_sequences);
end $$;
comment on function ledger.detach(text, bigint, bigint, bigint) is
  'Takes the data of replaced events in a range of sequences out of the database and appends DataDetached {bytes, events, first, last, segment} to stream segments; returns how many. Whoever calls it has seen that the segment holds them.';

create function ledger.attach(_workspace text, _sequences bigint[], _data text[]) returns bigint
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  _wrong bigint;
  _count bigint;
  _at bigint;
  _now timestamptz;
  _text text;
begin
  perform from ledger.head h where h.workspace = _workspace for update;
  if not found then
    perform ledger.refuse_workspace(_workspace);
  end if;
  select u.sequence into _wrong
  from unnest(_sequences, _data) as u (sequence, data)
  left join ledger.event e on e.workspace = _workspace and e.sequence = u.sequence
  where e.sequence is null or u.data is null or ledger.is_other_data(e.data, e.salt, e.data_hash, u.data)
  order by u.sequence limit 1;
  if found then
    perform ledger.refuse('LG400', format('What is to be the data of event %s/%s does not have the hash that its leaf gives.', _workspace, _wrong),
      json_build_object('workspace', _workspace, 'sequence', _wrong), 'The segment is damaged, or it is another log''s. Nothing was attached.');
  end if;
  update ledger.event e set data = u.data::json from unnest(_sequences, _data) as u (sequence, data)
  where e.workspace = _workspace and e.sequence = u.sequence and e.data is null and e.salt is not null;
  get diagnostics _count = row_count;
  if _count = 0 then
    return 0;
  end if;
  update ledger.head h
  set last_sequence = h.last_sequence + 1,
      last_recorded_at = greatest(clock_timestamp(), h.last_recorded_at + interval '1 microsecond')
  where h.workspace = _workspace
  returning h.last_sequence, h.last_recorded_at into _at, _now;
  _text := (select format('{"events":%s,"first":%s,"last":%s}', _count, min(s), max(s)) from unnest(_sequences) s);
  perform ledger.put(_workspace, _at - 1, _now, ledger.principal(null), null, array['segments'], null, array[gen_random_uuid()],
                     array['DataAttached'], null, null, array[_text], null, null);
  perform ledger.project_apart(_workspace, _at, _at, array['DataAttached']);
  return _count;
end $$;
comment on function ledger.attach(text, bigint[], text[]) is
  'Puts data back that was detached, if it has the hash of its event, and appends DataAttached {events, first, last} to stream segments; returns how many events had lost it. What is there or redacted stays as it is.';
revoke execute on function ledger.let_detach(text, text), ledger.refuse_without_newest(text, bigint), ledger.detach(text, bigint, bigint, bigint), ledger.attach(text, bigint[], text[])
  from public;

-- A projection that is made anew by its own function would be made without what is detached.
select ledger.change_function('ledger.rebuild_projection(text, text)', 'if _projection.rebuild is not null then', $to$if _projection.rebuild is null then
    perform ledger.refuse_detached(_workspace, _projection.types);
  end if;
  if _projection.rebuild is not null then$to$);

create function ledger.refuse_detached(_workspace text, _types text[]) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  _first bigint;
begin
  select min(e.sequence) into _first from ledger.event e
  where e.workspace = _workspace and e.data is null and e.salt is not null and e.type = any (_types);
  if _first is not null then
    perform ledger.refuse('LG400', format('Data of workspace %s is detached, that of event %s first: without it the rows would be others.',
        _workspace, _first),
      json_build_object('workspace', _workspace, 'sequence', _first), '''marketplace audit segments attach'' brings it back.');
  end if;
end $$;
comment on function ledger.refuse_detached(text, text[]) is 'Refuses when events of these types have lost their data to a segment.';

-- The marketplace's own: a row of an observation holds all that its event said, so it stays where the event's data went,
-- and is taken over wherever the rows are made anew.
select ledger.change_function('marketplace_projection.reset(text)',
  'delete from marketplace_projection.observation where workspace = _workspace;',
  $to$delete from marketplace_projection.observation o where o.workspace = _workspace and not exists (
    select from ledger.event e where e.workspace = o.workspace and e.sequence = o.sequence and e.data is null and e.salt is not null);$to$);

create function marketplace_projection.keep_detached(_workspace text, _last bigint, _into regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
declare
  _lost bigint;
begin
  execute format($sql$
    insert into %s
    select o.* from ledger.event e join marketplace_projection.observation o on o.workspace = e.workspace and o.sequence = e.sequence
    where e.workspace = $1 and e.sequence <= $2 and e.data is null and e.salt is not null
    on conflict do nothing $sql$, _into) using _workspace, _last;
  select min(e.sequence) into _lost from ledger.event e
  where e.workspace = _workspace and e.sequence <= _last and e.data is null and e.salt is not null and e.type = 'WorkspaceObserved'
    and not exists (select from marketplace_projection.observation o where o.workspace = e.workspace and o.sequence = e.sequence);
  if _lost is not null then
    raise exception 'The row of event %/% is gone, and the event''s data is detached.', _workspace, _lost
      using errcode = 'LG400', hint = '''marketplace audit segments attach'' brings the data back; then rebuild.';
  end if;
end
$body$;
comment on function marketplace_projection.keep_detached(text, bigint, regclass) is
  'Takes the rows of observations whose data is detached over into another copy of their table; refuses when one is gone.';
revoke execute on function marketplace_projection.keep_detached(text, bigint, regclass) from public;
grant execute on function marketplace_projection.keep_detached(text, bigint, regclass) to ledger_auditor, ledger_service;

select ledger.change_function('marketplace_projection.take_into_scratch(text, bigint)',
  'perform pg_temp.marketplace_scratch_reset(_workspace);',
  $to$perform pg_temp.marketplace_scratch_reset(_workspace);
  perform marketplace_projection.keep_detached(_workspace, _last, 'pg_temp.marketplace_scratch_observation'::regclass);$to$);
select ledger.change_function('marketplace_projection.rebuild(text, bigint)', 'perform marketplace_projection.apply(_workspace, 1, _last);',
  $to$perform marketplace_projection.keep_detached(_workspace, _last, 'marketplace_projection.observation'::regclass);
  perform marketplace_projection.apply(_workspace, 1, _last);$to$);
select ledger.change_function('marketplace_projection.replay_begin(text, bigint)', 'return query execute format(''select k.workspace',
  $to$execute format('select marketplace_projection.keep_detached(k.workspace, k.sequence, %L::regclass) from %I.fold_cut k',
    format('%I.fold_observation', _schema), _schema);
  return query execute format('select k.workspace$to$);
