-- A second copy of the projections' tables, for one session alone, and the functions that move them, at work on that
-- copy: whatever takes in a whole workspace again does it there, and readers of the tables see nothing of it. All that
-- belongs to it is called pg_temp.marketplace_scratch_…, so that it hides nothing from whoever uses the session.
--
-- Temporary tables and functions, made once for a session, so that their plans are made once: making them and planning
-- costs some 100 ms, a workspace of a thousand events 30 ms. They are made anew when a migration came in between.
set local role ledger_owner;

create function marketplace_projection.scratch_bytes_max() returns bigint language sql immutable as 'select 33554432';
comment on function marketplace_projection.scratch_bytes_max() is
  'Bytes beyond which the scratch copy is emptied before the next workspace comes in. Emptying costs the plans.';

-- What the scratch copy is made from, in an order in which plain SQL finds what it calls.
create function marketplace_projection.movers() returns setof regprocedure
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select p.oid::regprocedure from pg_proc p
  where p.pronamespace = 'marketplace_projection'::regnamespace
    and (p.proname in ('apply', 'apply_chunk', 'reset', 'time_of', 'catalog_of', 'rule_since', 'points_of_rule')
         or p.proname like 'move\_%')
  order by p.proname <> 'time_of', p.proname
$$;
comment on function marketplace_projection.movers() is 'The functions that move rows.';

-- For each table how its rows are compared with those of the scratch copy: `keys` joins p with t, `p` and `t` are all
-- columns of either side. Equal is equal byte by byte: of the types that open_scratch knows, equal values have equal
-- bytes, but for json, which is compared as text.
create function marketplace_projection.scratch_tables(out name text, out keys text, out p text, out t text) returns setof record
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select c.relname, string_agg(format('p.%1$I = t.%1$I', a.attname), ' and ' order by a.attnum)
      filter (where a.attnum = any (i.indkey) and a.attname <> 'workspace'),
    string_agg(format('p.%I', a.attname) || x.as_text, ', ' order by a.attnum),
    string_agg(format('t.%I', a.attname) || x.as_text, ', ' order by a.attnum)
  from pg_class c
  join pg_index i on i.indrelid = c.oid and i.indisprimary
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  cross join lateral (select case a.atttypid when 'json'::regtype then '::text' else '' end as as_text) x
  where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r'
  group by c.relname
  order by c.relname
$$;
comment on function marketplace_projection.scratch_tables() is 'The tables of the projections, and how two rows of each are compared.';

-- Whoever calls it must own the projections. Everything in the session's temporary schema that it will trust has to be
-- its own: somebody else's function there could be taken for one of these.
create function marketplace_projection.open_scratch() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
declare
  _stranger regprocedure;
  _found text;
  _made text[] := '{}';
  _stamp text;
  _is_fresh boolean;
  _is_full boolean;
  _table record;
  _function regprocedure;
  _settled text := '';
  _differing text := '';
begin
  select p.oid into _stranger from pg_proc p
  where p.pronamespace = pg_my_temp_schema() and p.proowner <> current_user::regrole limit 1;
  if found then
    raise exception 'Function % in the temporary schema of this session is not %''s.', _stranger, current_user
      using errcode = 'insufficient_privilege', hint = 'discard temp removes it; or use another session.';
  end if;
  -- each version of a catalog's row lies elsewhere, and has another xmin where it came with another transaction
  select sum(v.hash)::text into _stamp
  from (
    select hash_record_extended(row(p.oid, p.xmin, p.ctid), 0) as hash from pg_proc p
    where p.pronamespace = 'marketplace_projection'::regnamespace
    union all
    select hash_record_extended(row(a.attrelid, a.attnum, a.xmin, a.ctid), 0)
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r'
    union all
    select hash_record_extended(row(i.indexrelid, i.xmin, i.ctid), 0)
    from pg_class c join pg_index i on i.indrelid = c.oid
    where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r'
  ) v;

  if exists (select from pg_class c where c.relnamespace = pg_my_temp_schema() and c.relname = 'marketplace_scratch'
             and c.relowner = current_user::regrole) then
    execute 'select s.made, s.stamp = $1 from pg_temp.marketplace_scratch s' into _made, _is_fresh using _stamp;
    if _is_fresh then
      select sum(pg_total_relation_size(c.oid)) > marketplace_projection.scratch_bytes_max() into _is_full
      from pg_class c where c.relnamespace = pg_my_temp_schema() and format('table pg_temp.%I', c.relname) = any (_made);
      if _is_full then
        execute 'truncate ' || (select string_agg(substr(m, 7), ', ') from unnest(_made) m
                                where m like 'table %' and m <> 'table pg_temp.marketplace_scratch');
      end if;
      return;
    end if;
    for _nth in 1 .. cardinality(_made) loop
      execute 'drop ' || _made[_nth];
    end loop;
    _made := '{}';
  end if;

  select a.attrelid::regclass || '.' || a.attname || ' ' || a.atttypid::regtype into _found
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = 'marketplace_projection'::regnamespace and c.relkind = 'r'
    and a.atttypid <> all ('{text,bigint,boolean,uuid,timestamptz,text[],json}'::regtype[]);
  if found then
    raise exception 'It is not known how two values of % are compared byte by byte.', _found
      using errcode = 'feature_not_supported', hint = 'marketplace_projection.open_scratch() and scratch_tables() say of which types it is.';
  end if;
  for _table in select * from marketplace_projection.scratch_tables() loop
    execute format('create temporary table %I (like marketplace_projection.%I including defaults including indexes)',
      'marketplace_scratch_' || _table.name, _table.name);
    _made := _made || format('table pg_temp.%I', 'marketplace_scratch_' || _table.name);
    -- one pass over both while they are equal, which they are but for repairs and changed rules
    _settled := _settled || format($settle$
      perform from (select * from marketplace_projection.%1$I where workspace = _workspace) p
      full join (select * from pg_temp.%5$I where workspace = _workspace) t on %2$s
      where (%3$s) is distinct from (%4$s) limit 1;
      if found then
        delete from marketplace_projection.%1$I p where p.workspace = _workspace and not exists (
          select from pg_temp.%5$I t where t.workspace = _workspace and %2$s and (%3$s) is not distinct from (%4$s));
        insert into marketplace_projection.%1$I select * from pg_temp.%5$I t where t.workspace = _workspace and not exists (
          select from marketplace_projection.%1$I p where p.workspace = _workspace and %2$s);
      end if;
      $settle$, _table.name, _table.keys, _table.p, _table.t, 'marketplace_scratch_' || _table.name);
    _differing := _differing || format($differ$
      return query select %1$L, d.difference, d.row_text
      from (select * from marketplace_projection.%1$I where workspace = _workspace) p
      full join (select * from pg_temp.%5$I where workspace = _workspace) t on %2$s
      cross join lateral (values ('missing', t.workspace, t::text), ('unfounded', p.workspace, p::text))
        d (difference, workspace, row_text)
      where (%3$s) is distinct from (%4$s) and d.workspace is not null;
      $differ$, _table.name, _table.keys, _table.p, _table.t, 'marketplace_scratch_' || _table.name);
  end loop;
  -- the functions themselves, only with the scratch copy under their hands
  for _function in select * from marketplace_projection.movers() loop
    execute replace(pg_get_functiondef(_function), 'marketplace_projection.', 'pg_temp.marketplace_scratch_');
    _made := _made || replace(format('function %s', _function), 'marketplace_projection.', 'pg_temp.marketplace_scratch_');
  end loop;
  execute format($create$
    create function pg_temp.marketplace_scratch_settle(_workspace text) returns void language plpgsql
    set search_path = pg_catalog, pg_temp set jit = off set plan_cache_mode = force_generic_plan
    set enable_nestloop = off set enable_seqscan = off as %L $create$, 'begin' || _settled || 'end');
  execute format($create$
    create function pg_temp.marketplace_scratch_differences(_workspace text)
    returns table (projection_table text, difference text, row_text text) language plpgsql
    set search_path = pg_catalog, pg_temp set jit = off set enable_nestloop = off set enable_seqscan = off as
    %L $create$, E'#variable_conflict use_column\nbegin' || _differing || 'end');
  create temporary table marketplace_scratch (made text[], stamp text);
  insert into pg_temp.marketplace_scratch values (
    _made || array['function pg_temp.marketplace_scratch_settle(text)',
      'function pg_temp.marketplace_scratch_differences(text)', 'table pg_temp.marketplace_scratch'], _stamp);
end
$body$;
comment on function marketplace_projection.open_scratch() is
  'Makes the session''s scratch copy, or sees that the one that is there is still what the schema says.';

create function marketplace_projection.take_into_scratch(_workspace text, _last bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $body$
begin
  perform marketplace_projection.open_scratch();
  perform pg_temp.marketplace_scratch_reset(_workspace);
  perform pg_temp.marketplace_scratch_apply(_workspace, 1::bigint, _last);
end
$body$;
comment on function marketplace_projection.take_into_scratch(text, bigint) is
  'Takes all events of a workspace up to its last into the scratch copy.';
