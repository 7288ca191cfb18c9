-- Which event a row of the projections names, for whoever has to say where it is wrong.
set local role ledger_owner;

create function marketplace_projection.sequence_of(_table text, _row text) returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $body$
declare
  _fields jsonb;
begin
  if _table is null then
    return null;
  end if;
  execute format('select to_jsonb($1::marketplace_projection.%I)', _table) into _fields using _row;
  return coalesce(_fields ->> 'sequence', _fields ->> 'from_sequence', _fields ->> 'to_sequence')::bigint;
end
$body$;
comment on function marketplace_projection.sequence_of(text, text) is
  'The event that a row, as marketplace_projection.check() returns it, says it rests on.';
revoke execute on function marketplace_projection.sequence_of(text, text) from public;
grant execute on function marketplace_projection.sequence_of(text, text) to ledger_auditor, ledger_service;
