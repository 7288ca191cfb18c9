-- A second marketplace, made from history alone: the events up to a position are folded into a schema that did not exist,
-- by copies of the functions that move the projections, and read through copies of the views that analysts know. Any SQL
-- can be asked of the past there, and the answers of the as-of functions can be held against it.
--
-- It belongs to whoever asks, who has to be able to read the ledger and to create a schema. In the schema X, X.fold_… are
-- the tables and functions of the projections, X.catalog and its kin the views, and X.replay the one row that says what
-- it is. replay_begin comes first, then for each workspace it names X.fold_apply(workspace, 1, sequence), each in a
-- transaction of its own and side by side if wanted, then replay_end.
set local role ledger_owner;

create function marketplace_projection.replayed_views() returns text[] language sql immutable as $$
  select array['catalog', 'stage_history', 'alias_history', 'production_history', 'availability_history', 'model_history',
    'model_versions', 'export_summary', 'import_summary', 'workspaces']
$$;
comment on function marketplace_projection.replayed_views() is 'The views that a replay has, as the as-of functions answer for.';

-- What is copied reads the copies: of the projections, of the views, and of how far each workspace had come.
create function marketplace_projection.replayed_text(_schema text, _text text) returns text language sql immutable as $$
  select replace(replace(replace(_text, 'marketplace_projection.', format('%I.fold_', _schema)),
    'marketplace.', format('%I.', _schema)), 'ledger.workspace w', format('%I.fold_cut w', _schema))
$$;
comment on function marketplace_projection.replayed_text(text, text) is 'The text of a function or view, for the copy in a schema.';

create function marketplace_projection.replay_begin(_schema text, _position bigint)
returns table (workspace text, sequence bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
  _table text;
  _function regprocedure;
begin
  if _schema !~ '^[a-z_][a-z0-9_]{0,47}$' or _schema ~ '^pg_|ledger|marketplace' then
    raise exception 'A replay cannot be put into a schema called %.', quote_ident(_schema)
      using errcode = 'invalid_parameter_value',
            hint = 'A name has up to 48 of a-z, 0-9 and _, and begins with neither a digit nor pg_, and has neither ledger nor marketplace in it. For example: march.';
  end if;
  if to_regnamespace(quote_ident(_schema)) is not null then
    raise exception 'Schema % exists already.', _schema
      using errcode = 'duplicate_schema',
            hint = format('Choose another name, or give that one up: drop schema %I cascade.', _schema);
  end if;
  execute format('create schema %I', _schema);
  execute format('create table %I.fold_cut (workspace text collate "C" primary key, sequence bigint not null)', _schema);
  -- refuses a position that is not sealed yet
  execute format('insert into %I.fold_cut select k.workspace, k.sequence from marketplace_projection.cut($1) k', _schema)
    using _position;
  execute format($create$
    create table %I.replay (
      position bigint not null, sealed_at timestamptz, begun_at timestamptz not null, ended_at timestamptz)
    $create$, _schema);
  execute format('insert into %I.replay select $1, (select max(s.sealed_at) from ledger.seal s where s.last_position <= $1), now()', _schema)
    using _position;
  for _table in
    select c.relname from pg_class c
    where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r' order by c.relname
  loop
    execute format('create table %1$I.fold_%2$s (like marketplace_projection.%2$I including defaults including indexes including storage)',
      _schema, _table);
  end loop;
  -- nothing stops here and goes on
  execute format('create table %I.fold_stale (workspace text collate "C", from_sequence bigint)', _schema);
  -- they call each other, in whatever order they come
  perform set_config('check_function_bodies', 'off', true);
  for _function in
    select m from marketplace_projection.movers() m
    union
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'marketplace_projection'::regnamespace
      and (p.proname like '%\_of' or p.proname in ('newest', 'certain', 'possible', 'catalog_texts'))
  loop
    execute marketplace_projection.replayed_text(_schema, pg_get_functiondef(_function));
  end loop;
  return query execute format('select k.workspace, k.sequence from %I.fold_cut k order by k.sequence desc, k.workspace', _schema);
end
$body$;
comment on function marketplace_projection.replay_begin(text, bigint) is
  'Makes a schema that holds nothing yet, for the events up to a position of the ledger; returns how far each workspace had come there.';

create function marketplace_projection.replay_end(_schema text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
declare
  _name text;
  _function regprocedure;
  _comment record;
begin
  -- what moves rows has moved them all
  for _function in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = quote_ident(_schema)::regnamespace
      and (p.proname like 'fold\_move\_%' or p.proname in ('fold_apply', 'fold_apply_chunk', 'fold_reset', 'fold_rule_since', 'fold_points_of_rule'))
  loop
    execute format('drop function %s', _function);
  end loop;
  foreach _name in array marketplace_projection.replayed_views() loop
    execute format('create view %I.%I as ', _schema, _name)
      || marketplace_projection.replayed_text(_schema, pg_get_viewdef(format('marketplace.%I', _name)::regclass));
    for _comment in
      select a.attname, d.description from pg_description d
      left join pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid and d.objsubid > 0
      where d.classoid = 'pg_class'::regclass and d.objoid = format('marketplace.%I', _name)::regclass
    loop
      if _comment.attname is null then
        execute format('comment on view %I.%I is %L', _schema, _name, _comment.description);
      else
        execute format('comment on column %I.%I.%I is %L', _schema, _name, _comment.attname, _comment.description);
      end if;
    end loop;
  end loop;
  -- what is asked of a time, by what was known at the position
  for _function in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'marketplace'::regnamespace and p.proname = 'in_production_at'
  loop
    execute marketplace_projection.replayed_text(_schema, pg_get_functiondef(_function));
  end loop;
  execute format('update %I.replay set ended_at = now()', _schema);
  execute format('comment on schema %I is %L', _schema, (
    select format('The marketplace as it was known at position %s of the ledger, folded from its events. What is redacted later stays in here: drop schema %I cascade gives it up.',
      r.up_to, _schema)
    from marketplace_projection.replay_of(_schema) r));
  -- where the roles of the product are there, whoever may read the marketplace may read this
  execute format('grant usage on schema %I to marketplace_analyst, ledger_auditor', _schema);
  execute format('grant select on all tables in schema %I to marketplace_analyst, ledger_auditor', _schema);
  execute format('grant execute on all functions in schema %I to marketplace_analyst, ledger_auditor', _schema);
end
$body$;
comment on function marketplace_projection.replay_end(text) is
  'Gives a replayed schema the views that analysts know, with their comments, once all its workspaces are folded.';

create function marketplace_projection.replay_of(_schema text)
returns table (up_to bigint, sealed_at timestamptz, ended_at timestamptz)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $body$
begin
  return query execute format('select r.position, r.sealed_at, r.ended_at from %I.replay r', _schema);
end
$body$;
comment on function marketplace_projection.replay_of(text) is 'What a replayed schema is.';

-- Rows are compared as text: byte for byte.
create function marketplace_projection.replay_differences(_schema text)
returns table (view_name text, rows bigint, differences bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
declare
  _name text;
begin
  foreach _name in array marketplace_projection.replayed_views() loop
    return query execute format($query$
      with here as materialized (select x::text as line from %1$I.%2$I x),
      there as materialized (select x::text as line from marketplace.%2$I_at((select r.position from %1$I.replay r)) x)
      select %2$L::text, (select count(*) from here),
        (select count(*) from (select * from here except all select * from there) d)
        + (select count(*) from (select * from there except all select * from here) d)
      $query$, _schema, _name);
  end loop;
end
$body$;
comment on function marketplace_projection.replay_differences(text) is
  'For each view of a replayed schema its rows, and how many differ from what the as-of functions answer for the position.';

revoke execute on function
  marketplace_projection.replay_begin(text, bigint), marketplace_projection.replay_end(text),
  marketplace_projection.replay_of(text), marketplace_projection.replay_differences(text) from public;
grant execute on function
  marketplace_projection.replayed_views(), marketplace_projection.replayed_text(text, text), marketplace_projection.movers(),
  marketplace_projection.cut(bigint), marketplace_projection.replay_begin(text, bigint), marketplace_projection.replay_end(text),
  marketplace_projection.replay_of(text), marketplace_projection.replay_differences(text) to ledger_auditor, ledger_service;
