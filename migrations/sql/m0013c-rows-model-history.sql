-- What happened to the models, line by line, as of a sequence of a workspace.
set local role ledger_owner;

create function marketplace_projection.model_history_of(_workspace text, _at bigint)
returns table (
  workspace text, model uuid, name text, sequence bigint, recorded_at timestamptz, happened tstzrange, kind text,
  version bigint, what text)
language sql stable as $$
  select _workspace, h.model, n.name, h.sequence, h.recorded_at,
    case when h.bracketed then marketplace_projection.possible(h.not_before, h.not_after)
      else tstzrange(h.recorded_at, h.recorded_at, '[]') end,
    h.kind, h.version, h.what
  from (
    select o.model, o.registered_sequence as sequence, o.registered_at as recorded_at, true as bracketed,
      -- the bracket of the registration is that of the spell it began, wherever that is kept now
      case when o.from_sequence = o.registered_sequence then o.from_not_before else c.from_not_before end as not_before,
      case when o.from_sequence = o.registered_sequence then o.from_not_after else c.from_not_after end as not_after,
      'registered' as kind, o.version, format('v%s registered', o.version) as what
    from marketplace_projection.model_version o
    left join marketplace_projection.stage_closed c on c.workspace = _workspace
      and c.from_sequence = o.registered_sequence and c.model = o.model and c.version = o.version
    where o.workspace = _workspace and o.registered_sequence is not null
    union all
    select o.model, o.from_sequence, o.from_recorded_at, true, o.from_not_before, o.from_not_after,
      case when o.stage is null then 'deleted' else 'stage' end, o.version,
      case when o.stage is null then format('v%s deleted', o.version) else format('v%s → %s', o.version, o.stage) end
    from marketplace_projection.model_version o
    where o.workspace = _workspace and o.from_sequence is distinct from o.registered_sequence
    union all
    select c.model, c.from_sequence, c.from_recorded_at, true, c.from_not_before, c.from_not_after,
      case when c.stage is null then 'deleted' else 'stage' end, c.version,
      case when c.stage is null then format('v%s deleted', c.version) else format('v%s → %s', c.version, c.stage) end
    from marketplace_projection.stage_closed c
    where c.workspace = _workspace and not exists (
      select from marketplace_projection.model_version o
      where o.workspace = _workspace and o.model = c.model and o.version = c.version and o.created = c.created
        and o.registered_sequence = c.from_sequence)
    union all
    select s.model, s.from_sequence, s.from_recorded_at, true, s.from_not_before, s.from_not_after, 'alias', s.version,
      case when s.version is null then format('%s removed', s.alias) else format('%s → v%s', s.alias, s.version) end
    from (
      select o.model, o.alias, o.version, o.from_sequence, o.from_recorded_at, o.from_not_before, o.from_not_after
      from marketplace_projection.model_alias o where o.workspace = _workspace
      union all
      select c.model, c.alias, c.version, c.from_sequence, c.from_recorded_at, c.from_not_before, c.from_not_after
      from marketplace_projection.alias_closed c where c.workspace = _workspace
    ) s
    union all
    select s.model, s.from_sequence, s.from_recorded_at, true, s.from_not_before, s.from_not_after, 'current', s.version,
      case when s.version is null then 'no version is current' else format('v%s is current', s.version) end
    from (
      select o.model, o.version, o.from_sequence, o.from_recorded_at, o.from_not_before, o.from_not_after
      from marketplace_projection.current_version o where o.workspace = _workspace
      union all
      select c.model, c.version, c.from_sequence, c.from_recorded_at, c.from_not_before, c.from_not_after
      from marketplace_projection.current_closed c where c.workspace = _workspace
    ) s
    union all
    select s.model, s.from_sequence, s.from_recorded_at, true, s.from_not_before, s.from_not_after, 'renamed', null,
      format('renamed to %s', s.name)
    from (
      select o.model, o.name, o.from_sequence, o.from_recorded_at, o.from_not_before, o.from_not_after
      from marketplace_projection.model o
      where o.workspace = _workspace and o.from_sequence > o.first_sequence
      union all
      select c.model, c.name, c.from_sequence, c.from_recorded_at, c.from_not_before, c.from_not_after
      from marketplace_projection.model_closed c
      join marketplace_projection.model o on o.workspace = _workspace and o.model = c.model
      where c.workspace = _workspace and c.from_sequence > o.first_sequence
    ) s
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'exported', o.version,
      format('v%s exported: %s files, %s bytes', o.version, o.files, o.bytes)
    from marketplace_projection.export o where o.workspace = _workspace
    union all
    select o.model, o.invalidated_sequence, o.invalidated_at, false, null, null, 'export invalidated', o.version,
      format('the export of v%s was found unusable: %s', o.version, o.invalidated_reason)
    from marketplace_projection.export o where o.workspace = _workspace and o.invalidated_sequence is not null
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'export failed', o.version,
      format('v%s was not exported (%s): %s', o.version, o.code, o.message)
    from marketplace_projection.export_failure o where o.workspace = _workspace
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'imported', o.version,
      format('v%s imported as %s version %s', o.version, o.marketplace_name, o.marketplace_version)
    from marketplace_projection.import o where o.workspace = _workspace
    union all
    select o.model, o.lost_sequence, o.lost_at, false, null, null, 'import lost', o.version,
      format('%s version %s was lost from the marketplace: %s', o.marketplace_name, o.marketplace_version, o.lost_reason)
    from marketplace_projection.import o where o.workspace = _workspace and o.lost_sequence is not null
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'import failed', o.version,
      format('v%s was not imported (%s): %s', o.version, o.code, o.message)
    from marketplace_projection.import_failure o where o.workspace = _workspace
    union all
    select s.model, s.from_sequence, s.from_recorded_at, false, null, null, 'available', s.version,
      case when s.marketplace_version is null then format('%s: no version can be loaded (%s)', s.marketplace_name, s.cause)
        else format('%s version %s can be loaded (%s)', s.marketplace_name, s.marketplace_version, s.cause) end
    from (
      select o.model, o.marketplace_name, o.marketplace_version, o.version, o.cause, o.from_sequence, o.from_recorded_at
      from marketplace_projection.promotion o where o.workspace = _workspace
      union all
      select c.model, c.marketplace_name, c.marketplace_version, c.version, c.cause, c.from_sequence, c.from_recorded_at
      from marketplace_projection.promotion_closed c where c.workspace = _workspace
    ) s
    union all
    select o.model, o.sequence, o.recorded_at, false, null, null, 'drift', null,
      format('%s was changed by hand (%s): found %s, expected %s', o.marketplace_name, o.kind, coalesce(o.found, 'none'),
        coalesce(o.expected, 'none'))
    from marketplace_projection.drift o where o.workspace = _workspace
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
  where h.sequence <= _at
$$;
