-- The rows of the projections, computed from the events in the plainest way: one statement or two for each table, over
-- all workspaces at once. It knows the mix: one rule for each workspace, no aliases, no renames, one generation, no
-- failures. The projections know none of that.
insert into bare.connection
select e.workspace, e.sequence, e.recorded_at, true, r.registry, r.kind, r.mlflow_workspace, p.aliases, p.stages, null
from ledger.event e
cross join json_to_record(e.data) as r (registry text, kind text, mlflow_workspace text, promoted json)
cross join json_to_record(r.promoted) as p (aliases text[], stages text[])
where e.type = 'WorkspaceConnected';

insert into bare.observation
select e.workspace, e.sequence, e.recorded_at, r.outcome = 'complete', r.reason, r.message, r.models, r.versions, r.changes,
  marketplace_projection.time_of(r.observed_from), marketplace_projection.time_of(r.observed_to)
from ledger.event e
cross join json_to_record(e.data) as r (outcome text, reason text, message text, models bigint, versions bigint,
  changes bigint, observed_from bigint, observed_to bigint)
where e.type = 'WorkspaceObserved';

with said as materialized (
  select e.workspace, e.sequence, e.recorded_at, e.type, r.model, r.name, r.model_created, r.version, r.created, r.source,
    r.run_id, r.model_id, case e.type when 'ModelVersionRegistered' then 'None' else r."to" end as stage,
    marketplace_projection.time_of(r.not_before) as b, marketplace_projection.time_of(r.not_after) as a
  from ledger.event e
  cross join json_to_record(e.data) as r (model uuid, name text, model_created bigint, version bigint, created bigint,
    source text, run_id text, model_id text, "to" text, not_before bigint, not_after bigint)
  where e.type in ('ModelVersionRegistered', 'StageTransitioned')),
state as materialized (
  select s.*, lead(s.sequence) over k as next_sequence, lead(s.recorded_at) over k as next_recorded_at,
    lead(s.b) over k as next_b, lead(s.a) over k as next_a,
    first_value(s.sequence) over k as registered_sequence, first_value(s.recorded_at) over k as registered_at,
    first_value(s.source) over k as registered_source, first_value(s.run_id) over k as registered_run_id,
    first_value(s.model_id) over k as registered_model_id
  from said s window k as (partition by s.workspace, s.model, s.version, s.created order by s.sequence)),
named as (
  insert into bare.model
  select distinct on (s.workspace, s.model) s.workspace, s.model, s.name, s.model_created, s.sequence, s.recorded_at,
    s.sequence, s.recorded_at, s.b, s.a
  from said s where s.type = 'ModelVersionRegistered' order by s.workspace, s.model, s.sequence),
shut as (
  insert into bare.stage_closed
  select workspace, next_sequence, model, version, created, stage, sequence, recorded_at, b, a, null, next_recorded_at, next_b,
    next_a, null
  from state where next_sequence is not null)
insert into bare.model_version
select workspace, model, version, created, stage, sequence, recorded_at, b, a, null, registered_sequence, registered_at,
  registered_source, registered_run_id, registered_model_id
from state where next_sequence is null;

with spell as materialized (
  select workspace, model, version, created, from_sequence, from_recorded_at, from_not_before, from_not_after, to_sequence,
    to_recorded_at, to_not_before, to_not_after
  from bare.stage_closed where stage = 'Production'
  union all
  select workspace, model, version, created, from_sequence, from_recorded_at, from_not_before, from_not_after, null, null, null,
    null
  from bare.model_version where stage = 'Production'),
point as (
  select workspace, model, from_sequence as sequence, from_recorded_at as recorded_at, from_not_before as b, from_not_after as a
  from spell
  union
  select workspace, model, to_sequence, to_recorded_at, to_not_before, to_not_after from spell where to_sequence is not null),
meant as (
  select distinct on (p.workspace, p.model, p.sequence) p.*, s.version, s.created
  from point p
  left join spell s on s.workspace = p.workspace and s.model = p.model and s.from_sequence <= p.sequence
    and (s.to_sequence is null or p.sequence < s.to_sequence)
  order by p.workspace, p.model, p.sequence, s.version desc, s.created desc),
changed as (
  select x.*, lead(x.sequence) over k as next_sequence, lead(x.recorded_at) over k as next_recorded_at,
    lead(x.b) over k as next_b, lead(x.a) over k as next_a
  from (select m.*, lag(m.version) over w as version_before, lag(m.created) over w as created_before
    from meant m window w as (partition by m.workspace, m.model order by m.sequence)) x
  where (x.version, x.created) is distinct from (x.version_before, x.created_before)
  window k as (partition by x.workspace, x.model order by x.sequence)),
shut as (
  insert into bare.current_closed
  select workspace, model, next_sequence, version, created, 'StageTransitioned', sequence, recorded_at, b, a,
    'StageTransitioned', next_recorded_at, next_b, next_a
  from changed where next_sequence is not null)
insert into bare.current_version
select workspace, model, version, created, 'StageTransitioned', sequence, recorded_at, b, a
from changed where next_sequence is null;

insert into bare.description
select e.workspace, r.model, coalesce(r.version, 0), e.sequence, e.recorded_at, r.description, r.owner, r.tags, r.flavors,
  r.signature, r.metrics, r.params, r.run_name, r.experiment
from ledger.event e
cross join json_to_record(e.data) as r (model uuid, version bigint, description text, owner text, tags json, flavors text[],
  signature json, metrics json, params json, run_name text, experiment text)
where e.type = 'ModelDescribed';

insert into bare.export
select e.workspace, r.model, r.version, e.sequence, e.recorded_at, r.created, r.generation, r.export_id, r.uri,
  r.manifest_sha256, r.model_sha256, r.files, r.bytes, e.run, e.principal
from ledger.event e
cross join json_to_record(e.data) as r (model uuid, version bigint, created bigint, generation bigint, export_id uuid, uri text,
  manifest_sha256 text, model_sha256 text, files bigint, bytes bigint)
where e.type = 'ModelExported';

insert into bare.import
select e.workspace, r.model, r.version, e.sequence, e.recorded_at, r.created, r.generation, r.export_id, r.target,
  r.marketplace_name, r.marketplace_version, r.marketplace_run_id, r.manifest_sha256, e.run, e.principal
from ledger.event e
cross join json_to_record(e.data) as r (model uuid, version bigint, created bigint, generation bigint, export_id uuid,
  target text, marketplace_name text, marketplace_version bigint, marketplace_run_id text, manifest_sha256 text)
where e.type = 'ModelImported';

with state as materialized (
  select e.workspace, e.sequence, e.recorded_at, r.model, r.target, r.marketplace_name, r."to", r.version, r.cause,
    lead(e.sequence) over k as next_sequence, lead(e.recorded_at) over k as next_recorded_at, lead(r.cause) over k as next_cause
  from ledger.event e
  cross join json_to_record(e.data) as r (model uuid, target text, marketplace_name text, "to" bigint, version bigint,
    cause text)
  where e.type = 'MarketplacePromotionSet'
  window k as (partition by e.workspace, r.model, r.target order by e.sequence)),
shut as (
  insert into bare.promotion_closed
  select workspace, model, next_sequence, target, marketplace_name, "to", version, cause, sequence, recorded_at, next_cause,
    next_recorded_at
  from state where next_sequence is not null)
insert into bare.promotion
select workspace, model, target, marketplace_name, "to", version, cause, sequence, recorded_at
from state where next_sequence is null;
