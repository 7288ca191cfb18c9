-- What changed between two moments, and which events did it.
set local role ledger_owner;

create function marketplace.catalog_changes(_from bigint, _to bigint)
returns table (
  workspace text, model uuid, name text, marketplace_name text, change text, field text, before text, after text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(b.workspace, a.workspace), coalesce(b.model, a.model), coalesce(b.name, a.name),
    coalesce(b.marketplace_name, a.marketplace_name),
    case when a.model is null then 'added' when b.model is null then 'removed' else 'changed' end, f.field, f.before,
    f.after
  from marketplace.catalog_at(_from) a
  full join marketplace.catalog_at(_to) b on b.workspace = a.workspace and b.model = a.model
  cross join lateral (
    select coalesce(x.key, y.key) as field, x.value as before, y.value as after
    from jsonb_each_text(case when a.model is not null then to_jsonb(a) end) x
    full join jsonb_each_text(case when b.model is not null then to_jsonb(b) end) y on y.key = x.key
    where x.value is distinct from y.value
  ) f
  -- when a row came to be as it is says nothing of what it says
  where f.field not in ('workspace', 'model', 'sequence', 'recorded_at', 'since')
  order by 1, 4, 2, 6
$$;
comment on function marketplace.catalog_changes(bigint, bigint) is
  'What the catalog says otherwise at the second position than at the first: a row for each field. change is added, removed or changed; before and after are null where there was or is no row, or no value.';

create function marketplace.model_history_between(_from bigint, _to bigint) returns setof marketplace.model_history
language sql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select h.*
  from marketplace_projection.cut(_to) k
  left join marketplace_projection.cut(_from) b on b.workspace = k.workspace
  cross join lateral marketplace_projection.model_history_of(k.workspace, k.sequence) h
  where h.sequence > coalesce(b.sequence, 0)
$$;
comment on function marketplace.model_history_between(bigint, bigint) is
  'What happened to the models after the first position, up to the second: the lines of model_history_at(second) that model_history_at(first) has not.';

grant execute on function marketplace.catalog_changes(bigint, bigint), marketplace.model_history_between(bigint, bigint)
  to marketplace_analyst, ledger_auditor, ledger_service;
revoke execute on function marketplace.catalog_changes(bigint, bigint), marketplace.model_history_between(bigint, bigint)
  from public;
