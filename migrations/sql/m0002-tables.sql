-- The tables of the log. The workspace comes first in every key: it is the unit of order, of authority and of
-- distribution. Keys are compared byte by byte (collation "C"), so their order is the same on every machine.
set local role ledger_owner;

create table ledger.workspace (
  workspace text collate "C" primary key check (workspace ~ '^[a-z0-9-]{1,63}$'),
  opened_at timestamptz not null default clock_timestamp(),
  opened_by text not null default session_user
);
comment on table ledger.workspace is 'The workspaces that may have events. Opened once, never closed.';
comment on column ledger.workspace.workspace is 'Key of the workspace: a to z, 0 to 9 and hyphen, 1 to 63 characters.';
comment on column ledger.workspace.opened_at is 'When it was opened, by the clock of the server.';
comment on column ledger.workspace.opened_by is 'Who opened it (session_user).';

-- One hot row per workspace. Its lock is held from the append to the commit, so sequences follow commit order
-- and a rollback gives its numbers back. It also says what is stale, so that an append looks nothing else up.
create table ledger.head (
  workspace text collate "C" primary key,
  last_sequence bigint not null default 0 check (last_sequence >= 0),
  last_recorded_at timestamptz not null default '-infinity',
  stale text[] not null default '{}'
) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000);
comment on table ledger.head is 'How far each workspace has come. Locked by every append until it commits.';
comment on column ledger.head.workspace is 'The workspace.';
comment on column ledger.head.last_sequence is 'Sequence of its newest event; 0 before the first.';
comment on column ledger.head.last_recorded_at is 'recorded_at of its newest append; the next one is greater.';
comment on column ledger.head.stale is 'Projections that do not follow here until they are rebuilt (ledger.projection_stale says why).';

create table ledger.stream (
  workspace text collate "C" not null,
  stream text collate "C" not null,
  version bigint not null check (version > 0),
  primary key (workspace, stream)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);
comment on table ledger.stream is 'The streams of each workspace and how far each has come.';
comment on column ledger.stream.workspace is 'The workspace.';
comment on column ledger.stream.stream is 'Name of the stream, 1 to 512 bytes without control characters.';
comment on column ledger.stream.version is 'Version of its newest event.';

-- Fixed widths first: the order of the columns saves padding. ledger.events shows them in their natural order.
create table ledger.event (
  sequence bigint not null check (sequence > 0),
  version bigint not null check (version > 0),
  recorded_at timestamptz not null,
  occurred_at timestamptz,
  cause_sequence bigint,
  nth integer not null check (nth >= 0),
  type_version smallint not null,
  id uuid not null,
  run uuid,
  workspace text collate "C" not null,
  stream text collate "C" not null,
  type text collate "C" not null,
  principal text not null,
  cause_workspace text collate "C",
  data_hash bytea not null check (octet_length(data_hash) = 32),
  salt bytea,
  data json,
  constraint event_is_whole_or_redacted check ((data is null) = (salt is null)),
  constraint event_cause_is_whole check ((cause_workspace is null) = (cause_sequence is null)),
  constraint event_sequence primary key (workspace, sequence),
  constraint event_version unique (workspace, stream, version),
  constraint event_id unique (workspace, id)
) partition by hash (workspace);

-- An effect in another workspace than its cause: rare, and the only thing sealing has to look at one by one.
create index event_effect on ledger.event (workspace, sequence)
  where cause_workspace is not null and cause_workspace <> workspace;

do $$
begin
  for _i in 0..15 loop
    execute format(
      'create table ledger.event_%s partition of ledger.event for values with (modulus 16, remainder %s)
         with (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000,
               autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 200000)',
      to_char(_i, 'FM00'), _i);
  end loop;
end $$;

comment on table ledger.event is 'Every event, once, in the order of its workspace. Append-only. Read it through ledger.events.';
comment on column ledger.event.workspace is 'The workspace whose log this is.';
comment on column ledger.event.sequence is 'Place in the workspace: 1, 2, 3 … in commit order, without a gap.';
comment on column ledger.event.stream is 'The stream it belongs to.';
comment on column ledger.event.version is 'Place in the stream: 1, 2, 3 …';
comment on column ledger.event.id is 'Chosen by its author before it was sent; once in a workspace.';
comment on column ledger.event.type is 'What happened, in the past tense; registered in ledger.event_type.';
comment on column ledger.event.type_version is 'Version of the shape of data.';
comment on column ledger.event.recorded_at is 'When it was appended, by the clock of the server; one value per call, increasing in a workspace.';
comment on column ledger.event.occurred_at is 'When its author says it happened. It orders nothing.';
comment on column ledger.event.principal is 'Who appended it, authenticated.';
comment on column ledger.event.run is 'The execution of a job that appended it.';
comment on column ledger.event.cause_workspace is 'Workspace of the event that caused this one.';
comment on column ledger.event.cause_sequence is 'Sequence there of the event that caused this one.';
comment on column ledger.event.data is 'What happened: the exact JSON text that was accepted. Null once redacted.';
comment on column ledger.event.salt is 'Sixteen random bytes, so that data_hash gives nothing away once data is gone. Null once redacted.';
comment on column ledger.event.data_hash is 'SHA-256 of salt followed by data in UTF-8. It stays when data is redacted.';
comment on column ledger.event.nth is 'Place in the call that appended it, from 0.';

create table ledger.event_type (
  type text collate "C" not null check (type ~ '^[A-Za-z][A-Za-z0-9._-]{0,127}$'),
  type_version smallint not null default 1 check (type_version > 0),
  description text not null default '',
  registered_at timestamptz not null default clock_timestamp(),
  primary key (type, type_version)
);
comment on table ledger.event_type is 'The event types that may be appended. A type is registered before its first event.';
comment on column ledger.event_type.type is 'Name: a letter, then letters, digits, dot, underscore, hyphen; at most 128 characters.';
comment on column ledger.event_type.type_version is 'Version of the shape of data.';
comment on column ledger.event_type.description is 'What it means, for a person.';
comment on column ledger.event_type.registered_at is 'When it was registered.';

create table ledger.append_grant (
  principal text not null,
  workspace text collate "C" not null,
  type_prefix text collate "C" not null,
  granted_at timestamptz not null default clock_timestamp(),
  granted_by text not null default session_user,
  primary key (principal, workspace, type_prefix)
);
comment on table ledger.append_grant is 'Who may append what where. Members of ledger_owner may always.';
comment on column ledger.append_grant.principal is 'The principal.';
comment on column ledger.append_grant.workspace is 'A workspace, or * for every one.';
comment on column ledger.append_grant.type_prefix is 'What the type must begin with; the empty text allows every type.';
comment on column ledger.append_grant.granted_at is 'When it was granted.';
comment on column ledger.append_grant.granted_by is 'Who granted it (session_user).';

-- The global order. Positions are kept as runs of one workspace's events, not as a row per event.
create table ledger.seal (
  last_position bigint primary key check (last_position >= first_position),
  first_position bigint not null unique check (first_position > 0),
  sealed_at timestamptz not null unique
) with (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
comment on table ledger.seal is 'Each sealing: which positions it gave, and when. Append-only.';
comment on column ledger.seal.last_position is 'The last position it gave.';
comment on column ledger.seal.first_position is 'The first position it gave: one more than the last before.';
comment on column ledger.seal.sealed_at is 'When, by the clock of the server; increasing from seal to seal.';

create table ledger.seal_run (
  position bigint primary key check (position > 0),
  workspace text collate "C" not null,
  first_sequence bigint not null check (first_sequence > 0),
  count bigint not null check (count > 0),
  unique (workspace, first_sequence),
  unique (workspace, position)
) with (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
comment on table ledger.seal_run is
  'The global order as runs: position + i is sequence first_sequence + i of the workspace, for i from 0 to count - 1. Append-only.';
comment on column ledger.seal_run.position is 'Position of the first event of the run.';
comment on column ledger.seal_run.workspace is 'The workspace the run is of.';
comment on column ledger.seal_run.first_sequence is 'Sequence of its first event.';
comment on column ledger.seal_run.count is 'How many events it has.';

create table ledger.sealed (
  workspace text collate "C" primary key,
  sequence bigint not null default 0 check (sequence >= 0)
) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000);
comment on table ledger.sealed is 'How far each workspace is sealed. Apart from ledger.head, so that sealing never waits for an append.';
comment on column ledger.sealed.workspace is 'The workspace.';
comment on column ledger.sealed.sequence is 'The last sequence that has a position; 0 before the first.';

create table ledger.projection (
  name text collate "C" primary key check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  function text not null,
  reset text not null,
  types text[] not null,
  version integer not null default 1 check (version > 0),
  description text not null default '',
  rebuild text
);
comment on table ledger.projection is
  'What moves with the events. Registering one, or raising its version, marks it stale wherever there are events already: rebuild it.';
comment on column ledger.projection.name is 'Its name: a to z, 0 to 9, underscore.';
comment on column ledger.projection.function is
  'Called as function(workspace text, first bigint, last bigint) after events of its types were inserted, in the transaction of the append. ledger_owner must be allowed to call it.';
comment on column ledger.projection.reset is 'Called as reset(workspace text) before a rebuild by function: forgets what is known of the workspace.';
comment on column ledger.projection.types is 'The event types it moves for.';
comment on column ledger.projection.version is 'Raised when the same events must give other rows.';
comment on column ledger.projection.description is 'What it shows, for a person.';
comment on column ledger.projection.rebuild is
  'Called as rebuild(workspace text, last bigint) for a rebuild, instead of reset and function: for one that knows a better way. Null without.';

create table ledger.projection_stale (
  projection text collate "C" not null,
  workspace text collate "C" not null,
  from_sequence bigint not null,
  since timestamptz not null default clock_timestamp(),
  state text,
  message text not null,
  primary key (projection, workspace)
);
comment on table ledger.projection_stale is 'Projections that stopped following a workspace. They start again when they are rebuilt.';
comment on column ledger.projection_stale.projection is 'The projection.';
comment on column ledger.projection_stale.workspace is 'Where it is stale.';
comment on column ledger.projection_stale.from_sequence is 'The first event it has not taken in.';
comment on column ledger.projection_stale.since is 'Since when.';
comment on column ledger.projection_stale.state is 'SQLSTATE of its failure; null if it was never built.';
comment on column ledger.projection_stale.message is 'What it failed with.';
