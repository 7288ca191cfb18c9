-- Projections move with the events. Whoever registers one here has the calls written anew, so an append calls
-- them directly.
set local role ledger_owner;

-- A function is kept by its full name: identifiers of functions do not survive an upgrade of the server.
create function ledger.normalize_projection() returns trigger
language plpgsql
set search_path to pg_catalog, pg_temp
as $$
begin
  if to_regprocedure(new.function) is null or to_regprocedure(new.reset) is null
      or new.rebuild is not null and to_regprocedure(new.rebuild) is null then
    perform ledger.refuse('LG400', format('Projection %s needs functions that exist: %s.', new.name,
        concat_ws(', ', new.function, new.reset, new.rebuild)),
      json_build_object('projection', new.name),
      'For example: schema.apply(text,bigint,bigint), schema.reset(text) and, if it has one, schema.rebuild(text,bigint).');
  end if;
  -- With this search_path the name comes out with its schema.
  new.function := to_regprocedure(new.function)::text;
  new.reset := to_regprocedure(new.reset)::text;
  new.rebuild := to_regprocedure(new.rebuild)::text;
  return new;
end $$;
comment on function ledger.normalize_projection() is 'Trigger: keeps the functions of a projection by their full names.';

create function ledger.install_projections() returns void
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  _calls text;
  _types text[];
begin
  select string_agg(format(E'  if _types && %L and not %L = any (_stale) then\n    perform %s(_workspace, _first, _last);\n  end if;\n',
                           p.types, p.name, split_part(p.function, '(', 1)), '' order by p.name)
    into _calls from ledger.projection p;
  select coalesce(array_agg(distinct t), '{}') into _types from ledger.projection p, unnest(p.types) t;
  execute format('create or replace function ledger.is_projected(_types text[]) returns boolean language sql immutable as %L',
                 format('select _types && %L::text[]', _types));
  execute format(
    'create or replace function ledger.project(_workspace text, _first bigint, _last bigint, _types text[], _stale text[]) returns void language plpgsql as %L',
    E'\nbegin\n' || coalesce(_calls, '') || 'end ');
end $$;
comment on function ledger.install_projections() is 'Writes ledger.is_projected and ledger.project anew from ledger.projection.';

create function ledger.projections_changed() returns trigger
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform ledger.install_projections();
  return null;
end $$;
comment on function ledger.projections_changed() is 'Trigger: writes the calls of the projections anew.';

-- What was appended before a projection was there, or before it changed, has to be taken in by a rebuild.
create function ledger.projection_added() returns trigger
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform from ledger.head order by workspace for update;
    update ledger.head set stale = array_remove(stale, old.name) where old.name = any (stale);
    delete from ledger.projection_stale where projection = old.name;
    return null;
  end if;
  if tg_op = 'UPDATE' and (old.name, old.function, old.reset, old.types, old.version)
                        = (new.name, new.function, new.reset, new.types, new.version) then
    return null;
  end if;
  -- An append under way holds its head; waiting for it makes sure that its events are seen.
  perform from ledger.head order by workspace for update;
  perform ledger.mark_stale(new.name, h.workspace, 1, null, 'It was registered or changed after these events; rebuild it.')
  from ledger.head h where h.last_sequence > 0;
  return null;
end $$;
comment on function ledger.projection_added() is 'Trigger: a projection that is new or changed is stale wherever there are events.';

create trigger normalize before insert or update on ledger.projection for each row execute function ledger.normalize_projection();
create trigger added after insert or update or delete on ledger.projection for each row execute function ledger.projection_added();
create trigger changed after insert or update or delete on ledger.projection for each statement
  execute function ledger.projections_changed();

create function ledger.rebuild_events_max() returns bigint language sql immutable as 'select 100000';
comment on function ledger.rebuild_events_max() is 'Events a projection takes in at once while it is rebuilt.';

create function ledger.rebuild_projection(_name text, _workspace text) returns bigint
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  _projection ledger.projection;
  _first bigint := 1;
  _last bigint;
begin
  select * into _projection from ledger.projection p where p.name = _name;
  if not found then
    perform ledger.refuse('LG400', format('Projection %s is unknown.', _name), json_build_object('projection', _name),
      'select name from ledger.projection lists them.');
  end if;
  select h.last_sequence into _last from ledger.head h where h.workspace = _workspace for update;
  if not found then
    perform ledger.refuse_workspace(_workspace);
  end if;
  if _projection.rebuild is not null then
    execute format('select %s($1, $2)', split_part(_projection.rebuild, '(', 1)) using _workspace, _last;
  else
    execute format('select %s($1)', split_part(_projection.reset, '(', 1)) using _workspace;
    while _first <= _last loop
      execute format('select %s($1, $2, $3)', split_part(_projection.function, '(', 1))
        using _workspace, _first, least(_last, _first + ledger.rebuild_events_max() - 1);
      _first := _first + ledger.rebuild_events_max();
    end loop;
  end if;
  delete from ledger.projection_stale s where s.projection = _name and s.workspace = _workspace;
  update ledger.head h set stale = array_remove(h.stale, _name) where h.workspace = _workspace and _name = any (h.stale);
  return _last;
end $$;
comment on function ledger.rebuild_projection(text, text) is
  'Makes a projection of a workspace anew from all its events, while its appends wait; returns the last sequence taken in. Ends staleness.';
