-- What analysts read: the contract. Columns are added at the end, never renamed or dropped under the same name.
-- Every row names the event it rests on, so that an auditor can look it up in ledger.events.
set local role ledger_owner;

comment on schema marketplace is
  'The model marketplace in SQL: catalog, histories and summaries, derived from the ledger. Beside each view X stands X_at(position) and X_at(time): what was known then, the same for ever.';

create view marketplace.catalog as
select c.workspace, c.model, c.name, c.marketplace_name, c.target, c.version, c.source_version,
  marketplace_projection.time_of(c.source_created) as source_created, c.available_version, c.marketplace_version,
  c.state, c.reason, c.since, t.description, t.owner, t.tags, t.version_description, t.flavors, t.signature,
  t.export_id, t.uri, t.manifest_sha256, t.model_sha256, t.files, t.bytes, c.sequence, c.recorded_at
from marketplace_projection.catalog c
cross join lateral marketplace_projection.catalog_texts(
  c.workspace, c.model, c.version, c.described_sequence, c.version_described_sequence, c.export_sequence) t
where c.state <> 'withdrawn';
comment on view marketplace.catalog is
  'What the sources mean and what can be loaded: one row for each model that its source promotes or the marketplace still shows.';
comment on column marketplace.catalog.workspace is 'The workspace: the source registry.';
comment on column marketplace.catalog.model is 'Incarnation of the model: survives a rename, ends with a deletion.';
comment on column marketplace.catalog.name is 'Name of the model at the source.';
comment on column marketplace.catalog.marketplace_name is 'Name of the model in the marketplace; null until its first import.';
comment on column marketplace.catalog.target is 'The marketplace registry that moved last for this model; null until its first import.';
comment on column marketplace.catalog.version is 'The version this row describes, by its number at the source: the one that can be loaded, or while there is none, the one the source means.';
comment on column marketplace.catalog.source_version is 'source_current: the version the source means now, rollbacks included; null when it promotes none.';
comment on column marketplace.catalog.source_created is 'When that version was created at the source.';
comment on column marketplace.catalog.available_version is 'The version that can be loaded from the marketplace, by its number at the source; null when none can.';
comment on column marketplace.catalog.marketplace_version is 'Number of that version in the marketplace.';
comment on column marketplace.catalog.state is 'available: what the source means can be loaded. pending: not yet. failed: not, and the last attempt failed. superseded, successor pending (or failed): an earlier version stays loadable until the source''s is. withdrawal pending: still shown, though the source promotes none.';
comment on column marketplace.catalog.reason is 'Why source_version and available_version differ, in words; null when they agree.';
comment on column marketplace.catalog.since is 'Since when this is so: when the event that made it so was recorded.';
comment on column marketplace.catalog.description is 'What the source says about the model.';
comment on column marketplace.catalog.owner is 'Who owns the model, as the source says.';
comment on column marketplace.catalog.tags is 'Tags of the model at the source.';
comment on column marketplace.catalog.version_description is 'What the source says about the version.';
comment on column marketplace.catalog.flavors is 'Flavours that the version can be loaded as.';
comment on column marketplace.catalog.signature is 'Inputs, outputs and parameters of the version.';
comment on column marketplace.catalog.export_id is 'The export that holds the version''s bytes: the one it was imported from, or the one it will be.';
comment on column marketplace.catalog.uri is 'Where that export lies on external storage.';
comment on column marketplace.catalog.manifest_sha256 is 'SHA-256 of its manifest, which names every file with size and SHA-256.';
comment on column marketplace.catalog.model_sha256 is 'SHA-256 over the model''s files, as the manifest states it.';
comment on column marketplace.catalog.files is 'How many files it has.';
comment on column marketplace.catalog.bytes is 'How many bytes they have.';
comment on column marketplace.catalog.sequence is 'Sequence in the workspace of the newest event this row rests on.';
comment on column marketplace.catalog.recorded_at is 'When that event was recorded, by the clock of the server.';

create view marketplace.stage_history as
select h.workspace, h.model, h.name, h.version, h.created, h.stage, h.from_sequence, h.to_sequence,
  h.from_recorded_at, h.to_recorded_at, h.certain, h.possible, h.source_time
from ledger.workspace w
cross join lateral marketplace_projection.stage_history_of(w.workspace, marketplace_projection.newest()) h;
comment on view marketplace.stage_history is
  'Which version was in which stage when, as far as observations tell. A deleted version is in none. One row for each spell.';
comment on column marketplace.stage_history.workspace is 'The workspace: the source registry.';
comment on column marketplace.stage_history.model is 'Incarnation of the model: survives a rename, ends with a deletion.';
comment on column marketplace.stage_history.name is 'Name of the model at the source.';
comment on column marketplace.stage_history.version is 'Number of the version at the source.';
comment on column marketplace.stage_history.created is 'When the version was created at the source; with its number it is the version''s identity.';
comment on column marketplace.stage_history.stage is 'The stage. A version begins in None.';
comment on column marketplace.stage_history.from_sequence is 'The event that began the spell.';
comment on column marketplace.stage_history.to_sequence is 'The event that ended it; null while it lasts.';
comment on column marketplace.stage_history.from_recorded_at is 'When its beginning was recorded.';
comment on column marketplace.stage_history.to_recorded_at is 'When its end was recorded; null while it lasts.';
comment on column marketplace.stage_history.certain is 'When it was certainly so: from the observation that first saw it to the last that still did. While it lasts, until the end of the last complete observation.';
comment on column marketplace.stage_history.possible is 'When it may have been so: from the last observation before it to the first after it. Unbounded below when nothing was observed before, and above while it lasts.';
comment on column marketplace.stage_history.source_time is 'The source''s own time for the beginning, where it says one: a hint.';

create view marketplace.alias_history as
select h.workspace, h.model, h.name, h.alias, h.version, h.created, h.from_sequence, h.to_sequence,
  h.from_recorded_at, h.to_recorded_at, h.certain, h.possible
from ledger.workspace w
cross join lateral marketplace_projection.alias_history_of(w.workspace, marketplace_projection.newest()) h;
comment on view marketplace.alias_history is
  'Which version an alias pointed at when, as far as observations tell. One row for each spell.';
comment on column marketplace.alias_history.workspace is 'The workspace: the source registry.';
comment on column marketplace.alias_history.model is 'Incarnation of the model: survives a rename, ends with a deletion.';
comment on column marketplace.alias_history.name is 'Name of the model at the source.';
comment on column marketplace.alias_history.alias is 'The alias.';
comment on column marketplace.alias_history.version is 'Number of the version it pointed at.';
comment on column marketplace.alias_history.created is 'When the version was created at the source; with its number it is the version''s identity.';
comment on column marketplace.alias_history.from_sequence is 'The event that began the spell.';
comment on column marketplace.alias_history.to_sequence is 'The event that ended it; null while it lasts.';
comment on column marketplace.alias_history.from_recorded_at is 'When its beginning was recorded.';
comment on column marketplace.alias_history.to_recorded_at is 'When its end was recorded; null while it lasts.';
comment on column marketplace.alias_history.certain is 'When it was certainly so, as in stage_history.';
comment on column marketplace.alias_history.possible is 'When it may have been so, as in stage_history.';

create view marketplace.production_history as
select h.workspace, h.model, h.name, h.version, h.created, h.from_sequence, h.to_sequence,
  h.from_recorded_at, h.to_recorded_at, h.certain, h.possible, h.began_by, h.ended_by
from ledger.workspace w
cross join lateral marketplace_projection.production_history_of(w.workspace, marketplace_projection.newest()) h;
comment on view marketplace.production_history is
  'Which version the source meant when: the one promoted version under the workspace''s rule, from stages and aliases together. One row for each spell.';
comment on column marketplace.production_history.workspace is 'The workspace: the source registry.';
comment on column marketplace.production_history.model is 'Incarnation of the model: survives a rename, ends with a deletion.';
comment on column marketplace.production_history.name is 'Name of the model at the source.';
comment on column marketplace.production_history.version is 'Number of the version at the source.';
comment on column marketplace.production_history.created is 'When the version was created at the source; with its number it is the version''s identity.';
comment on column marketplace.production_history.from_sequence is 'The event that began the spell.';
comment on column marketplace.production_history.to_sequence is 'The event that ended it; null while it lasts.';
comment on column marketplace.production_history.from_recorded_at is 'When its beginning was recorded.';
comment on column marketplace.production_history.to_recorded_at is 'When its end was recorded; null while it lasts.';
comment on column marketplace.production_history.certain is 'When it was certainly so, as in stage_history.';
comment on column marketplace.production_history.possible is 'When it may have been so, as in stage_history.';
comment on column marketplace.production_history.began_by is 'Type of the event that began it.';
comment on column marketplace.production_history.ended_by is 'Type of the event that ended it; null while it lasts.';

create view marketplace.availability_history as
select h.workspace, h.model, h.name, h.target, h.marketplace_name, h.marketplace_version, h.version,
  h.from_sequence, h.to_sequence, h.from_recorded_at, h.to_recorded_at, h.began_by, h.ended_by
from ledger.workspace w
cross join lateral marketplace_projection.availability_history_of(w.workspace, marketplace_projection.newest()) h;
comment on view marketplace.availability_history is
  'Which version could be loaded from the marketplace when. One row for each spell.';
comment on column marketplace.availability_history.workspace is 'The workspace: the source registry.';
comment on column marketplace.availability_history.model is 'Incarnation of the model: survives a rename, ends with a deletion.';
comment on column marketplace.availability_history.name is 'Name of the model at the source.';
comment on column marketplace.availability_history.target is 'The marketplace registry.';
comment on column marketplace.availability_history.marketplace_name is 'Name of the model in the marketplace.';
comment on column marketplace.availability_history.marketplace_version is 'Number of the version in the marketplace.';
comment on column marketplace.availability_history.version is 'Number of the version at the source.';
comment on column marketplace.availability_history.from_sequence is 'The event that began the spell.';
comment on column marketplace.availability_history.to_sequence is 'The event that ended it; null while it lasts.';
comment on column marketplace.availability_history.from_recorded_at is 'When its beginning was recorded.';
comment on column marketplace.availability_history.to_recorded_at is 'When its end was recorded; null while it lasts.';
comment on column marketplace.availability_history.began_by is 'Why it began: promotion, rollback, or drift put back.';
comment on column marketplace.availability_history.ended_by is 'Why it ended: promotion, rollback, withdrawal, drift, or lost (the version vanished from the marketplace); null while it lasts.';

create view marketplace.model_history as
select h.workspace, h.model, h.name, h.sequence, h.recorded_at, h.happened, h.kind, h.version, h.what
from ledger.workspace w
cross join lateral marketplace_projection.model_history_of(w.workspace, marketplace_projection.newest()) h;
comment on view marketplace.model_history is
  'What happened to a model, in the order in which it was recorded: one line for each thing that an event said or brought about.';
comment on column marketplace.model_history.workspace is 'The workspace: the source registry.';
comment on column marketplace.model_history.model is 'Incarnation of the model: survives a rename, ends with a deletion.';
comment on column marketplace.model_history.name is 'Name of the model at the source.';
comment on column marketplace.model_history.sequence is 'The event.';
comment on column marketplace.model_history.recorded_at is 'When that event was recorded, by the clock of the server.';
comment on column marketplace.model_history.happened is 'When it happened: between these two observations, or at this moment. Unbounded below when nothing was observed before.';
comment on column marketplace.model_history.kind is 'registered, renamed, stage, alias, deleted, current, exported, export failed, export invalidated, imported, import failed, import lost, available, or drift.';
comment on column marketplace.model_history.version is 'The version it is about, by its number at the source; null when it is about none.';
comment on column marketplace.model_history.what is 'What happened, in words.';

create view marketplace.model_versions as
select h.workspace, h.model, h.name, h.version, h.created, h.stage, h.aliases, h.deleted, h.current,
  h.source, h.run_id, h.model_id, h.description, h.owner, h.tags, h.flavors, h.signature, h.metrics,
  h.params, h.run_name, h.experiment, h.registered_sequence, h.registered_at, h.sequence, h.recorded_at
from ledger.workspace w
cross join lateral marketplace_projection.model_versions_of(w.workspace, marketplace_projection.newest()) h;
comment on view marketplace.model_versions is
  'Every version that was ever registered: where it stands now and what the source says about it.';
comment on column marketplace.model_versions.workspace is 'The workspace: the source registry.';
comment on column marketplace.model_versions.model is 'Incarnation of the model: survives a rename, ends with a deletion.';
comment on column marketplace.model_versions.name is 'Name of the model at the source.';
comment on column marketplace.model_versions.version is 'Number of the version at the source.';
comment on column marketplace.model_versions.created is 'When the version was created at the source; with its number it is the version''s identity.';
comment on column marketplace.model_versions.stage is 'The stage it is in; null when it is deleted.';
comment on column marketplace.model_versions.aliases is 'Aliases that point at it.';
comment on column marketplace.model_versions.deleted is 'Whether it was deleted at the source.';
comment on column marketplace.model_versions.current is 'Whether it is the one the source means.';
comment on column marketplace.model_versions.source is 'Where the source says its model files come from.';
comment on column marketplace.model_versions.run_id is 'The source''s run that made it.';
comment on column marketplace.model_versions.model_id is 'The source''s logged model.';
comment on column marketplace.model_versions.description is 'What the source says about it.';
comment on column marketplace.model_versions.owner is 'Who owns it, as the source says.';
comment on column marketplace.model_versions.tags is 'Its tags at the source.';
comment on column marketplace.model_versions.flavors is 'Flavours that it can be loaded as.';
comment on column marketplace.model_versions.signature is 'Its inputs, outputs and parameters.';
comment on column marketplace.model_versions.metrics is 'Metrics of its run.';
comment on column marketplace.model_versions.params is 'Parameters of its run.';
comment on column marketplace.model_versions.run_name is 'Name of its run.';
comment on column marketplace.model_versions.experiment is 'Name of its experiment.';
comment on column marketplace.model_versions.registered_sequence is 'The event that registered it.';
comment on column marketplace.model_versions.registered_at is 'When that was recorded.';
comment on column marketplace.model_versions.sequence is 'Sequence in the workspace of the newest event this row rests on.';
comment on column marketplace.model_versions.recorded_at is 'When that event was recorded, by the clock of the server.';

create view marketplace.export_summary as
select h.workspace, h.model, h.name, h.version, h.created, h.generation, h.state, h.reason, h.retriable,
  h.export_id, h.uri, h.manifest_sha256, h.model_sha256, h.files, h.bytes, h.invalidated_sequence,
  h.invalidated_at, h.run, h.principal, h.sequence, h.recorded_at
from ledger.workspace w
cross join lateral marketplace_projection.export_summary_of(w.workspace, marketplace_projection.newest()) h;
comment on view marketplace.export_summary is
  'Every export that was ever made, and the open failures: versions whose last attempt failed.';
comment on column marketplace.export_summary.workspace is 'The workspace: the source registry.';
comment on column marketplace.export_summary.model is 'Incarnation of the model: survives a rename, ends with a deletion.';
comment on column marketplace.export_summary.name is 'Name of the model at the source.';
comment on column marketplace.export_summary.version is 'Number of the version at the source.';
comment on column marketplace.export_summary.created is 'When the version was created at the source; with its number it is the version''s identity.';
comment on column marketplace.export_summary.generation is '1 for the first export of a version; one more after each that was found unusable.';
comment on column marketplace.export_summary.state is 'live: complete and verified. invalidated: found unusable later. failed: the last attempt failed and none succeeded since.';
comment on column marketplace.export_summary.reason is 'Why it was invalidated, or code and message of the failure.';
comment on column marketplace.export_summary.retriable is 'For a failure: whether trying again can help.';
comment on column marketplace.export_summary.export_id is 'Identity of the export.';
comment on column marketplace.export_summary.uri is 'Where it lies on external storage.';
comment on column marketplace.export_summary.manifest_sha256 is 'SHA-256 of its manifest, which names every file with size and SHA-256.';
comment on column marketplace.export_summary.model_sha256 is 'SHA-256 over the model''s files, as the manifest states it.';
comment on column marketplace.export_summary.files is 'How many files it has.';
comment on column marketplace.export_summary.bytes is 'How many bytes they have.';
comment on column marketplace.export_summary.invalidated_sequence is 'The event that invalidated it.';
comment on column marketplace.export_summary.invalidated_at is 'When that was recorded.';
comment on column marketplace.export_summary.run is 'The execution of a job that recorded it.';
comment on column marketplace.export_summary.principal is 'Who recorded it, authenticated.';
comment on column marketplace.export_summary.sequence is 'The event that recorded the export or the failure.';
comment on column marketplace.export_summary.recorded_at is 'When that event was recorded, by the clock of the server.';

create view marketplace.import_summary as
select h.workspace, h.model, h.name, h.version, h.created, h.generation, h.target, h.state, h.reason,
  h.retriable, h.export_id, h.marketplace_name, h.marketplace_version, h.marketplace_run_id,
  h.manifest_sha256, h.lost_sequence, h.lost_at, h.run, h.principal, h.sequence, h.recorded_at
from ledger.workspace w
cross join lateral marketplace_projection.import_summary_of(w.workspace, marketplace_projection.newest()) h;
comment on view marketplace.import_summary is
  'Every import that was ever made, and the open failures: versions whose last attempt failed.';
comment on column marketplace.import_summary.workspace is 'The workspace: the source registry.';
comment on column marketplace.import_summary.model is 'Incarnation of the model: survives a rename, ends with a deletion.';
comment on column marketplace.import_summary.name is 'Name of the model at the source.';
comment on column marketplace.import_summary.version is 'Number of the version at the source.';
comment on column marketplace.import_summary.created is 'When the version was created at the source; with its number it is the version''s identity.';
comment on column marketplace.import_summary.generation is '1 for the first import of a version into a target; one more after each that was lost.';
comment on column marketplace.import_summary.target is 'The marketplace registry.';
comment on column marketplace.import_summary.state is 'live: complete and verified. lost: it vanished from the marketplace. failed: the last attempt failed and none succeeded since.';
comment on column marketplace.import_summary.reason is 'Why it was lost, or code and message of the failure.';
comment on column marketplace.import_summary.retriable is 'For a failure: whether trying again can help.';
comment on column marketplace.import_summary.export_id is 'The export it was made from.';
comment on column marketplace.import_summary.marketplace_name is 'Name of the model in the marketplace.';
comment on column marketplace.import_summary.marketplace_version is 'Number of the version in the marketplace.';
comment on column marketplace.import_summary.marketplace_run_id is 'Its run in the marketplace.';
comment on column marketplace.import_summary.manifest_sha256 is 'SHA-256 of the manifest whose every file was verified.';
comment on column marketplace.import_summary.lost_sequence is 'The event that found it lost.';
comment on column marketplace.import_summary.lost_at is 'When that was recorded.';
comment on column marketplace.import_summary.run is 'The execution of a job that recorded it.';
comment on column marketplace.import_summary.principal is 'Who recorded it, authenticated.';
comment on column marketplace.import_summary.sequence is 'The event that recorded the import or the failure.';
comment on column marketplace.import_summary.recorded_at is 'When that event was recorded, by the clock of the server.';

create view marketplace.workspaces as
select h.workspace, h.state, h.registry, h.kind, h.mlflow_workspace, h.promoted_aliases, h.promoted_stages,
  h.observed_from, h.observed_to, h.models, h.versions, h.unreadable_since, h.reason, h.message,
  h.stale_from, h.sequence, h.recorded_at
from ledger.workspace w
cross join lateral marketplace_projection.workspaces_of(w.workspace, marketplace_projection.newest()) h;
comment on view marketplace.workspaces is
  'The workspaces: what counts as promoted there, when they were last read completely, and since when they could not be.';
comment on column marketplace.workspaces.workspace is 'The workspace: the source registry.';
comment on column marketplace.workspaces.state is 'observed, unreadable (the last run could not read it), never observed, or disconnected.';
comment on column marketplace.workspaces.registry is 'Address of its registry.';
comment on column marketplace.workspaces.kind is 'Kind of its registry.';
comment on column marketplace.workspaces.mlflow_workspace is 'The MLflow workspace within the registry.';
comment on column marketplace.workspaces.promoted_aliases is 'Aliases that count as promoted, in order of precedence; before every stage.';
comment on column marketplace.workspaces.promoted_stages is 'Stages that count as promoted, in order of precedence.';
comment on column marketplace.workspaces.observed_from is 'When the last complete reading began.';
comment on column marketplace.workspaces.observed_to is 'When it ended: what is said of the workspace is certain until then.';
comment on column marketplace.workspaces.models is 'Models seen by it.';
comment on column marketplace.workspaces.versions is 'Versions seen by it.';
comment on column marketplace.workspaces.unreadable_since is 'When the first run since then that could not read it was recorded; null while it can be read.';
comment on column marketplace.workspaces.reason is 'Code of why it cannot be read, or why it was disconnected.';
comment on column marketplace.workspaces.message is 'What it answered.';
comment on column marketplace.workspaces.stale_from is 'The first event that the projections have not taken in, because they stopped there; null when they follow. While it is set, every view says of this workspace what was so before it.';
comment on column marketplace.workspaces.sequence is 'Sequence in the workspace of the newest event this row rests on.';
comment on column marketplace.workspaces.recorded_at is 'When that event was recorded, by the clock of the server.';
