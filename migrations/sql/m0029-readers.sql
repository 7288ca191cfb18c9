-- Who may read what of the contract. A member of marketplace_analyst reads all of schema marketplace; a member of
-- marketplace_reader only the workspaces that it was granted. Neither reads the ledger, and neither writes anything.
do $$
begin
  if not exists (select from pg_roles where rolname = 'marketplace_reader') then
    create role marketplace_reader nologin;
  end if;
exception
  when duplicate_object or unique_violation then
    null; -- another database did the same at this moment
  when insufficient_privilege then
    raise exception 'Role marketplace_reader is missing, and % may not create it.', current_user
      using errcode = 'insufficient_privilege', hint = 'As a superuser: create role marketplace_reader nologin';
end $$;
set local role ledger_owner;

create table ledger.read_grant (
  reader text not null,
  workspace text collate "C" not null,
  granted_at timestamptz not null default clock_timestamp(),
  granted_by text not null default session_user,
  primary key (workspace, reader)
);
comment on table ledger.read_grant is 'Which workspaces a member of marketplace_reader sees. Members of marketplace_analyst see all.';
comment on column ledger.read_grant.reader is 'A role: a reader, or one that readers are members of.';
comment on column ledger.read_grant.workspace is 'The workspace.';
comment on column ledger.read_grant.granted_at is 'When it was granted.';
comment on column ledger.read_grant.granted_by is 'Who granted it (session_user).';

create function ledger.grant_read(_to text, _workspace text) returns void
language plpgsql
set search_path to pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_roles r where r.rolname = _to) then
    perform ledger.refuse('LG400', format('There is no role "%s".', left(_to, 100)), json_build_object('reader', left(_to, 100)),
      'A reader is a role of PostgreSQL: create role … login in role marketplace_reader.');
  end if;
  if not exists (select from ledger.workspace w where w.workspace = _workspace) then
    perform ledger.refuse_workspace(_workspace);
  end if;
  insert into ledger.read_grant (reader, workspace) values (_to, _workspace) on conflict do nothing;
end $$;
comment on function ledger.grant_read(text, text) is 'Lets a reader see a workspace.';

create function ledger.revoke_read(_to text, _workspace text) returns void language sql
set search_path to pg_catalog, pg_temp
as $$ delete from ledger.read_grant g where g.reader = _to and g.workspace = _workspace $$;
comment on function ledger.revoke_read(text, text) is 'Takes a grant to read back.';
revoke execute on function ledger.grant_read(text, text), ledger.revoke_read(text, text) from public;

-- Who asks, also within a function that runs as its owner: the role that was set, else whoever logged in.
create function marketplace_projection.seen() returns text[]
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  with caller as (select coalesce(nullif(current_setting('role', true), 'none'), session_user) as role)
  select case when pg_has_role(c.role, 'marketplace_analyst', 'usage') or pg_has_role(c.role, 'ledger_auditor', 'usage')
      or pg_has_role(c.role, 'ledger_service', 'usage') or pg_has_role(c.role, 'ledger_owner', 'usage')
    then null
    else array(
      select distinct g.workspace from ledger.read_grant g join pg_roles r on r.rolname = g.reader
      where pg_has_role(c.role, r.oid, 'usage'))
  end
  from caller c
$$;
comment on function marketplace_projection.seen() is 'The workspaces that whoever asks may see; null: all.';

create function marketplace_projection.sees(_workspace text) returns boolean
language sql stable
set search_path to pg_catalog, pg_temp
as $$ select coalesce(_workspace = any (marketplace_projection.seen()), true) $$;
comment on function marketplace_projection.sees(text) is 'Whether whoever asks may see a workspace.';

-- Rows are kept from readers where they lie, so that no view, join or function of theirs gets around it. For everybody else
-- the policy is the constant true, which costs nothing and hides no index.
do $$
declare
  _table regclass;
begin
  for _table in
    select c.oid::regclass from pg_class c where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r'
  loop
    execute format('alter table %s enable row level security', _table);
    execute format('create policy all_workspaces on %s for select to marketplace_analyst, ledger_auditor, ledger_service using (true)', _table);
    execute format('create policy granted_workspaces on %s for select to marketplace_reader
      using (workspace = any ((select marketplace_projection.seen())::text[]))', _table);
  end loop;
end $$;
-- A view reads as its owner, to whom no policy applies, unless it is told otherwise.
alter view marketplace.catalog set (security_invoker = true);
create or replace view marketplace_projection.stale with (security_barrier) as
select s.workspace, s.from_sequence from ledger.projection_stale s
where s.projection = 'marketplace' and marketplace_projection.sees(s.workspace);
-- As-of functions read as whoever asks, so that the policies hold; their owner answers only how far each workspace had come.
alter function marketplace_projection.cut(bigint) security definer;
create function marketplace_projection.position_at(_at timestamptz) returns bigint
language sql security definer
set search_path to pg_catalog, pg_temp
as $$ select ledger.position_at(_at) $$;
comment on function marketplace_projection.position_at(timestamptz) is 'As ledger.position_at, for readers.';
do $$
declare
  _function regprocedure;
begin
  for _function in
    select p.oid::regprocedure from pg_proc p where p.pronamespace = 'marketplace'::regnamespace and p.prosecdef order by 1::text
  loop
    execute format('alter function %s security invoker', _function);
    if _function::text like '%\_at(timestamp with time zone)' then
      perform ledger.change_function(_function, 'ledger.position_at(_at)', 'marketplace_projection.position_at(_at)');
    end if;
  end loop;
end $$;
grant execute on function marketplace_projection.cut(bigint), marketplace_projection.position_at(timestamptz),
  marketplace_projection.catalog_of(text, uuid[], bigint)
  to marketplace_analyst, ledger_auditor, ledger_service;
select ledger.change_function('marketplace_projection.cut(bigint)', 'from ledger.cut_at(_position) k;',
  'from (select marketplace_projection.seen() as seen) s, ledger.cut_at(_position) k
  where s.seen is null or k.workspace = any (s.seen);');

grant usage on schema marketplace, marketplace_projection to marketplace_reader;
grant select on all tables in schema marketplace, marketplace_projection to marketplace_reader;
grant execute on all functions in schema marketplace to marketplace_reader;
do $$
declare
  _function regprocedure;
begin
  for _function in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'marketplace_projection'::regnamespace and has_function_privilege('marketplace_analyst', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to marketplace_reader', _function);
  end loop;
end $$;
grant execute on function marketplace_projection.seen(), marketplace_projection.sees(text)
  to marketplace_analyst, marketplace_reader, ledger_auditor, ledger_service;

-- One call makes a login that can do no harm. Whoever calls it must be allowed to alter the role and to grant memberships.
create function ledger.admit_reader(_role text, _workspaces text[] default null, _statement_timeout interval default '5 minutes')
returns void language plpgsql
set search_path to pg_catalog, pg_temp
as $$
declare
  _workspace text;
begin
  if _workspaces is not null then
    -- what it was granted before is taken back
    if pg_has_role(_role, 'marketplace_analyst', 'member') then
      execute format('revoke marketplace_analyst from %I', _role);
    end if;
    delete from ledger.read_grant g where g.reader = _role;
  end if;
  execute format('grant %s to %I', case when _workspaces is null then 'marketplace_analyst' else 'marketplace_reader' end, _role);
  execute format('alter role %I set statement_timeout = %L', _role, (extract(epoch from _statement_timeout) * 1000)::bigint);
  execute format('alter role %I set idle_in_transaction_session_timeout = %L', _role, '60s');
  execute format('alter role %I set default_transaction_read_only = on', _role);
  execute format('alter role %I set search_path = marketplace, public', _role);
  foreach _workspace in array coalesce(_workspaces, '{}') loop
    perform ledger.grant_read(_role, _workspace);
  end loop;
end $$;
comment on function ledger.admit_reader(text, text[], interval) is
  'Makes a role a reader of the contract: of everything, or of some workspaces. Its statements end after the time-out, five minutes unless said otherwise, and its transactions read only.';
revoke execute on function ledger.admit_reader(text, text[], interval) from public;

-- Overlaps by index: which version was in a stage, or meant, at some time of a range. What lasts still has no end, and is
-- asked one by one.
create index stage_closed_possible on marketplace_projection.stage_closed using gist (
  marketplace_projection.possible(from_not_before, case when to_sequence <= marketplace_projection.newest() then to_not_after end));
create index current_closed_possible on marketplace_projection.current_closed using gist (
  marketplace_projection.possible(from_not_before, case when to_sequence <= marketplace_projection.newest() then to_not_after end));
reset role;
