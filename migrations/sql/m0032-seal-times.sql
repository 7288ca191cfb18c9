-- When positions were given is signed with them, so it comes back with events that were lost; and this database remembers how
-- far its log was published, so that an empty store is not taken for a new one.
set local role ledger_owner;

create table ledger.publication (
  origin text collate "C" primary key,
  size bigint not null check (size >= 0),
  published_at timestamptz not null default clock_timestamp()
);
comment on table ledger.publication is 'How far each log was published from here: what its store has to have. Not part of the history.';
comment on column ledger.publication.origin is 'Name of the log.';
comment on column ledger.publication.size is 'Events that its newest checkpoint holds.';
comment on column ledger.publication.published_at is 'When that was written.';

create function ledger.note_publication(_origin text, _size bigint) returns void
language sql security definer
set search_path to pg_catalog, pg_temp
as $$
  insert into ledger.publication (origin, size) values (_origin, _size)
  on conflict (origin) do update set size = excluded.size, published_at = excluded.published_at
  where publication.size <> excluded.size
$$;
comment on function ledger.note_publication(text, bigint) is 'Remembers how far a log was published.';
revoke execute on function ledger.note_publication(text, bigint) from public;
grant execute on function ledger.note_publication(text, bigint) to ledger_sealer;
grant select on ledger.publication to ledger_sealer, ledger_auditor;

do $$
declare
  _text text := pg_get_functiondef('ledger.recover(text[], bytea[], text[])'::regprocedure);
begin
  _text := replace(_text, '_leaves text[], _salts bytea[], _data text[])', '_leaves text[], _salts bytea[], _data text[], _sealed_at timestamp with time zone DEFAULT NULL)');
  _text := replace(_text, 'greatest(max(r.recorded_at), _at + interval ''1 microsecond'')',
    'greatest(coalesce(_sealed_at, max(r.recorded_at)), _at + interval ''1 microsecond'')');
  _text := replace(_text, '-- when it was sealed is not in the log; it was after its last event was recorded', '-- unless a checkpoint says when: after its last event was recorded');
  if _text not like '%_sealed_at timestamp with time zone DEFAULT NULL)%coalesce(_sealed_at, max(r.recorded_at))%' then
    raise exception 'ledger.recover is not as m0028 left it';
  end if;
  drop function ledger.recover(text[], bytea[], text[]);
  execute _text;
end $$;
comment on function ledger.recover(text[], bytea[], text[], timestamptz) is
  'Takes back sealed events that this database has lost: their leaves, salts and data, in the order of their positions, from the first that is missing on, and when they got them, if that is known. Returns the last position. Projections of their workspaces are stale until rebuilt. Salt and data are null where they were redacted.';
revoke execute on function ledger.recover(text[], bytea[], text[], timestamptz) from public;

-- A model's history tells also what its owner says of it: each change, with what was said before.
create function marketplace_projection.words_of(_text text) returns text language sql immutable as $$
  select case when _text is null then 'nothing' when length(_text) > 200 then '"' || left(_text, 200) || '…"' else '"' || _text || '"' end
$$;
comment on function marketplace_projection.words_of(text) is 'A value within a line of history: short, and told from what surrounds it.';
grant execute on function marketplace_projection.words_of(text) to marketplace_analyst, marketplace_reader, ledger_auditor, ledger_service;
comment on column marketplace.model_history.kind is 'registered, renamed, described, stage, alias, deleted, current, exported, export failed, export invalidated, imported, import failed, import lost, available, or drift.';
select ledger.change_function('marketplace_projection.model_history_of(text,bigint)', $from$  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
  where h.sequence <= _at$from$, $to$    union all
    select d.model, d.sequence, d.recorded_at, false, null, null, 'described', nullif(d.version, 0),
      case when d.version = 0 then '' else format('v%s: ', d.version) end || c.what
    from (
      select o.*, lag(o.sequence) over w as before_sequence, lag(o.description) over w as before_description, lag(o.owner) over w as before_owner,
        lag(o.tags::text) over w as before_tags, lag(o.flavors) over w as before_flavors, lag(o.signature::text) over w as before_signature,
        lag(o.metrics::text) over w as before_metrics, lag(o.params::text) over w as before_params,
        lag(o.run_name) over w as before_run_name, lag(o.experiment) over w as before_experiment
      from marketplace_projection.description o
      where o.workspace = _workspace
      window w as (partition by o.model, o.version order by o.sequence)
    ) d
    cross join lateral (
      select string_agg(format('%s %s → %s', f.field, marketplace_projection.words_of(f.before), marketplace_projection.words_of(f.after)), '; '
        order by f.nth) as what
      from (values
        (1, 'description', d.before_description, d.description), (2, 'owner', d.before_owner, d.owner), (3, 'tags', d.before_tags, d.tags::text),
        (4, 'flavours', array_to_string(d.before_flavors, ', '), array_to_string(d.flavors, ', ')),
        (5, 'signature', d.before_signature, d.signature::text), (6, 'metrics', d.before_metrics, d.metrics::text),
        (7, 'parameters', d.before_params, d.params::text), (8, 'run', d.before_run_name, d.run_name),
        (9, 'experiment', d.before_experiment, d.experiment)) f (nth, field, before, after)
      where f.before is distinct from f.after
    ) c
    where d.before_sequence is not null and c.what is not null
  ) h
  left join marketplace_projection.names_of(_workspace, _at) n on n.model = h.model
  where h.sequence <= _at$to$);
