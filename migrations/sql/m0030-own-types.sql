-- Types and projections of one's own: the shape of the data as a JSON Schema that the door enforces, and a projection that is
-- registered, rebuilt and checked by calls.

-- Who only appends looks at the schema's version too, through the program.
do $$
begin
  if to_regclass('migrations.applied') is not null then
    grant usage on schema migrations to ledger_writer;
    grant select on migrations.applied to ledger_writer;
  end if;
end $$;
set local role ledger_owner;

alter table ledger.event_type add column schema jsonb;
comment on column ledger.event_type.schema is 'JSON Schema that data of this type and version has to keep to; null: any object.';

-- What a schema may say (JSON Schema 2020-12). Anything else is refused when it is set, so that nothing is written down that
-- is not enforced.
create function ledger.schema_keywords() returns text[] language sql immutable parallel safe as $$
  select array['$schema', '$id', '$comment', 'title', 'description', 'default', 'deprecated', 'examples', 'type', 'enum', 'const',
    'properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties', 'items', 'minItems', 'maxItems',
    'uniqueItems', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minLength', 'maxLength', 'pattern',
    'format', 'allOf', 'anyOf', 'oneOf', 'not']
$$;
comment on function ledger.schema_keywords() is 'The keywords of JSON Schema that are known here.';

create function ledger.is_of_type(_value jsonb, _type text) returns boolean language sql immutable parallel safe as $$
  select case _type
    when 'integer' then jsonb_typeof(_value) = 'number' and (_value #>> '{}')::numeric = trunc((_value #>> '{}')::numeric)
    else jsonb_typeof(_value) = _type
  end
$$;
comment on function ledger.is_of_type(jsonb, text) is 'Whether a value is of one of JSON Schema''s types.';

create function ledger.is_date(_text text) returns boolean language sql immutable parallel safe as $$
  select case when _text ~ '^(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$'
    then right(_text, 2)::integer <= extract(day from (left(_text, 8) || '01')::date + interval '1 month - 1 day') else false end
$$;
comment on function ledger.is_date(text) is 'Whether a text is a day of the calendar, as RFC 3339 writes it.';

create function ledger.is_of_format(_text text, _format text) returns boolean language sql immutable parallel safe as $$
  select case _format
    when 'uuid' then _text ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
    when 'date' then ledger.is_date(_text)
    when 'date-time' then ledger.is_date(left(_text, 10)) and
      _text ~* '^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$'
  end
$$;
comment on function ledger.is_of_format(text, text) is 'Whether a text is a uuid, a date or a date-time (RFC 3339); null for other formats.';

-- Why a schema cannot be enforced; null when it can.
create function ledger.schema_flaw(_schema jsonb, _path text) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  _key text;
  _value jsonb;
  _flaw text;
  _each record;
begin
  if jsonb_typeof(_schema) = 'boolean' then
    return null;
  end if;
  if jsonb_typeof(_schema) <> 'object' then
    return format('%s is neither an object nor true or false', _path);
  end if;
  if cardinality(string_to_array(_path, '/')) > 2 * ledger.data_depth_max() then
    return format('%s is nested too deep', left(_path, 60));
  end if;
  for _key, _value in select * from jsonb_each(_schema) loop
    _flaw := case
      when _key <> all (ledger.schema_keywords()) then 'is not known here'
      when _key = 'type' and not (case jsonb_typeof(_value) when 'array' then _value else jsonb_build_array(_value) end
          <@ '["null","boolean","object","array","number","string","integer"]') then 'names a type that is none'
      when _key = 'type' and _value = '[]' then 'names no type'
      when _key in ('enum', 'required', 'allOf', 'anyOf', 'oneOf') and jsonb_typeof(_value) <> 'array' then 'is no array'
      when _key in ('allOf', 'anyOf', 'oneOf') and _value = '[]' then 'is empty'
      when _key = 'required' and _value @? '$[*] ? (@.type() != "string")' then 'names what is no key'
      when _key = 'properties' and jsonb_typeof(_value) <> 'object' then 'is no object'
      when _key in ('minProperties', 'maxProperties', 'minItems', 'maxItems', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum',
          'multipleOf', 'minLength', 'maxLength') and jsonb_typeof(_value) <> 'number' then 'is no number'
      when _key in ('minProperties', 'maxProperties', 'minItems', 'maxItems', 'minLength', 'maxLength') and (_value #>> '{}')::numeric < 0
        then 'is below zero'
      when _key = 'pattern' and jsonb_typeof(_value) = 'string' and _value #>> '{}' ~ '\\[bB]' then 'has \b or \B, which mean something else here'
      when _key = 'multipleOf' and (_value #>> '{}')::numeric <= 0 then 'is not above zero'
      when _key = 'uniqueItems' and jsonb_typeof(_value) <> 'boolean' then 'is neither true nor false'
      when _key in ('pattern', 'format') and jsonb_typeof(_value) <> 'string' then 'is no string'
      when _key = 'format' and ledger.is_of_format('', _value #>> '{}') is null then 'is none of uuid, date and date-time'
    end;
    if _flaw is not null then
      return format('%s/%s %s', _path, _key, _flaw);
    end if;
    if _key = 'pattern' then
      begin
        perform '' ~ ('(?p)' || (_value #>> '{}'));
      exception when invalid_regular_expression then
        return format('%s/pattern is no regular expression', _path);
      end;
    end if;
    for _each in
      select '/' || _key as path, _value as schema where _key in ('items', 'additionalProperties', 'not')
      union all
      select '/properties/' || p.key, p.value from jsonb_each(case _key when 'properties' then _value else '{}' end) p
      union all
      select format('/%s/%s', _key, a.nth - 1), a.value
      from jsonb_array_elements(case when _key in ('allOf', 'anyOf', 'oneOf') then _value else '[]' end) with ordinality a (value, nth)
    loop
      _flaw := ledger.schema_flaw(_each.schema, _path || _each.path);
      if _flaw is not null then
        return _flaw;
      end if;
    end loop;
  end loop;
  return null;
end $$;
comment on function ledger.schema_flaw(jsonb, text) is 'Why a JSON Schema cannot be enforced here, and where; null when it can.';

-- Why a value does not keep to a schema; null when it does.
create function ledger.schema_fault(_schema jsonb, _value jsonb, _path text) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  _fault text;
  _number numeric;
  _count integer;
  _each record;
begin
  if jsonb_typeof(_schema) = 'boolean' then
    return case when not _schema::boolean then _path || ' is not allowed' end;
  end if;
  if _schema ? 'type' and not exists (
    select from jsonb_array_elements_text(case jsonb_typeof(_schema -> 'type') when 'array' then _schema -> 'type' else jsonb_build_array(_schema -> 'type') end) t
    where ledger.is_of_type(_value, t))
  then
    return format('%s is %s, not %s', _path, jsonb_typeof(_value), _schema ->> 'type');
  end if;
  if _schema ? 'enum' and not exists (select from jsonb_array_elements(_schema -> 'enum') e where e = _value) then
    return format('%s is none of %s', _path, _schema ->> 'enum');
  end if;
  if _schema ? 'const' and _value <> _schema -> 'const' then
    return format('%s is not %s', _path, _schema -> 'const');
  end if;
  case jsonb_typeof(_value)
    when 'number' then
      _number := (_value #>> '{}')::numeric;
      _fault := case
        when _number < (_schema ->> 'minimum')::numeric then 'is less than ' || (_schema ->> 'minimum')
        when _number > (_schema ->> 'maximum')::numeric then 'is more than ' || (_schema ->> 'maximum')
        when _number <= (_schema ->> 'exclusiveMinimum')::numeric then 'is not more than ' || (_schema ->> 'exclusiveMinimum')
        when _number >= (_schema ->> 'exclusiveMaximum')::numeric then 'is not less than ' || (_schema ->> 'exclusiveMaximum')
        when mod(_number, (_schema ->> 'multipleOf')::numeric) <> 0 then 'is no multiple of ' || (_schema ->> 'multipleOf')
      end;
    when 'string' then
      _fault := case
        when length(_value #>> '{}') < (_schema ->> 'minLength')::numeric then 'has less than ' || (_schema ->> 'minLength') || ' characters'
        when length(_value #>> '{}') > (_schema ->> 'maxLength')::numeric then 'has more than ' || (_schema ->> 'maxLength') || ' characters'
        when _value #>> '{}' !~ ('(?p)' || (_schema ->> 'pattern')) then 'does not match ' || (_schema ->> 'pattern')
        when not ledger.is_of_format(_value #>> '{}', _schema ->> 'format') then 'is no ' || (_schema ->> 'format')
      end;
    when 'array' then
      _count := jsonb_array_length(_value);
      _fault := case
        when _count < (_schema ->> 'minItems')::numeric then 'has less than ' || (_schema ->> 'minItems') || ' items'
        when _count > (_schema ->> 'maxItems')::numeric then 'has more than ' || (_schema ->> 'maxItems') || ' items'
        when (_schema ->> 'uniqueItems')::boolean and (select count(distinct e) from jsonb_array_elements(_value) e) <> _count
          then 'has an item twice'
      end;
    when 'object' then
      _count := (select count(*) from jsonb_object_keys(_value));
      _fault := case
        when _count < (_schema ->> 'minProperties')::numeric then 'has less than ' || (_schema ->> 'minProperties') || ' keys'
        when _count > (_schema ->> 'maxProperties')::numeric then 'has more than ' || (_schema ->> 'maxProperties') || ' keys'
        else (select format('lacks %s', r) from jsonb_array_elements_text(_schema -> 'required') r where not _value ? r limit 1)
      end;
    else
      _fault := null;
  end case;
  if _fault is not null then
    return format('%s %s', _path, _fault);
  end if;
  for _each in
    select left(format('%s.%s', _path, p.key), 400) as path, coalesce(_schema -> 'properties' -> p.key, _schema -> 'additionalProperties') as schema,
      p.value
    from jsonb_each(case jsonb_typeof(_value) when 'object' then _value else '{}' end) p
    union all
    select left(format('%s[%s]', _path, a.nth - 1), 400), _schema -> 'items', a.value
    from jsonb_array_elements(case jsonb_typeof(_value) when 'array' then _value else '[]' end) with ordinality a (value, nth)
    union all
    select _path, s.value, _value from jsonb_array_elements(_schema -> 'allOf') s
  loop
    continue when _each.schema is null;
    _fault := ledger.schema_fault(_each.schema, _each.value, _each.path);
    if _fault is not null then
      return _fault;
    end if;
  end loop;
  if _schema ? 'not' and ledger.schema_fault(_schema -> 'not', _value, _path) is null then
    return _path || ' is what it must not be';
  end if;
  if _schema ? 'anyOf' and not exists (
    select from jsonb_array_elements(_schema -> 'anyOf') s where ledger.schema_fault(s, _value, _path) is null)
  then
    return _path || ' is nothing of anyOf';
  end if;
  if _schema ? 'oneOf' then
    _count := (select count(*) from jsonb_array_elements(_schema -> 'oneOf') s where ledger.schema_fault(s, _value, _path) is null);
    if _count <> 1 then
      return format('%s is %s of oneOf', _path, case _count when 0 then 'nothing' else 'several' end);
    end if;
  end if;
  return null;
end $$;
comment on function ledger.schema_fault(jsonb, jsonb, text) is 'Why a value does not keep to a JSON Schema, and where; null when it does.';

create function ledger.set_event_schema(_type text, _type_version smallint, _schema json) returns void
language plpgsql
set search_path to pg_catalog, pg_temp
as $$
declare
  _known jsonb;
  _flaw text;
begin
  select t.schema into _known from ledger.event_type t where t.type = _type and t.type_version = _type_version for update;
  if not found then
    perform ledger.refuse('LG422', format('Event type "%s" version %s is not registered.', left(_type, 200), _type_version),
      json_build_object('type', left(_type, 200), 'type_version', _type_version), 'select ledger.register_event_type(type, version, description).');
  end if;
  if _known is not null and _known is distinct from _schema::jsonb then
    perform ledger.refuse('LG400', format('%s version %s has a schema already.', _type, _type_version),
      json_build_object('type', _type, 'type_version', _type_version), 'Data of another shape is another version of the type: register one.');
  end if;
  _flaw := ledger.schema_flaw(_schema::jsonb, '#');
  if _flaw is not null then
    perform ledger.refuse('LG400', format('The schema of %s cannot be enforced: %s.', _type, _flaw), json_build_object('type', _type),
      'Known are: ' || array_to_string(ledger.schema_keywords(), ', ') || '.');
  end if;
  update ledger.event_type t set schema = _schema::jsonb where t.type = _type and t.type_version = _type_version;
end $$;
comment on function ledger.set_event_schema(text, smallint, json) is
  'Has every later event of a type and version keep to a JSON Schema. Set once; another shape is another version.';

create function ledger.check_schemas(_workspace text, _ids uuid[], _data text[], _types text[], _type_versions smallint[]) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  _wrong record;
begin
  if not exists (select from ledger.event_type t where t.schema is not null and t.type = any (_types)) then
    return;
  end if;
  -- what is known already is not asked again: it may have come before its schema
  select u.nth - 1 as index, u.type, f.fault into _wrong
  from unnest(_ids, _data, _types, _type_versions) with ordinality as u (id, data, type, type_version, nth)
  join ledger.event_type t on t.type = u.type and t.type_version = coalesce(u.type_version, 1::smallint) and t.schema is not null
  cross join lateral (select ledger.schema_fault(t.schema, u.data::jsonb, 'data') as fault offset 0) f
  where f.fault is not null and not exists (select from ledger.event e where e.workspace = _workspace and e.id = u.id)
  order by u.nth limit 1;
  if found then
    perform ledger.refuse('LG400', format('The data of event %s does not keep to the schema of %s: %s.', _wrong.index, _wrong.type, _wrong.fault),
      json_build_object('index', _wrong.index, 'reason', _wrong.fault, 'type', _wrong.type),
      'select schema from ledger.event_type says what it has to be. Events are counted from 0.');
  end if;
end $$;
comment on function ledger.check_schemas(text, uuid[], text[], text[], smallint[]) is 'Refuses a batch with data that does not keep to the schema of its type.';

select ledger.change_function(p.oid::regprocedure, 'perform ledger.check_data(_data, _types);',
  $to$perform ledger.check_data(_data, _types);
  perform ledger.check_schemas(_workspace, _ids, _data, _types, _type_versions);$to$)
from pg_proc p where p.pronamespace = 'ledger'::regnamespace and p.proname = 'append';
select ledger.change_function(p.oid::regprocedure, 'perform ledger.check_data(array[_data], array[_type]);',
  $to$perform ledger.check_data(array[_data], array[_type]);
  perform ledger.check_schemas(_workspace, array[_id], array[_data], array[_type], array[_type_version]);$to$)
from pg_proc p where p.pronamespace = 'ledger'::regnamespace and p.proname = 'append_one';

-- For psql and COPY: events as they stand in lines of JSON. Their data is the text that stands there.
create function ledger.append_lines(_workspace text, _lines json[])
returns table (sequences bigint[], appended integer, replayed integer, recorded_at timestamptz)
language plpgsql
set search_path to pg_catalog, pg_temp
as $$
declare
  _stranger record;
begin
  select l.nth, k.key into _stranger
  from unnest(_lines) with ordinality l (line, nth) cross join lateral json_object_keys(l.line) k (key)
  where k.key <> all (array['id', 'stream', 'type', 'type_version', 'data', 'occurred_at', 'expected_version'])
  order by l.nth limit 1;
  if found then
    perform ledger.refuse('LG400', format('Line %s has "%s", which is no key of an event.', _stranger.nth, left(_stranger.key, 80)),
      json_build_object('index', _stranger.nth - 1, 'reason', 'unknown key'),
      'Those are id, stream, type, data, type_version, occurred_at and expected_version.');
  end if;
  return query
  select a.*
  from (
    select array_agg(l.line ->> 'stream' order by l.nth) as streams,
      nullif(array_agg((l.line ->> 'expected_version')::bigint order by l.nth), array_fill(null::bigint, array[count(*)::integer])) as expected,
      array_agg((l.line ->> 'id')::uuid order by l.nth) as ids, array_agg(l.line ->> 'type' order by l.nth) as types,
      array_agg(coalesce((l.line ->> 'type_version')::smallint, 1::smallint) order by l.nth) as type_versions,
      array_agg((l.line ->> 'occurred_at')::timestamptz order by l.nth) as occurred_at,
      array_agg((l.line -> 'data')::text order by l.nth) as data
    from unnest(_lines) with ordinality l (line, nth)
  ) b
  cross join lateral ledger.append(_workspace, b.streams, b.expected, b.ids, b.types, b.type_versions, b.occurred_at, b.data, null, null,
    null, null) a;
end $$;
comment on function ledger.append_lines(text, json[]) is
  'Appends events that are JSON objects with id, stream, type and data, and if wanted type_version, occurred_at and expected_version: all of them or none.';
revoke execute on function ledger.append_lines(text, json[]) from public;
grant execute on function ledger.append_lines(text, json[]) to ledger_writer;

alter table ledger.projection add column tables text[] not null default '{}';
comment on column ledger.projection.tables is
  'Its tables, each with a column workspace: what ledger.check_projection compares. Empty for one that has a check of its own.';

create function ledger.register_projection(
  _name text, _function text, _reset text, _types text[], _tables text[], _description text, _version integer default 1) returns void
language plpgsql
set search_path to pg_catalog, pg_temp
as $$
declare
  _table text;
begin
  foreach _table in array _tables loop
    if to_regclass(_table) is null or not exists (
      select from pg_attribute a where a.attrelid = to_regclass(_table) and a.attname = 'workspace' and not a.attisdropped)
    then
      perform ledger.refuse('LG400', format('Projection %s: %s is no table with a column workspace.', _name, _table),
        json_build_object('projection', _name, 'table', _table), 'Name it with its schema, for example acme.evaluation.');
    end if;
    if not (select bool_and(has_table_privilege('ledger_owner', to_regclass(_table), p)) from unnest('{select,insert,update,delete}'::text[]) p)
      or not (select has_schema_privilege('ledger_owner', c.relnamespace, 'usage') from pg_class c where c.oid = to_regclass(_table))
    then
      perform ledger.refuse('LG400', format('Projection %s: ledger_owner may not write to %s, and appends write as it.', _name, _table),
        json_build_object('projection', _name, 'table', _table),
        format('grant usage on its schema, and select, insert, update, delete on %s, to ledger_owner.', _table));
    end if;
  end loop;
  insert into ledger.projection (name, function, reset, types, tables, description, version)
  values (_name, _function, _reset, _types, _tables, _description, _version)
  on conflict (name) do update set function = excluded.function, reset = excluded.reset, types = excluded.types,
    tables = excluded.tables, description = excluded.description, version = excluded.version;
end $$;
comment on function ledger.register_projection(text, text, text, text[], text[], text, integer) is
  'Registers a projection, or changes one: function(workspace, first, last) moves its tables, reset(workspace) empties them. It is stale in every workspace with events until ledger.rebuild_projection; raise the version when the same events must give other rows.';

-- Made anew in a subtransaction that is taken back: what it would be is compared with what is there.
create function ledger.check_projection(_name text, _workspace text)
returns table (projection_table text, difference text, row_text text)
language plpgsql security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  _tables text[];
  _table text;
  _found jsonb := '[]';
begin
  select p.tables into _tables from ledger.projection p where p.name = _name;
  if not found or _tables = '{}' then
    perform ledger.refuse('LG400', format('Projection %s is not known, or names no tables to compare.', _name), json_build_object('projection', _name),
      'select name, tables from ledger.projection. That of the marketplace: select * from marketplace_projection.check(workspace).');
  end if;
  perform from ledger.head h where h.workspace = _workspace for update;
  if not found then
    perform ledger.refuse_workspace(_workspace);
  end if;
  return query
    select null::text, 'stale', format('stopped at event %s: %s', s.from_sequence, s.message)
    from ledger.projection_stale s where s.projection = _name and s.workspace = _workspace;
  if found then
    return;
  end if;
  begin
    for _nth in 1 .. cardinality(_tables) loop
      execute format('create temporary table checked_%s on commit drop as select * from %s t where t.workspace = $1', _nth, _tables[_nth]::regclass)
        using _workspace;
    end loop;
    perform ledger.rebuild_projection(_name, _workspace);
    for _nth in 1 .. cardinality(_tables) loop
      execute format($sql$
        select $1 || coalesce(jsonb_agg(jsonb_build_array(%1$L, d.difference, d.row_text)), '[]') from (
          select 'missing' as difference, x.row_text from (
            select n::text as row_text from %2$s n where n.workspace = $2 except all select o::text from pg_temp.checked_%3$s o) x
          union all
          select 'unfounded', x.row_text from (
            select o::text as row_text from pg_temp.checked_%3$s o except all select n::text from %2$s n where n.workspace = $2) x) d
        $sql$, _tables[_nth], _tables[_nth]::regclass, _nth) into _found using _found, _workspace;
    end loop;
    raise exception using errcode = 'LG000';
  exception when sqlstate 'LG000' then
    null; -- taken back
  end;
  return query select f ->> 0, f ->> 1, f ->> 2 from jsonb_array_elements(_found) f;
end $$;
comment on function ledger.check_projection(text, text) is
  'Makes a registered projection of a workspace anew, compares, and takes that back: rows that are missing, and rows that no event accounts for; none when it is right. Appends of the workspace wait meanwhile.';
revoke execute on function
  ledger.set_event_schema(text, smallint, json), ledger.check_schemas(text, uuid[], text[], text[], smallint[]), ledger.check_projection(text, text),
  ledger.register_projection(text, text, text, text[], text[], text, integer), ledger.schema_fault(jsonb, jsonb, text),
  ledger.schema_flaw(jsonb, text) from public;
grant execute on function ledger.check_projection(text, text) to ledger_auditor, ledger_service;
reset role;
