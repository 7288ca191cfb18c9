-- What the projections say of one workspace at one of its sequences. The views of schema marketplace ask for the
-- newest, the as-of functions for that of a cut: one text for both. Plain SQL, inlined into its callers.
set local role ledger_owner;

create function marketplace_projection.newest() returns bigint
language sql immutable as $$ select 9223372036854775807 $$;
comment on function marketplace_projection.newest() is 'A sequence after every other.';

-- Two observations bracket what happened between them: it happened in [not_before, not_after). So what it began is
-- certain only after that bracket, and what it ended was certain only before it.
create function marketplace_projection.certain(_began_not_after timestamptz, _ended_not_before timestamptz)
returns tstzrange language sql immutable as $$
  select case when _began_not_after < _ended_not_before then tstzrange(_began_not_after, _ended_not_before)
    else 'empty' end
$$;
comment on function marketplace_projection.certain(timestamptz, timestamptz) is
  'From the observation that first saw it to the last that still did; empty when no two observations agree.';

create function marketplace_projection.possible(_began_not_before timestamptz, _ended_not_after timestamptz)
returns tstzrange language sql immutable as $$
  select case when _began_not_before > _ended_not_after then 'empty'
    else tstzrange(_began_not_before, _ended_not_after) end
$$;
comment on function marketplace_projection.possible(timestamptz, timestamptz) is
  'From the last observation that did not yet see it to the first that no longer did; unbounded where there is none.';

-- The name of a model at a sequence.
create function marketplace_projection.name_of(_workspace text, _model uuid, _at bigint)
returns table (name text, sequence bigint, recorded_at timestamptz)
language sql stable as $$
  select o.name, o.from_sequence, o.from_recorded_at
  from marketplace_projection.model o
  where o.workspace = _workspace and o.model = _model and o.from_sequence <= _at
  union all
  (select c.name, c.from_sequence, c.from_recorded_at
   from marketplace_projection.model_closed c
   where c.workspace = _workspace and c.model = _model and c.to_sequence > _at and c.from_sequence <= _at
   order by c.to_sequence limit 1)
$$;

-- The names of all models at a sequence.
create function marketplace_projection.names_of(_workspace text, _at bigint)
returns table (model uuid, name text)
language sql stable as $$
  select o.model, o.name from marketplace_projection.model o
  where o.workspace = _workspace and o.from_sequence <= _at
  union all
  select c.model, c.name from marketplace_projection.model_closed c
  where c.workspace = _workspace and c.from_sequence <= _at and c.to_sequence > _at
$$;

-- The version the source means at a sequence; null: none.
create function marketplace_projection.current_of(_workspace text, _model uuid, _at bigint)
returns table (version bigint, created bigint, sequence bigint, recorded_at timestamptz)
language sql stable as $$
  select o.version, o.created, o.from_sequence, o.from_recorded_at
  from marketplace_projection.current_version o
  where o.workspace = _workspace and o.model = _model and o.from_sequence <= _at
  union all
  (select c.version, c.created, c.from_sequence, c.from_recorded_at
   from marketplace_projection.current_closed c
   where c.workspace = _workspace and c.model = _model and c.to_sequence > _at and c.from_sequence <= _at
   order by c.to_sequence limit 1)
$$;

-- The end of the last complete observation: until then an open interval is certain.
create function marketplace_projection.observed_to_of(_workspace text, _at bigint)
returns table (observed_to timestamptz)
language sql stable as $$
  select (
    select o.observed_to
    from marketplace_projection.observation o
    where o.workspace = _workspace and o.complete and o.sequence <= _at
    order by o.sequence desc limit 1)
$$;

-- The long texts of a catalog row, found by the sequences that it names.
create function marketplace_projection.catalog_texts(
  _workspace text, _model uuid, _version bigint, _described bigint, _version_described bigint, _exported bigint)
returns table (
  description text, owner text, tags json, version_description text, flavors text[], signature json, export_id uuid,
  uri text, manifest_sha256 text, model_sha256 text, files bigint, bytes bigint)
language sql stable as $$
  select d.description, d.owner, d.tags, v.description, v.flavors, v.signature, e.export_id, e.uri, e.manifest_sha256,
    e.model_sha256, e.files, e.bytes
  from (select 1) always
  left join marketplace_projection.description d on d.workspace = _workspace and d.model = _model and d.version = 0
    and d.sequence = _described
  left join marketplace_projection.description v on v.workspace = _workspace and v.model = _model
    and v.version = _version and v.sequence = _version_described
  left join marketplace_projection.export e on e.workspace = _workspace and e.model = _model and e.version = _version
    and e.sequence = _exported
$$;
