-- What is checked at the door. Writers may come with psql, so nothing that a client checks is taken on trust.
-- The common event must cost little: a batch is checked as a whole by what runs at the speed of C, and only
-- what looks suspicious is read slowly, event by event, to find out and to name what is wrong.
set local role ledger_owner;

-- Bounds, each with its unit last.
create function ledger.batch_events_max() returns integer language sql immutable as 'select 10000';
create function ledger.batch_bytes_max() returns integer language sql immutable as 'select 67108864';
create function ledger.data_bytes_max() returns integer language sql immutable as 'select 1048576';
create function ledger.data_depth_max() returns integer language sql immutable as 'select 64';
create function ledger.number_digits_max() returns integer language sql immutable as 'select 40';
create function ledger.number_exponent_max() returns integer language sql immutable as 'select 308';
create function ledger.stream_bytes_max() returns integer language sql immutable as 'select 512';
create function ledger.principal_bytes_max() returns integer language sql immutable as 'select 256';
comment on function ledger.batch_events_max() is 'Events one call may append.';
comment on function ledger.batch_bytes_max() is 'Bytes of data one call may append.';
comment on function ledger.data_bytes_max() is 'Bytes of data an event may have.';
comment on function ledger.data_depth_max() is 'Objects and arrays of data that may stand one in another.';
comment on function ledger.number_digits_max() is 'Digits a number in data may have, exponent not counted.';
comment on function ledger.number_exponent_max() is 'The greatest exponent a number in data may have, either way.';
comment on function ledger.stream_bytes_max() is 'Bytes the name of a stream may have.';
comment on function ledger.principal_bytes_max() is 'Bytes the name of a principal may have.';

create function ledger.refuse(_state text, _message text, _detail json, _hint text) returns void
language plpgsql as $$
begin
  raise exception using errcode = _state, message = _message, detail = _detail::text, hint = _hint;
end $$;
comment on function ledger.refuse(text, text, json, text) is
  'Refuses what was asked: SQLSTATE, a sentence, the facts as JSON, and what to do.';

-- Data without its strings. Linear: an escaped backslash, then an escaped quote, are taken out, then every
-- second piece between quotes is a string. Right for all valid JSON; for other text any answer will do,
-- because the parser refuses it afterwards.
create function ledger.data_skeleton(_data text) returns text
language sql immutable parallel safe as $$
  select coalesce(string_agg(piece, '""' order by nth), '')
  from string_to_array(replace(replace(_data, '\\', ''), '\"', ''), '"') as pieces,
       unnest(pieces) with ordinality as p (piece, nth)
  where nth % 2 = 1
$$;
comment on function ledger.data_skeleton(text) is 'JSON text with every string made empty.';

-- Takes out the innermost pairs, level by level, so it ends after as many rounds as there are levels.
create function ledger.data_is_too_deep(_data text) returns boolean
language plpgsql immutable parallel safe as $$
declare
  _rest text := translate(regexp_replace(ledger.data_skeleton(_data), '[^][{}]+', '', 'g'), '{}', '[]');
begin
  for _level in 1..ledger.data_depth_max() loop
    exit when _rest = '';
    _rest := replace(_rest, '[]', '');
  end loop;
  -- Pairs that do not match leave something, too; that is for the parser to say, unless it is deep.
  return octet_length(_rest) - octet_length(replace(_rest, '[', '')) > ledger.data_depth_max()
    or position('[]' in _rest) > 0;
end $$;
comment on function ledger.data_is_too_deep(text) is 'Whether JSON text is nested deeper than ledger.data_depth_max().';

create function ledger.data_number_out_of_bounds(_data text) returns text
language sql immutable parallel safe as $$
  select n[1] || coalesce(n[2], '')
  from regexp_matches(ledger.data_skeleton(_data), '(-?[0-9]+(?:\.[0-9]+)?)([eE][-+]?[0-9]+)?', 'g') as n
  where octet_length(replace(replace(n[1], '-', ''), '.', '')) > ledger.number_digits_max()
    or octet_length(ltrim(ltrim(n[2], 'eE+-'), '0')) > 9
    or ltrim(n[2], 'eE+-')::numeric > ledger.number_exponent_max()
  limit 1
$$;
comment on function ledger.data_number_out_of_bounds(text) is
  'The first number with too many digits or too great an exponent; null if there is none.';

create function ledger.data_duplicate_key(_data json) returns text
language sql immutable parallel safe as $$
  with recursive node (place, value) as (
      select '', _data
    union all
      select node.place || '/' || member.nth, member.value
      from node,
           lateral (
               select nth, value
               from json_each(case json_typeof(node.value) when 'object' then node.value end)
                 with ordinality as o (key, value, nth)
             union all
               select nth, value
               from json_array_elements(case json_typeof(node.value) when 'array' then node.value end)
                 with ordinality as a (value, nth)
           ) member
      where json_typeof(member.value) in ('object', 'array')
  )
  select key
  from node, lateral json_object_keys(case json_typeof(node.value) when 'object' then node.value end) as key
  group by node.place, key
  having count(*) > 1
  limit 1
$$;
comment on function ledger.data_duplicate_key(json) is 'A key that stands twice in one object, at any level; null if none does.';

-- What is wrong with one event's data, found slowly and exactly. The order matters: what could hurt the parser
-- is found before it is called.
create function ledger.data_fault(_data text, out reason text, out message text)
language plpgsql immutable as $$
declare
  _found text;
begin
  if _data is null then
    reason := 'missing'; message := 'it is missing';
    return;
  end if;
  if octet_length(_data) > ledger.data_bytes_max() then
    reason := 'too_large';
    message := format('it has %s bytes, and %s are the most (data_bytes_max)', octet_length(_data), ledger.data_bytes_max());
    return;
  end if;
  if ledger.data_is_too_deep(_data) then
    reason := 'too_deep';
    message := format('it is nested deeper than %s levels (data_depth_max)', ledger.data_depth_max());
    return;
  end if;
  begin
    perform _data::json;
  exception when data_exception or program_limit_exceeded then
    reason := 'malformed'; message := 'it is not JSON: ' || sqlerrm;
    return;
  end;
  if json_typeof(_data::json) <> 'object' then
    reason := 'not_an_object'; message := format('it is of type %s, not a JSON object', json_typeof(_data::json));
    return;
  end if;
  _found := ledger.data_number_out_of_bounds(_data);
  if _found is not null then
    reason := 'number_out_of_bounds';
    message := format('the number %s has more than %s digits (number_digits_max) or an exponent beyond %s (number_exponent_max)',
                      left(_found, 50), ledger.number_digits_max(), ledger.number_exponent_max());
    return;
  end if;
  begin
    perform _data::jsonb;
  exception
    when untranslatable_character then
      reason := 'nul'; message := 'a string in it holds NUL (\u0000)';
      return;
    when data_exception or program_limit_exceeded then
      -- The json parser took it and the jsonb parser does not: an escape that is no character.
      reason := 'lone_surrogate'; message := 'a string in it holds half a surrogate pair';
      return;
  end;
  _found := ledger.data_duplicate_key(_data::json);
  if _found is not null then
    reason := 'duplicate_key'; message := format('the key "%s" stands twice in one object', left(_found, 200));
  end if;
end $$;
comment on function ledger.data_fault(text) is 'Why data would be refused, as a code and as the end of a sentence; nulls if it is well.';

-- Names the first event whose data is at fault; returns if none is.
create function ledger.refuse_faulty_data(_data text[]) returns void
language plpgsql as $$
declare
  _fault record;
begin
  select d.nth - 1 as index, f.reason, f.message into _fault
  from unnest(_data) with ordinality as d (data, nth), lateral ledger.data_fault(d.data) as f
  where f.reason is not null
  order by d.nth
  limit 1;
  if found then
    perform ledger.refuse('LG400', format('The data of event %s is refused: %s.', _fault.index, _fault.message),
      json_build_object('index', _fault.index, 'field', 'data', 'reason', _fault.reason),
      'Events are counted from 0. Data is one JSON object within the bounds that ledger.*_max() name.');
  end if;
end $$;
comment on function ledger.refuse_faulty_data(text[]) is 'Refuses the first event whose data is at fault, and says why.';

create function ledger.joined_bytes_max() returns integer language sql immutable as 'select 65536';
comment on function ledger.joined_bytes_max() is
  'Bytes up to which a batch is checked as one text: one call of each function, no query. Greater texts are given back to the system and asked for anew at every step, which costs more than a query.';

-- Data of the types below consist, as a rule, of some of these keys in this order, with strings without escapes and
-- whole numbers. Text that is so has no key twice, no level below the first, and no number or escape that could be
-- refused, which one regular expression sees for a whole batch. This is for speed alone: other keys or another order
-- are checked slowly and refused by nothing but the rules.
create function ledger.flat_types() returns text[] language sql immutable as $$ select '{}'::text[] $$;
create function ledger.flat_keys() returns text[] language sql immutable as $$ select '{}'::text[] $$;
comment on function ledger.flat_types() is 'Types whose data are, as a rule, one object without another in it.';
comment on function ledger.flat_keys() is 'Keys of their data, sorted by byte.';

create function ledger.flat_pattern() returns text
language sql immutable as $$
  select '^(?:\{' || coalesce(string_agg(format('(?:"%s":(?:"[^"\\]*"|-?[0-9]{1,19}),?)?', k), '' order by k collate "C"), '') || '\},?)*$'
  from unnest(ledger.flat_keys()) k
$$;
comment on function ledger.flat_pattern() is
  'What events of flat data look like, joined by commas: each key once at most, and nothing that could be refused.';

-- Checks the data of a batch; what is left to the cast to json, when a batch is inserted, is whether each is JSON at
-- all. What it relies on:
-- * Text with no more than n opening brackets is nested no deeper than n.
-- * A number with an exponent follows a colon, a comma, a bracket or a space. Such a number may grow to hundreds
--   of digits when jsonb is written out, so events that have one, or a long one, are read slowly.
-- * A colon outside a string follows a key, one each. Strings keep their colons through jsonb, unless one is
--   written as \u003a; events with such escapes are read slowly, too. The others and their jsonb have equally
--   many colons exactly if jsonb dropped no key, that is, if no key stood twice.
-- * JSON that begins with { is an object.
create function ledger.check_data(_data text[], _types text[]) returns void
language plpgsql as $$
declare
  _joined text;
  _flat text;
  _rest text[] := _data;
  _bytes bigint;
  _opening bigint;
  _plain text[];
  _binary text;
  _is_different boolean;
begin
  -- What holds for all of them together holds for each, and needs no query.
  _joined := array_to_string(_data, ',');
  _bytes := octet_length(_joined) - cardinality(_data) + 1;
  if _bytes > ledger.batch_bytes_max() then
    perform ledger.refuse('LG400', format('The batch has %s bytes of data, and %s are the most (batch_bytes_max).',
                                          _bytes, ledger.batch_bytes_max()),
      json_build_object('reason', 'batch_too_large', 'bytes', _bytes, 'bytes_max', ledger.batch_bytes_max()),
      'Append it in several calls.');
  end if;
  if _bytes > ledger.data_bytes_max() and exists (select from unnest(_data) d where octet_length(d) > ledger.data_bytes_max())
    or array_position(_data, null) is not null
  then
    perform ledger.refuse_faulty_data(_data);
  end if;

  if _bytes > ledger.joined_bytes_max() then
    select string_agg(d.data, ',') filter (where d.type = any (ledger.flat_types())),
           coalesce(array_agg(d.data) filter (where d.type <> all (ledger.flat_types())), '{}')
      into _flat, _rest
    from unnest(_data, _types) as d (data, type);
    if _flat is null or _flat !~ ledger.flat_pattern() then
      _rest := _data;
    elsif _rest = '{}' then
      return;
    else
      _joined := array_to_string(_rest, ',');
      _bytes := octet_length(_joined);
    end if;
  end if;

  if _bytes <= ledger.joined_bytes_max() then
    _opening := octet_length(_joined) - octet_length(replace(replace(_joined, '[', ''), '{', ''));
  end if;
  if coalesce(_opening > ledger.data_depth_max(), true) then
    select max(octet_length(d) - octet_length(replace(replace(d, '[', ''), '{', ''))) into _opening from unnest(_rest) d;
    if _opening > ledger.data_depth_max() and exists (select from unnest(_rest) d where ledger.data_is_too_deep(d)) then
      perform ledger.refuse_faulty_data(_data);
    end if;
  end if;
  _plain := _rest;
  if _joined ~ '[[:space:]:,[]-?[0-9.]+[eE]|[0-9.]{41}|\\u' then
    if exists (select from unnest(_rest) d, lateral ledger.data_fault(d) f
               where d ~ '[[:space:]:,[]-?[0-9.]+[eE]|[0-9.]{41}|\\u' and f.reason is not null)
    then
      perform ledger.refuse_faulty_data(_data);
    end if;
    select coalesce(array_agg(d), '{}') into _plain from unnest(_rest) d
    where d !~ '[[:space:]:,[]-?[0-9.]+[eE]|[0-9.]{41}|\\u';
    _joined := array_to_string(_plain, ',');
  end if;
  begin
    if cardinality(_data) = 1 then
      perform _data[1]::json;
    end if;
    if _bytes <= ledger.joined_bytes_max() then
      _binary := ('[' || _joined || ']')::jsonb::text;
      _is_different := octet_length(_joined) - octet_length(replace(_joined, ':', ''))
        <> octet_length(_binary) - octet_length(replace(_binary, ':', ''));
    else
      select bool_or(octet_length(q.data) - octet_length(replace(q.data, ':', ''))
                     <> octet_length(q.binary) - octet_length(replace(q.binary, ':', '')))
        into _is_different
      from (select d as data, d::jsonb::text as binary from unnest(_plain) d offset 0) q;
    end if;
  exception when data_exception or program_limit_exceeded then
    perform ledger.refuse_faulty_data(_data);
    raise;
  end;
  if _is_different or exists (select from unnest(_rest) d where ltrim(d, E' \t\n\r') not like '{%') then
    perform ledger.refuse_faulty_data(_data);
  end if;
end $$;
comment on function ledger.check_data(text[], text[]) is
  'Checks the data of a batch, fast; refuses with LG400. Whether it is JSON is for the cast to say, and for ledger.refuse_malformed_data.';

-- Faulty data are refused before anything else is. So whatever refuses a batch that was not parsed yet asks this first.
create function ledger.refuse_malformed_data(_data text[]) returns void
language plpgsql as $$
begin
  perform count(d::json) from unnest(_data) d;
exception when data_exception or program_limit_exceeded then
  perform ledger.refuse_faulty_data(_data);
end $$;
comment on function ledger.refuse_malformed_data(text[]) is 'Refuses the first event whose data is at fault, if one is not JSON.';

create function ledger.is_name(_name text, _bytes_max integer) returns boolean
language sql immutable parallel safe as $$
  select octet_length(_name) between 1 and _bytes_max and _name !~ '[\u0001-\u001f\u007f-\u009f]'
$$;
comment on function ledger.is_name(text, integer) is 'Whether a name has 1 to so many bytes and no control character.';
