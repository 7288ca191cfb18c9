-- How the projections move over descriptions, exports, imports and drift.
set local role ledger_owner;

create function marketplace_projection.move_descriptions(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[]
) returns uuid[]
language plpgsql as $body$
#variable_conflict use_column
declare
  _touched uuid[];
begin
  with added as (
    insert into marketplace_projection.description (workspace, model, version, sequence, recorded_at, description,
      owner, tags, flavors, signature, metrics, params, run_name, experiment)
    select _workspace, r.model, coalesce(r.version, 0), u.s, u.t, r.description, r.owner, r.tags, r.flavors,
      r.signature, r.metrics, r.params, r.run_name, r.experiment
    from unnest(_s, _t, _k, _d) as u (s, t, k, d),
      json_to_record(u.d) as r (model uuid, version bigint, description text, owner text, tags json, flavors text[],
        signature json, metrics json, params json, run_name text, experiment text)
    returning model)
  select array_agg(model) into _touched from added;
  return _touched;
end
$body$;
comment on function marketplace_projection.move_descriptions(text, bigint[], timestamptz[], text[], json[]) is
  'Takes in ModelDescribed; returns the models.';

create function marketplace_projection.move_exports(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[], _runs uuid[], _principals text[]
) returns uuid[]
language plpgsql as $body$
#variable_conflict use_column
declare
  _touched uuid[] := '{}';
  _more uuid[];
begin
  if 'ModelExported' = any (_k) then
    with added as (
      insert into marketplace_projection.export (workspace, model, version, sequence, recorded_at, created, generation,
        export_id, uri, manifest_sha256, model_sha256, files, bytes, run, principal)
      select _workspace, r.model, r.version, u.s, u.t, r.created, r.generation, r.export_id, r.uri, r.manifest_sha256,
        r.model_sha256, r.files, r.bytes, u.run, u.principal
      from unnest(_s, _t, _k, _d, _runs, _principals) as u (s, t, k, d, run, principal),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, export_id uuid,
          uri text, manifest_sha256 text, model_sha256 text, files bigint, bytes bigint)
      where u.k = 'ModelExported'
      returning model)
    select array_agg(model) into _more from added;
    _touched := _touched || _more;
  end if;

  if 'ExportInvalidated' = any (_k) then
    with said as materialized (
      select u.s, u.t, r.*
      from unnest(_s, _t, _k, _d) as u (s, t, k, d),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, reason text)
      where u.k = 'ExportInvalidated'),
    ended as (
      update marketplace_projection.export e
      set invalidated_sequence = i.s, invalidated_at = i.t, invalidated_reason = i.reason
      from (
        select distinct on (x.model, x.version, x.sequence) x.model, x.version, x.sequence, i.s, i.t, i.reason
        from said i
        join marketplace_projection.export x on x.workspace = _workspace and x.model = i.model
          and x.version = i.version and x.created = i.created and x.generation = i.generation
          and x.sequence < i.s and x.invalidated_sequence is null
        order by x.model, x.version, x.sequence, i.s
      ) i
      where e.workspace = _workspace and e.model = i.model and e.version = i.version and e.sequence = i.sequence)
    select array_agg(model) into _more from said;
    _touched := _touched || _more;
  end if;

  if 'ExportFailed' = any (_k) then
    with added as (
      insert into marketplace_projection.export_failure (workspace, model, version, sequence, recorded_at, created,
        generation, code, message, retriable, run, principal)
      select _workspace, r.model, r.version, u.s, u.t, r.created, r.generation, r.code, r.message, r.retriable, u.run,
        u.principal
      from unnest(_s, _t, _k, _d, _runs, _principals) as u (s, t, k, d, run, principal),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, code text,
          message text, retriable boolean)
      where u.k = 'ExportFailed'
      returning model)
    select array_agg(model) into _more from added;
    _touched := _touched || _more;
  end if;
  return _touched;
end
$body$;
comment on function marketplace_projection.move_exports(text, bigint[], timestamptz[], text[], json[], uuid[], text[]) is
  'Takes in ModelExported, ExportInvalidated and ExportFailed; returns the models.';

create function marketplace_projection.move_imports(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[], _runs uuid[], _principals text[]
) returns uuid[]
language plpgsql as $body$
#variable_conflict use_column
declare
  _touched uuid[] := '{}';
  _more uuid[];
begin
  if 'ModelImported' = any (_k) then
    with added as (
      insert into marketplace_projection.import (workspace, model, version, sequence, recorded_at, created, generation,
        export_id, target, marketplace_name, marketplace_version, marketplace_run_id, manifest_sha256, run, principal)
      select _workspace, r.model, r.version, u.s, u.t, r.created, r.generation, r.export_id, r.target,
        r.marketplace_name, r.marketplace_version, r.marketplace_run_id, r.manifest_sha256, u.run, u.principal
      from unnest(_s, _t, _k, _d, _runs, _principals) as u (s, t, k, d, run, principal),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, export_id uuid,
          target text, marketplace_name text, marketplace_version bigint, marketplace_run_id text,
          manifest_sha256 text)
      where u.k = 'ModelImported'
      returning model)
    select array_agg(model) into _more from added;
    _touched := _touched || _more;
  end if;

  if 'ImportFailed' = any (_k) then
    with added as (
      insert into marketplace_projection.import_failure (workspace, model, version, sequence, recorded_at, created,
        generation, export_id, target, code, message, retriable, run, principal)
      select _workspace, r.model, r.version, u.s, u.t, r.created, r.generation, r.export_id, r.target, r.code,
        r.message, r.retriable, u.run, u.principal
      from unnest(_s, _t, _k, _d, _runs, _principals) as u (s, t, k, d, run, principal),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, export_id uuid,
          target text, code text, message text, retriable boolean)
      where u.k = 'ImportFailed'
      returning model)
    select array_agg(model) into _more from added;
    _touched := _touched || _more;
  end if;

  if 'ImportLost' = any (_k) then
    with said as materialized (
      select u.s, u.t, r.*
      from unnest(_s, _t, _k, _d) as u (s, t, k, d),
        json_to_record(u.d) as r (model uuid, version bigint, created bigint, generation bigint, target text,
          reason text)
      where u.k = 'ImportLost'),
    ended as (
      update marketplace_projection.import e
      set lost_sequence = i.s, lost_at = i.t, lost_reason = i.reason
      from (
        select distinct on (x.model, x.version, x.sequence) x.model, x.version, x.sequence, i.s, i.t, i.reason
        from said i
        join marketplace_projection.import x on x.workspace = _workspace and x.model = i.model
          and x.version = i.version and x.created = i.created and x.generation = i.generation
          and x.target = i.target and x.sequence < i.s and x.lost_sequence is null
        order by x.model, x.version, x.sequence, i.s
      ) i
      where e.workspace = _workspace and e.model = i.model and e.version = i.version and e.sequence = i.sequence)
    select array_agg(model) into _more from said;
    _touched := _touched || _more;
  end if;
  return _touched;
end
$body$;
comment on function marketplace_projection.move_imports(text, bigint[], timestamptz[], text[], json[], uuid[], text[]) is
  'Takes in ModelImported, ImportLost and ImportFailed; returns the models.';

create function marketplace_projection.move_drift(
  _workspace text, _s bigint[], _t timestamptz[], _k text[], _d json[]
) returns void
language plpgsql as $body$
#variable_conflict use_column
begin
  insert into marketplace_projection.drift (workspace, model, sequence, recorded_at, target, marketplace_name, kind,
    found, expected)
  select _workspace, r.model, u.s, u.t, r.target, r.marketplace_name, r.kind, r.found, r.expected
  from unnest(_s, _t, _k, _d) as u (s, t, k, d),
    json_to_record(u.d) as r (model uuid, target text, marketplace_name text, kind text, found text, expected text);
end
$body$;
comment on function marketplace_projection.move_drift(text, bigint[], timestamptz[], text[], json[]) is
  'Takes in MarketplaceDriftFound.';
