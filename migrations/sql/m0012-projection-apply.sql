-- Moves the projections over a range of a workspace's events: in the append that brings them, and in a rebuild. The
-- outcome does not depend on how the events were cut into ranges: every statement yields each intermediate state of
-- its range as if the events had come one by one.
--
-- The caller holds the workspace's head row, so nothing else moves these rows. The range is read once; families of
-- types that it has none of cost nothing. Redacted events (no data) move nothing.
set local role ledger_owner;

-- Some thousand events at a time: working out the current version costs events × candidates within a model.
create function marketplace_projection.apply(_workspace text, _first bigint, _last bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
declare
  _chunk_events constant bigint := 5000;
  _redacted boolean := false;
begin
  for _nth in 0 .. (_last - _first) / _chunk_events loop
    _redacted := marketplace_projection.apply_chunk(_workspace, _first + _nth * _chunk_events,
      least(_last, _first + (_nth + 1) * _chunk_events - 1)) or _redacted;
  end loop;
  -- what was taken in from an event that is empty now has to go: all over again, without it
  if _redacted then
    perform marketplace_projection.reset(_workspace);
    for _nth in 0 .. (_last - 1) / _chunk_events loop
      perform marketplace_projection.apply_chunk(_workspace, 1 + _nth * _chunk_events,
        least(_last, (_nth + 1) * _chunk_events));
    end loop;
  end if;
end
$body$;
comment on function marketplace_projection.apply(text, bigint, bigint) is
  'Moves the projections over these events of a workspace; each event exactly once and in order.';

-- Each family of types has a function of its own, which is given the events of its family alone, column by column
-- (_s: sequences, _t: times, _k: types, _d: data), and parses each once. They run under the settings made here.
create function marketplace_projection.apply_chunk(_workspace text, _first bigint, _last bigint) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
-- planned once in a session, and never against the statistics of an empty table: every look-up has its key
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $body$
declare
  _e record;
  _redacted boolean := false;
  _rule record;
  _has_aliases boolean := false;
  _has_connections boolean := false;
  -- models whose catalog row may change
  _touched uuid[] := '{}';
  -- points at which the current version may change
  _new record;
  _models uuid[] := '{}';
  _s bigint[] := '{}';
  _t timestamptz[] := '{}';
  _b timestamptz[] := '{}';
  _a timestamptz[] := '{}';
  _k text[] := '{}';
begin
  for _e in
    select q.family, array_agg(q.sequence) as s, array_agg(q.recorded_at) as t, array_agg(q.type) as k,
      array_agg(q.data) as d, array_agg(q.run) filter (where q.family in (6, 7)) as runs,
      array_agg(q.principal) filter (where q.family in (6, 7)) as principals
    from (
      -- in the order of the key, so that the key's index is taken whatever the statistics say
      select x.sequence, x.recorded_at, x.type, x.data, x.run, x.principal,
        case x.type
          when 'WorkspaceConnected' then 1 when 'WorkspaceDisconnected' then 1
          when 'WorkspaceObserved' then 2
          when 'AliasAssigned' then 3 when 'AliasRemoved' then 3
          when 'ModelVersionRegistered' then 4 when 'ModelVersionDeleted' then 4 when 'ModelRenamed' then 4
          when 'StageTransitioned' then 4
          when 'ModelDescribed' then 5
          when 'ModelExported' then 6 when 'ExportInvalidated' then 6 when 'ExportFailed' then 6
          when 'ModelImported' then 7 when 'ImportLost' then 7 when 'ImportFailed' then 7
          when 'MarketplacePromotionSet' then 7
          when 'MarketplaceDriftFound' then 8
          when 'EventRedacted' then 9
        end as family
      from ledger.event x
      where x.workspace = _workspace and x.sequence >= _first and x.sequence <= _last and x.data is not null
      order by x.sequence limit _last - _first + 1
    ) q
    where q.family is not null
    group by q.family
    order by q.family
  loop
    -- what counts as promoted is known once the connections are taken in, which come first
    if _e.family > 2 and _rule is null then
      _rule := marketplace_projection.rule_since(_workspace, _first);
    end if;
    case _e.family
      when 1 then
        _has_connections := true;
        perform marketplace_projection.move_connection(_workspace, _e.s, _e.t, _e.k, _e.d);
      when 2 then
        perform marketplace_projection.move_observation(_workspace, _e.s, _e.t, _e.k, _e.d);
      when 3 then
        _has_aliases := true;
        _new := marketplace_projection.move_aliases(_workspace, _e.s, _e.t, _e.k, _e.d, _rule.aliases);
      when 4 then
        if _e.k && array['ModelVersionRegistered', 'ModelRenamed'] then
          _touched := _touched || marketplace_projection.move_names(_workspace, _e.s, _e.t, _e.k, _e.d);
        end if;
        _new := marketplace_projection.move_stages(_workspace, _e.s, _e.t, _e.k, _e.d, _rule.aliases, _rule.stages,
          _has_aliases);
      when 5 then
        _touched := _touched || marketplace_projection.move_descriptions(_workspace, _e.s, _e.t, _e.k, _e.d);
      when 6 then
        _touched := _touched || marketplace_projection.move_exports(_workspace, _e.s, _e.t, _e.k, _e.d, _e.runs,
          _e.principals);
      when 7 then
        _touched := _touched || marketplace_projection.move_imports(_workspace, _e.s, _e.t, _e.k, _e.d, _e.runs,
          _e.principals);
        if _e.k && array['MarketplacePromotionSet', 'ImportLost'] then
          _touched := _touched || marketplace_projection.move_promotions(_workspace, _e.s, _e.t, _e.k, _e.d, _first);
        end if;
      when 8 then
        perform marketplace_projection.move_drift(_workspace, _e.s, _e.t, _e.k, _e.d);
      when 9 then
        _redacted := true;
    end case;
    if _e.family in (3, 4) then
      _models := _models || _new.models;
      _s := _s || _new.s;
      _t := _t || _new.t;
      _b := _b || _new.b;
      _a := _a || _new.a;
      _k := _k || _new.k;
    end if;
  end loop;

  if _has_connections then
    _new := marketplace_projection.points_of_rule(_workspace, _first);
    _models := _models || _new.models;
    _s := _s || _new.s;
    _t := _t || _new.t;
    _b := _b || _new.b;
    _a := _a || _new.a;
    _k := _k || _new.k;
  end if;
  if _models <> '{}' then
    if _rule is null then
      _rule := marketplace_projection.rule_since(_workspace, _first);
    end if;
    _touched := _touched || marketplace_projection.move_current(_workspace, _first, _rule.aliases, _rule.stages,
      _models, _s, _t, _b, _a, _k);
  end if;
  if _touched <> '{}' then
    perform marketplace_projection.move_catalog(_workspace, _touched, _last);
  end if;
  return _redacted;
end
$body$;
comment on function marketplace_projection.apply_chunk(text, bigint, bigint) is
  'One stretch of `apply`, bounded so that a rebuild needs little memory; whether it holds a redaction.';

create function marketplace_projection.reset(_workspace text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
begin
  delete from marketplace_projection.catalog where workspace = _workspace;
  delete from marketplace_projection.drift where workspace = _workspace;
  delete from marketplace_projection.promotion_closed where workspace = _workspace;
  delete from marketplace_projection.promotion where workspace = _workspace;
  delete from marketplace_projection.import_failure where workspace = _workspace;
  delete from marketplace_projection.import where workspace = _workspace;
  delete from marketplace_projection.export_failure where workspace = _workspace;
  delete from marketplace_projection.export where workspace = _workspace;
  delete from marketplace_projection.description where workspace = _workspace;
  delete from marketplace_projection.current_closed where workspace = _workspace;
  delete from marketplace_projection.current_version where workspace = _workspace;
  delete from marketplace_projection.alias_closed where workspace = _workspace;
  delete from marketplace_projection.model_alias where workspace = _workspace;
  delete from marketplace_projection.stage_closed where workspace = _workspace;
  delete from marketplace_projection.model_version where workspace = _workspace;
  delete from marketplace_projection.model_closed where workspace = _workspace;
  delete from marketplace_projection.model where workspace = _workspace;
  delete from marketplace_projection.observation where workspace = _workspace;
  delete from marketplace_projection.connection where workspace = _workspace;
end
$body$;
comment on function marketplace_projection.reset(text) is 'Deletes the workspace''s rows, before all its events are taken in again.';
