-- Random histories over a small world, so that things collide: few models, few versions, few aliases. They are drawn
-- without memory, so impossible orders occur too (a loss before its import); the projections must not care.
create schema if not exists testing;

create function testing.pick(variadic _from text[]) returns text language sql volatile as
$$ select _from[1 + floor(random() * cardinality(_from))::int] $$;

create function testing.random_events(_count int)
returns table (stream text, type text, data text) language sql volatile as $$
  with drawn as materialized (
    select n,
      testing.pick('WorkspaceConnected', 'WorkspaceDisconnected', 'WorkspaceObserved', 'WorkspaceObserved',
        'ModelVersionRegistered', 'ModelVersionRegistered', 'ModelVersionRegistered', 'ModelVersionDeleted',
        'ModelRenamed', 'ModelDescribed', 'ModelDescribed', 'StageTransitioned', 'StageTransitioned',
        'StageTransitioned', 'StageTransitioned', 'StageTransitioned', 'AliasAssigned', 'AliasAssigned',
        'AliasAssigned', 'AliasRemoved', 'ModelExported', 'ModelExported', 'ExportFailed', 'ExportInvalidated',
        'ModelImported', 'ModelImported', 'ImportFailed', 'ImportLost', 'MarketplacePromotionSet',
        'MarketplacePromotionSet', 'MarketplaceDriftFound') as type,
      testing.pick('11111111-0000-4000-8000-000000000001', '22222222-0000-4000-8000-000000000002',
        '33333333-0000-4000-8000-000000000003') as model,
      testing.pick('triage', 'sepsis', E'na\u00efve \u202e \U0001F9EC', '''; drop table x; --') as name,
      1 + floor(random() * 4)::int as version, 1 + floor(random() * 2)::int as generation,
      1000 + floor(random() * 1.2)::int as created,
      testing.pick('None', 'Staging', 'Production', 'Production', 'Archived') as stage,
      testing.pick('champion', 'champion', 'prod', 'other') as alias,
      testing.pick('marketplace', 'marketplace', 'marketplace', 'second') as target,
      1000000000 + n * 60000 as now, random() as chance
    from generate_series(1, _count) n)
  select
    case when type like 'Workspace%' then 'workspace' else 'model/' || model end,
    type,
    json_strip_nulls(case type
      when 'WorkspaceConnected' then json_build_object('kind', 'mlflow',
        'promoted', json_build_object(
          'aliases', case floor(chance * 4) when 0 then '[]' when 1 then '["champion"]' when 2 then '["prod","champion"]'
            else '["champion","prod"]' end::json,
          'stages', case floor(chance * 12)::int % 3 when 0 then '["Production"]' when 1 then '["Production","Staging"]'
            else '[]' end::json),
        'registry', 'http://' || stage)
      when 'WorkspaceDisconnected' then json_build_object('reason', 'closed')
      when 'WorkspaceObserved' then case when chance < 0.3
        then json_build_object('outcome', 'unreadable', 'reason', 'refused', 'message', 'no ' || name,
          'observed_from', now - 500, 'observed_to', now)
        else json_build_object('changes', 0, 'models', 3, 'observed_from', now - 500, 'observed_to', now,
          'outcome', 'complete', 'versions', 9) end
      when 'ModelVersionRegistered' then json_build_object('created', created, 'model', model, 'model_created', 900,
        'name', name, 'not_after', now, 'not_before', case when chance < 0.7 then now - 60000 end, 'run_id', 'r' || n,
        'source', 's3://' || n, 'version', version)
      when 'ModelVersionDeleted' then json_build_object('created', created, 'model', model, 'name', name,
        'not_after', now, 'not_before', now - 60000, 'version', version)
      when 'ModelRenamed' then json_build_object('from', 'x', 'model', model, 'not_after', now, 'to', name)
      when 'ModelDescribed' then json_build_object('description', 'd' || n, 'flavors', json_build_array('sklearn', stage),
        'metrics', '{"auc":"NaN"}'::json, 'model', model, 'name', name, 'owner', alias, 'tags', json_build_object('k', name),
        'version', case when chance < 0.6 then version end)
      when 'StageTransitioned' then json_build_object('created', created, 'from', 'None', 'model', model, 'name', name,
        'not_after', now, 'not_before', case when chance < 0.8 then now - 60000 end, 'to', stage, 'version', version)
      when 'AliasAssigned' then json_build_object('alias', alias, 'created', created, 'model', model, 'name', name,
        'not_after', now, 'not_before', now - 60000, 'version', version)
      when 'AliasRemoved' then json_build_object('alias', alias, 'model', model, 'name', name, 'not_after', now,
        'version', version)
      when 'ModelExported' then json_build_object('bytes', n * 10, 'created', created, 'export_id',
        ('00000000-0000-4000-8000-' || lpad((version * 10 + generation)::text, 12, '0')), 'files', n, 'generation', generation,
        'manifest_sha256', 'm' || n, 'model', model, 'model_sha256', 's' || n, 'name', name, 'uri', 'file:///' || n,
        'version', version)
      when 'ExportFailed' then json_build_object('code', 'size', 'created', created, 'generation', generation, 'message',
        '640 of 812 ' || name, 'model', model, 'name', name, 'retriable', chance < 0.5, 'version', version)
      when 'ExportInvalidated' then json_build_object('created', created, 'generation', generation, 'model', model, 'name',
        name, 'reason', 'rotten ' || n, 'version', version)
      when 'ModelImported' then json_build_object('created', created, 'export_id',
        ('00000000-0000-4000-8000-' || lpad((version * 10 + generation)::text, 12, '0')), 'generation', generation,
        'manifest_sha256', 'm' || n, 'marketplace_name', 'dev.' || model, 'marketplace_version', version + generation,
        'model', model, 'name', name, 'target', target, 'version', version)
      when 'ImportFailed' then json_build_object('code', 'http-500', 'created', created, 'generation', generation, 'message',
        name, 'model', model, 'name', name, 'retriable', true, 'target', target, 'version', version)
      when 'ImportLost' then json_build_object('created', created, 'generation', generation, 'marketplace_name',
        'dev.' || model, 'marketplace_version', version + generation, 'model', model, 'name', name, 'reason', 'gone',
        'target', target, 'version', version)
      when 'MarketplacePromotionSet' then case when chance < 0.3
        then json_build_object('cause', 'withdrawal', 'from', 1, 'marketplace_name', 'dev.' || model, 'model', model,
          'name', name, 'target', target)
        else json_build_object('cause', 'promotion', 'marketplace_name', 'dev.' || model, 'model', model, 'name', name,
          'target', target, 'to', version + generation, 'version', version) end
      when 'MarketplaceDriftFound' then json_build_object('expected', stage, 'found', 'x', 'kind', 'alias',
        'marketplace_name', 'dev.' || model, 'model', model, 'name', name, 'target', target)
    end)::text
  from drawn
  order by n
$$;

-- Everything the projections hold of a workspace, as text.
create function testing.dump(_workspace text) returns table (line text) language plpgsql stable as $$
declare
  _table text;
begin
  for _table in
    select c.relname from pg_class c where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r'
    order by c.relname collate "C"
  loop
    return query execute format(
      'select %L || t::text from marketplace_projection.%I t where workspace = $1 order by t::text collate "C"',
      _table || ' ', _table) using _workspace;
  end loop;
end $$;

create function testing.digest(_workspace text) returns text language sql stable as
$$ select md5(string_agg(line, E'\n')) from testing.dump(_workspace) $$;

-- Forget the workspace and take its events in again, so many at a time.
create function testing.replay(_workspace text, _size bigint, _upto bigint default null) returns text
language plpgsql as $$
declare
  _last bigint := coalesce(_upto, (select max(sequence) from ledger.event where workspace = _workspace));
begin
  perform marketplace_projection.reset(_workspace);
  for _from in 0 .. (_last - 1) / _size loop
    perform marketplace_projection.apply(_workspace, _from * _size + 1, least(_last, (_from + 1) * _size));
  end loop;
  return testing.digest(_workspace);
end $$;

-- A random history, appended through the front door, so many events a call.
create function testing.append_random(_workspace text, _count bigint, _seed float8, _size bigint) returns void
language plpgsql as $$
declare
  _events record;
begin
  perform setseed(_seed);
  perform ledger.open_workspace(_workspace);
  for _events in
    select array_agg(e.stream order by e.n) as streams, array_agg(e.type order by e.n) as types,
      array_agg(e.data order by e.n) as data, array_agg(gen_random_uuid()) as ids
    from (select *, row_number() over () as n from testing.random_events(_count::int)) e
    group by (e.n - 1) / _size
    order by (e.n - 1) / _size
  loop
    perform ledger.append(_workspace, _events.streams, null, _events.ids, _events.types, null, null, _events.data, null,
      null, '00000000-0000-4000-8000-0000000000aa', null);
  end loop;
end $$;

-- What every view says of a workspace as of a position, as text; null: now.
create function testing.answers(_workspace text, _position bigint) returns table (line text) language plpgsql as $$
declare
  _view text;
begin
  for _view in
    select c.relname from pg_class c where c.relnamespace = 'marketplace'::regnamespace and c.relkind = 'v'
    order by c.relname collate "C"
  loop
    return query execute format(
      'select %L || t::text from marketplace.%I%s t where t.workspace = %L order by t::text collate "C"',
      _view || ' ', _view, case when _position is not null then format('_at(%s::bigint)', _position) end, _workspace);
  end loop;
end $$;

-- As of a position, against the views over nothing but the events up to it: what differs.
create function testing.as_of_differences(_workspace text, _sequence bigint) returns table (side text, line text)
language plpgsql as $$
declare
  _position bigint := ledger.position_of(_workspace, _sequence);
begin
  create temp table then_asked on commit drop as select * from testing.answers(_workspace, _position);
  perform testing.replay(_workspace, 7, _sequence);
  create temp table then_built on commit drop as select * from testing.answers(_workspace, null);
  return query
    (select 'asked only', a.line from then_asked a except all select 'asked only', b.line from then_built b)
    union all
    (select 'built only', b.line from then_built b except all select 'built only', a.line from then_asked a);
  drop table then_asked, then_built;
  perform testing.replay(_workspace, 100000);
end $$;
