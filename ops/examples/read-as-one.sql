-- Reads several servers as one: each holds some of the workspaces. Run once for each of them, by a superuser, in a database of its
-- own that analysts alone may log in to; `reader` is who they are at that server, a role admitted there by ledger.admit_reader:
--   psql -1 -v server=north -v host=db-north.example -v port=5432 -v dbname=marketplace -v reader=analyst -f ops/examples/read-as-one.sql
-- Afterwards schema marketplace has the views of the contract, over all servers added so far. After a migration run it for each again:
-- columns that all of them have are shown. Views of your own over these are dropped by that. The account that this server runs as
-- authenticates at the others: by certificate, peer, or a line in its .pgpass. As-of functions are asked at the server itself, since
-- each has positions of its own.
\set ON_ERROR_STOP on
set client_min_messages = warning;
create extension if not exists postgres_fdw;
select set_config('one.server', :'server', false), set_config('one.host', :'host', false), set_config('one.port', :'port', false),
  set_config('one.dbname', :'dbname', false), set_config('one.reader', :'reader', false);
do $$
declare
  _server text := current_setting('one.server');
  _view record;
begin
  if obj_description(to_regnamespace(quote_ident(_server)), 'pg_namespace') <> 'A server: read-as-one.sql'
    or to_regnamespace(quote_ident(_server)) is not null and obj_description(to_regnamespace(quote_ident(_server)), 'pg_namespace') is null
  then
    raise exception 'Schema % is there already, and holds something else: call the server otherwise.', quote_ident(_server);
  end if;
  execute format('drop schema if exists %I cascade', _server);
  execute format('drop server if exists %I cascade', _server);
  execute format($sql$create server %I foreign data wrapper postgres_fdw
    options (host %L, port %L, dbname %L, fetch_size '10000', use_remote_estimate 'true')$sql$,
    _server, current_setting('one.host'), current_setting('one.port'), current_setting('one.dbname'));
  execute format('create user mapping for public server %I options (user %L, password_required ''false'')', _server, current_setting('one.reader'));
  execute format('create schema %I', _server);
  execute format('comment on schema %I is ''A server: read-as-one.sql''', _server);
  execute format('import foreign schema marketplace from server %I into %I', _server, _server);
  create schema if not exists marketplace;
  for _view in
    with part as (
      select t.foreign_table_schema as server, t.foreign_table_name as name, c.column_name, c.ordinal_position
      from information_schema.foreign_tables t
      join information_schema.columns c on c.table_schema = t.foreign_table_schema and c.table_name = t.foreign_table_name
      where t.foreign_table_schema = t.foreign_server_name),
    wanted as (
      select p.name, p.column_name, min(p.ordinal_position) as place from part p
      group by p.name, p.column_name having count(*) = (select count(distinct x.server) from part x)),
    list as (
      select w.name, string_agg(quote_ident(w.column_name), ', ' order by w.place, w.column_name) as columns from wanted w group by w.name)
    select l.name, string_agg(format('select %s from %I.%I', l.columns, p.server, l.name), ' union all ' order by p.server) as body
    from list l join (select distinct x.server, x.name from part x) p on p.name = l.name
    group by l.name
  loop
    execute format('drop view if exists marketplace.%I cascade', _view.name);
    execute format('create view marketplace.%I as %s', _view.name, _view.body);
  end loop;
  grant usage on schema marketplace to public;
  grant select on all tables in schema marketplace to public;
end $$;
