-- The spells of stages, aliases, current versions and availability, as of a sequence of a workspace.
set local role ledger_owner;

create function marketplace_projection.stage_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, version bigint, created timestamptz, stage text, from_sequence bigint,
  to_sequence bigint, from_recorded_at timestamptz, to_recorded_at timestamptz, certain tstzrange,
  possible tstzrange, source_time timestamptz)
language sql stable as $$
  select _workspace, h.model, n.name, h.version, marketplace_projection.time_of(h.created), h.stage, h.from_sequence,
    h.to_sequence, h.from_recorded_at, h.to_recorded_at,
    marketplace_projection.certain(h.from_not_after,
      case when h.to_sequence is null then b.observed_to else h.to_not_before end),
    marketplace_projection.possible(h.from_not_before, h.to_not_after), h.from_source_time
  from marketplace_projection.observed_to_of(_workspace, _at) b
  cross join lateral (
    select o.model, o.version, o.created, o.stage, o.from_sequence, null::bigint as to_sequence, o.from_recorded_at,
      null::timestamptz as to_recorded_at, o.from_not_before, o.from_not_after, null::timestamptz as to_not_before,
      null::timestamptz as to_not_after, o.from_source_time
    from marketplace_projection.model_version o
    where o.workspace = _workspace and o.from_sequence <= _at and o.stage is not null
    union all
    select c.model, c.version, c.created, c.stage, c.from_sequence, case when c.to_sequence <= _at then c.to_sequence end,
      c.from_recorded_at, case when c.to_sequence <= _at then c.to_recorded_at end, c.from_not_before, c.from_not_after,
      case when c.to_sequence <= _at then c.to_not_before end, case when c.to_sequence <= _at then c.to_not_after end,
      c.from_source_time
    from marketplace_projection.stage_closed c
    where c.workspace = _workspace and c.from_sequence <= _at and c.stage is not null
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;

create function marketplace_projection.alias_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, alias text, version bigint, created timestamptz, from_sequence bigint,
  to_sequence bigint, from_recorded_at timestamptz, to_recorded_at timestamptz, certain tstzrange, possible tstzrange)
language sql stable as $$
  select _workspace, h.model, n.name, h.alias, h.version, marketplace_projection.time_of(h.created), h.from_sequence,
    h.to_sequence, h.from_recorded_at, h.to_recorded_at,
    marketplace_projection.certain(h.from_not_after,
      case when h.to_sequence is null then b.observed_to else h.to_not_before end),
    marketplace_projection.possible(h.from_not_before, h.to_not_after)
  from marketplace_projection.observed_to_of(_workspace, _at) b
  cross join lateral (
    select o.model, o.alias, o.version, o.created, o.from_sequence, null::bigint as to_sequence, o.from_recorded_at,
      null::timestamptz as to_recorded_at, o.from_not_before, o.from_not_after, null::timestamptz as to_not_before,
      null::timestamptz as to_not_after
    from marketplace_projection.model_alias o
    where o.workspace = _workspace and o.from_sequence <= _at and o.version is not null
    union all
    select c.model, c.alias, c.version, c.created, c.from_sequence, case when c.to_sequence <= _at then c.to_sequence end,
      c.from_recorded_at, case when c.to_sequence <= _at then c.to_recorded_at end, c.from_not_before, c.from_not_after,
      case when c.to_sequence <= _at then c.to_not_before end, case when c.to_sequence <= _at then c.to_not_after end
    from marketplace_projection.alias_closed c
    where c.workspace = _workspace and c.from_sequence <= _at and c.version is not null
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;

create function marketplace_projection.production_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, version bigint, created timestamptz, from_sequence bigint, to_sequence bigint,
  from_recorded_at timestamptz, to_recorded_at timestamptz, certain tstzrange, possible tstzrange, began_by text,
  ended_by text)
language sql stable as $$
  select _workspace, h.model, n.name, h.version, marketplace_projection.time_of(h.created), h.from_sequence,
    h.to_sequence, h.from_recorded_at, h.to_recorded_at,
    marketplace_projection.certain(h.from_not_after,
      case when h.to_sequence is null then b.observed_to else h.to_not_before end),
    marketplace_projection.possible(h.from_not_before, h.to_not_after), h.cause, h.to_cause
  from marketplace_projection.observed_to_of(_workspace, _at) b
  cross join lateral (
    select o.model, o.version, o.created, o.from_sequence, null::bigint as to_sequence, o.from_recorded_at,
      null::timestamptz as to_recorded_at, o.from_not_before, o.from_not_after, null::timestamptz as to_not_before,
      null::timestamptz as to_not_after, o.cause, null::text as to_cause
    from marketplace_projection.current_version o
    where o.workspace = _workspace and o.from_sequence <= _at and o.version is not null
    union all
    select c.model, c.version, c.created, c.from_sequence, case when c.to_sequence <= _at then c.to_sequence end,
      c.from_recorded_at, case when c.to_sequence <= _at then c.to_recorded_at end, c.from_not_before, c.from_not_after,
      case when c.to_sequence <= _at then c.to_not_before end, case when c.to_sequence <= _at then c.to_not_after end,
      c.cause, case when c.to_sequence <= _at then c.to_cause end
    from marketplace_projection.current_closed c
    where c.workspace = _workspace and c.from_sequence <= _at and c.version is not null
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;

create function marketplace_projection.availability_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, target text, marketplace_name text, marketplace_version bigint,
  version bigint, from_sequence bigint, to_sequence bigint, from_recorded_at timestamptz,
  to_recorded_at timestamptz, began_by text, ended_by text)
language sql stable as $$
  select _workspace, h.model, n.name, h.target, h.marketplace_name, h.marketplace_version, h.version, h.from_sequence,
    h.to_sequence, h.from_recorded_at, h.to_recorded_at, h.cause, h.to_cause
  from (
    select o.model, o.target, o.marketplace_name, o.marketplace_version, o.version, o.from_sequence,
      null::bigint as to_sequence, o.from_recorded_at, null::timestamptz as to_recorded_at, o.cause,
      null::text as to_cause
    from marketplace_projection.promotion o
    where o.workspace = _workspace and o.from_sequence <= _at and o.marketplace_version is not null
    union all
    select c.model, c.target, c.marketplace_name, c.marketplace_version, c.version, c.from_sequence,
      case when c.to_sequence <= _at then c.to_sequence end, c.from_recorded_at,
      case when c.to_sequence <= _at then c.to_recorded_at end, c.cause,
      case when c.to_sequence <= _at then c.to_cause end
    from marketplace_projection.promotion_closed c
    where c.workspace = _workspace and c.from_sequence <= _at and c.marketplace_version is not null
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
$$;
