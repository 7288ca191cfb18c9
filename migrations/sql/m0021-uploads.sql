-- What an import wrote into a registry before it came to its event. Losing it costs bytes that are sent again.

set local role ledger_owner;

create table jobs.upload (
  id uuid primary key,
  import_id uuid not null,
  size bigint not null check (size >= 0),
  sha256 text collate "C" not null check (sha256 ~ '^[0-9a-f]{64}$'),
  noted_at timestamptz not null default clock_timestamp()
);

comment on table jobs.upload is
  'Large files that an import has written into a registry and that are noted so that it need not write them again after a kill. Removed with the import''s event, or after 30 days.';
comment on column jobs.upload.id is 'Made of registry, place and path.';
comment on column jobs.upload.import_id is 'Made of registry and the key of the version that was being imported.';
comment on column jobs.upload.size is 'Size in bytes.';
comment on column jobs.upload.sha256 is 'SHA-256 of the bytes that were sent, 64 lower-case hex digits.';
comment on column jobs.upload.noted_at is 'When the file had arrived.';

create index upload_by_import on jobs.upload (import_id);

grant select, insert, update, delete on jobs.upload to marketplace_job;
grant select on jobs.upload to ledger_auditor;
reset role;
