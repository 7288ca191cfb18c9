-- What was so at a time at the sources, by everything that is known today: the question an auditor asks.
set local role ledger_owner;

create function marketplace.in_production_at(_at timestamptz)
returns table (
  workspace text, model uuid, name text, version bigint, created timestamptz, answer text, certain tstzrange,
  possible tstzrange, reason text, from_sequence bigint, to_sequence bigint)
language sql stable as $$
  select h.workspace, h.model, h.name, h.version, h.created,
    case when h.certain @> _at then 'certain' else 'possible' end, h.certain, h.possible,
    case
      when h.certain @> _at then null
      when h.to_sequence is null and h.from_sequence <= b.sequence and _at >= b.observed_to then
        format('so when the workspace was last read, until %s', b.observed_to)
      else 'the change lies between two observations, and so does this time'
    end,
    h.from_sequence, h.to_sequence
  from marketplace.production_history h
  left join lateral (
    select o.observed_to, o.sequence
    from marketplace_projection.observation o
    where o.workspace = h.workspace and o.complete
    order by o.sequence desc limit 1
  ) b on true
  where h.possible @> _at
  union all
  -- where nobody had looked, nothing that was seen excludes what was not
  select w.workspace, null, null, null, null, 'unknown', null, null,
    case
      when w.observed_to is null then 'the workspace was never read completely'
      when _at >= w.observed_to then format('the workspace was last read completely until %s', w.observed_to)
      else format('the workspace was first read completely from %s', f.observed_from)
    end,
    null, null
  from marketplace.workspaces w
  left join lateral (
    select o.observed_from
    from marketplace_projection.observation o
    where o.workspace = w.workspace and o.complete
    order by o.sequence limit 1
  ) f on true
  where (w.observed_to is null or _at >= w.observed_to or _at < f.observed_from)
    -- a disconnected workspace promotes nothing, read or not
    and not (w.state = 'disconnected' and _at >= (
      select max(c.recorded_at) from marketplace_projection.connection c
      where c.workspace = w.workspace and not c.connected))
$$;
comment on function marketplace.in_production_at(timestamptz) is
  'Which version each source meant at this time, by what is known today. answer is certain, or possible: the time lies between the two observations that bracket a change, or after the last reading. A row with answer unknown and no model says that the workspace was not read around then, so that there may have been others; no such row and no model means no.';

-- The tables are read through the views, which read them as whoever asks.
grant usage on schema marketplace, marketplace_projection to marketplace_analyst, ledger_auditor, ledger_service;
grant select on all tables in schema marketplace, marketplace_projection
  to marketplace_analyst, ledger_auditor, ledger_service;
grant execute on all functions in schema marketplace to marketplace_analyst, ledger_auditor, ledger_service;
grant execute on function
  marketplace_projection.newest(), marketplace_projection.time_of(bigint),
  marketplace_projection.certain(timestamptz, timestamptz), marketplace_projection.possible(timestamptz, timestamptz),
  marketplace_projection.name_of(text, uuid, bigint), marketplace_projection.names_of(text, bigint),
  marketplace_projection.current_of(text, uuid, bigint), marketplace_projection.observed_to_of(text, bigint),
  marketplace_projection.stage_history_of(text, bigint), marketplace_projection.alias_history_of(text, bigint),
  marketplace_projection.production_history_of(text, bigint),
  marketplace_projection.availability_history_of(text, bigint),
  marketplace_projection.model_history_of(text, bigint), marketplace_projection.model_versions_of(text, bigint),
  marketplace_projection.export_summary_of(text, bigint), marketplace_projection.import_summary_of(text, bigint),
  marketplace_projection.workspaces_of(text, bigint),
  marketplace_projection.catalog_texts(text, uuid, bigint, bigint, bigint, bigint)
  to marketplace_analyst, ledger_auditor, ledger_service;
