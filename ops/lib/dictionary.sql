-- The data dictionary: schema marketplace as Markdown, from its comments. After a change of the schema:
--
--   psql -qAt -f ops/lib/dictionary.sql "$DATABASE" > Sources/marketplace/Documentation.docc/DataDictionary.md
with page (part, place, line) as (
  select 0, 0::bigint, line from unnest(array[
    '# Data dictionary', '',
    'Every view, column and function of schema `marketplace`, made from the comments in the schema itself.', '',
    '## Overview', '',
    '[The catalog in SQL](doc:Projections) says how to ask and what the answers mean. This is contract 1: columns and functions are',
    'added at the end, none is renamed, retyped or dropped. Every view `X` has `X_at(position)` and `X_at(time)` with the same columns.',
    '']) line
  union all
  select 1, row_number() over (order by c.relname, l.nth), l.line
  from pg_class c
  cross join lateral (
    select 0 as nth, '### ' || c.relname as line
    union all select 1, ''
    union all select 2, obj_description(c.oid, 'pg_class')
    union all select 3, ''
    union all select 4, '| column | type | meaning |'
    union all select 5, '|---|---|---|'
    union all
    select 5 + a.attnum, format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
      replace(col_description(c.oid, a.attnum), '|', '\|'))
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    union all select 10000, ''
  ) l
  where c.relnamespace = 'marketplace'::regnamespace and c.relkind = 'v'
  union all
  select 2, row_number() over (order by l.nth, l.name), l.line
  from (
    select 0 as nth, '' as name, '### Functions' as line
    union all select 1, '', ''
    union all select 2, '', '| function | gives | meaning |'
    union all select 3, '', '|---|---|---|'
    union all
    select 4, p.oid::regprocedure::text,
      format('| `%s(%s)` | %s | %s |', p.proname, pg_get_function_identity_arguments(p.oid), 
        format('`%s`', regexp_replace(pg_get_function_result(p.oid), '^SETOF (marketplace\.)?', 'rows of ')),
        obj_description(p.oid, 'pg_proc'))
    from pg_proc p where p.pronamespace = 'marketplace'::regnamespace
  ) l
)
select line from page order by part, place;
