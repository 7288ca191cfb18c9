-- Evaluation results of a nightly job, and a leaderboard of them. Run once by an administrator; then the job, logged in as
-- acme_nightly, appends:  marketplace events append dev01 --from results.ndjson
create schema acme;
grant usage on schema acme to ledger_owner, marketplace_analyst;
select ledger.register_event_type('acme.Evaluated', 1::smallint, 'A model version was evaluated on a data set.');
select ledger.set_event_schema('acme.Evaluated', 1::smallint, '{"type": "object", "additionalProperties": false,
  "required": ["model", "version", "dataset", "auc"], "properties": {"model": {"type": "string", "minLength": 1},
    "version": {"type": "integer", "minimum": 1}, "dataset": {"type": "string"}, "auc": {"type": "number", "minimum": 0, "maximum": 1}}}');
create role acme_nightly login in role ledger_writer;
select ledger.grant_append('acme_nightly', '*', 'acme.');

create table acme.evaluation (workspace text, model text, version bigint, dataset text, auc numeric, evaluated_at timestamptz,
  sequence bigint, primary key (workspace, model, version, dataset));
grant select, insert, update, delete on acme.evaluation to ledger_owner;
create function acme.apply(_workspace text, _first bigint, _last bigint) returns void language sql as $$
  insert into acme.evaluation
  select distinct on (d.model, d.version, d.dataset) e.workspace, d.model, d.version, d.dataset, d.auc,
    coalesce(e.occurred_at, e.recorded_at), e.sequence
  from ledger.event e, json_to_record(e.data) d (model text, version bigint, dataset text, auc numeric)
  where e.workspace = _workspace and e.sequence between _first and _last and e.type = 'acme.Evaluated' and e.data is not null
  order by d.model, d.version, d.dataset, e.sequence desc
  on conflict (workspace, model, version, dataset)
    do update set auc = excluded.auc, evaluated_at = excluded.evaluated_at, sequence = excluded.sequence
$$;
create function acme.reset(_workspace text) returns void language sql as 'delete from acme.evaluation where workspace = _workspace';
grant execute on function acme.apply(text, bigint, bigint), acme.reset(text) to ledger_owner;
select ledger.register_projection('leaderboard', 'acme.apply(text,bigint,bigint)', 'acme.reset(text)', array['acme.Evaluated'],
  array['acme.evaluation'], 'The newest result of each model version on each data set.');

create view acme.leaderboard as
select rank() over (partition by dataset order by auc desc) as place, * from acme.evaluation;
grant select on acme.leaderboard to marketplace_analyst;
