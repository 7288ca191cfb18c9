-- A fixed history of a small hospital, for the questions of ops/queries: four workspaces, read every Monday at two from
-- January 2025 to the end of March 2026. It comes in the way that recovered events do, so that times, ids and principals are
-- the same in every database; run by a superuser over an empty ledger.
create temporary table happened (
  nth integer generated always as identity, workspace text, stream text, type text, at timestamptz, principal text, data jsonb);

create function pg_temp.night(_n numeric) returns timestamptz language sql as $$
  select timestamptz '2025-01-06 02:00Z' + _n * interval '7 days' $$;
create function pg_temp.ms(_at timestamptz) returns bigint language sql as $$ select (extract(epoch from _at) * 1000)::bigint $$;
create function pg_temp.model(_workspace text, _name text) returns text language sql as $$
  select md5(_workspace || '/' || _name)::uuid::text $$;

create function pg_temp.say(_workspace text, _stream text, _type text, _at timestamptz, _data jsonb, _by text default null) returns void
language sql as $$
  insert into happened (workspace, stream, type, at, principal, data)
  values (_workspace, _stream, _type, _at, coalesce(_by, 'sync-' || _workspace), jsonb_strip_nulls(_data)) $$;

create function pg_temp.observe(_workspace text, _at timestamptz, _reason text default null) returns void language sql as $$
  select pg_temp.say(_workspace, 'workspace', 'WorkspaceObserved', _at + interval '5 minutes', jsonb_build_object(
    'outcome', case when _reason is null then 'complete' else 'unreadable' end, 'reason', _reason, 'message', _reason,
    'models', case when _reason is null then 3 end, 'versions', case when _reason is null then 5 end,
    'changes', case when _reason is null then 0 end,
    'observed_from', pg_temp.ms(_at), 'observed_to', pg_temp.ms(_at + interval '1 minute'))) $$;

-- What the observation at that time finds changed: since the one before it, `_before`.
create function pg_temp.change(
  _workspace text, _name text, _type text, _version integer, _at timestamptz, _before timestamptz, _more jsonb) returns void
language sql as $$
  select pg_temp.say(_workspace, 'model/' || pg_temp.model(_workspace, _name), _type, _at + interval '4 minutes', jsonb_build_object(
    'model', pg_temp.model(_workspace, _name), 'name', _name, 'version', _version, 'created', 1000 + _version,
    'not_before', pg_temp.ms(_before + interval '1 minute'), 'not_after', pg_temp.ms(_at)) || _more) $$;

create function pg_temp.register(_workspace text, _name text, _version integer, _at timestamptz, _before timestamptz) returns void
language sql as $$
  select pg_temp.change(_workspace, _name, 'ModelVersionRegistered', _version, _at, _before, jsonb_build_object(
    'model_created', 900, 'source', format('runs:/%s-%s/model', _name, _version), 'run_id', format('%s-%s', _name, _version))) $$;

create function pg_temp.stage(
  _workspace text, _name text, _version integer, _from text, _to text, _at timestamptz, _before timestamptz,
  _source timestamptz default null) returns void language sql as $$
  select pg_temp.change(_workspace, _name, 'StageTransitioned', _version, _at, _before,
    jsonb_build_object('from', _from, 'to', _to, 'source_time', pg_temp.ms(_source))) $$;

create function pg_temp.describe(
  _workspace text, _name text, _version integer, _at timestamptz, _owner text, _text text, _more jsonb default '{}') returns void
language sql as $$
  select pg_temp.say(_workspace, 'model/' || pg_temp.model(_workspace, _name), 'ModelDescribed', _at + interval '6 minutes',
    jsonb_build_object('model', pg_temp.model(_workspace, _name), 'name', _name, 'version', _version, 'owner', _owner,
      'description', _text, 'tags', '{}'::jsonb) || _more) $$;

create function pg_temp.export(
  _workspace text, _name text, _version integer, _at timestamptz, _bytes bigint, _content text default null) returns void
language sql as $$
  select pg_temp.say(_workspace, 'model/' || pg_temp.model(_workspace, _name), 'ModelExported', _at + interval '10 minutes',
    jsonb_build_object('model', pg_temp.model(_workspace, _name), 'name', _name, 'version', _version, 'created', 1000 + _version,
      'generation', 1, 'export_id', md5(_workspace || _name || _version)::uuid, 'files', 7, 'bytes', _bytes,
      'uri', format('s3://marketplace/exports/%s/%s/%s', _workspace, _name, _version),
      'manifest_sha256', encode(sha256(convert_to(_workspace || _name || _version, 'UTF8')), 'hex'),
      'model_sha256', encode(sha256(convert_to(coalesce(_content, _workspace || _name || _version), 'UTF8')), 'hex'))) $$;

create function pg_temp.import(_workspace text, _name text, _version integer, _at timestamptz, _number integer) returns void
language sql as $$
  select pg_temp.say(_workspace, 'model/' || pg_temp.model(_workspace, _name), 'ModelImported', _at + interval '20 minutes',
    jsonb_build_object('model', pg_temp.model(_workspace, _name), 'name', _name, 'version', _version, 'created', 1000 + _version,
      'generation', 1, 'export_id', md5(_workspace || _name || _version)::uuid, 'target', 'marketplace',
      'marketplace_name', _workspace || '.' || _name, 'marketplace_version', _number, 'marketplace_run_id', md5(_name || _version),
      'manifest_sha256', encode(sha256(convert_to(_workspace || _name || _version, 'UTF8')), 'hex')), 'import-marketplace') $$;

create function pg_temp.show(
  _workspace text, _name text, _version integer, _at timestamptz, _from integer, _to integer, _cause text) returns void
language sql as $$
  select pg_temp.say(_workspace, 'model/' || pg_temp.model(_workspace, _name), 'MarketplacePromotionSet', _at + interval '21 minutes',
    jsonb_build_object('model', pg_temp.model(_workspace, _name), 'name', _name, 'version', _version, 'target', 'marketplace',
      'marketplace_name', _workspace || '.' || _name, 'from', _from, 'to', _to, 'cause', _cause), 'import-marketplace') $$;

-- A version is registered and promoted, and what follows in an ordinary night.
create function pg_temp.promote(
  _workspace text, _name text, _version integer, _n integer, _owner text, _bytes bigint, _auc numeric,
  _signature jsonb default '{"inputs":"[]"}', _content text default null, _days numeric default 0, _source timestamptz default null)
returns void language plpgsql as $$
declare
  _at timestamptz := pg_temp.night(_n);
  _before timestamptz := pg_temp.night(_n - 1);
begin
  perform pg_temp.register(_workspace, _name, _version, _at, _before);
  if _version > 1 then
    perform pg_temp.stage(_workspace, _name, _version - 1, 'Production', 'Archived', _at, _before);
  end if;
  perform pg_temp.stage(_workspace, _name, _version, 'None', 'Production', _at, _before, _source);
  perform pg_temp.describe(_workspace, _name, _version, _at, _owner, format('version %s', _version), jsonb_build_object(
    'flavors', '["python_function","sklearn"]'::jsonb, 'signature', _signature, 'metrics', jsonb_build_object('auc', _auc),
    'params', '{}'::jsonb));
  perform pg_temp.export(_workspace, _name, _version, _at + _days * interval '1 day', _bytes, _content);
end $$;

do $$
declare
  _each record;
begin
  for _each in select * from (values ('dev01', 64), ('dev02', 64), ('dev03', 64), ('dev04', 58)) w (workspace, last) loop
    perform pg_temp.say(_each.workspace, 'workspace', 'WorkspaceConnected', pg_temp.night(0), jsonb_build_object(
      'kind', 'mlflow', 'registry', 'https://' || _each.workspace || '.hospital.example',
      'promoted', '{"aliases":["champion"],"stages":["Production"]}'::jsonb));
    for _n in 0 .. _each.last loop
      perform pg_temp.observe(_each.workspace, pg_temp.night(_n),
        case when _each.workspace = 'dev03' and _n in (45, 46) then 'connection-refused' end);
    end loop;
  end loop;

  -- Cardiology: a rollback within a day, an alias that moves, and a model that nobody has touched since January 2025.
  perform pg_temp.describe('dev01', 'readmission-risk', null, pg_temp.night(1), 'cardiology', 'Risk of readmission within 30 days');
  perform pg_temp.promote('dev01', 'readmission-risk', 1, 1, 'cardiology', 4000000, 0.81);
  perform pg_temp.import('dev01', 'readmission-risk', 1, pg_temp.night(1), 1);
  perform pg_temp.show('dev01', 'readmission-risk', 1, pg_temp.night(1), null, 1, 'promotion');
  perform pg_temp.promote('dev01', 'readmission-risk', 2, 20, 'cardiology', 4100000, 0.83, _source => '2025-05-23 17:40Z');
  perform pg_temp.import('dev01', 'readmission-risk', 2, pg_temp.night(20), 2);
  perform pg_temp.show('dev01', 'readmission-risk', 2, pg_temp.night(20), 1, 2, 'promotion');
  perform pg_temp.observe('dev01', pg_temp.night(20) + interval '12 hours');
  perform pg_temp.stage('dev01', 'readmission-risk', 2, 'Production', 'Archived', pg_temp.night(20) + interval '12 hours', pg_temp.night(20));
  perform pg_temp.stage('dev01', 'readmission-risk', 1, 'Archived', 'Production', pg_temp.night(20) + interval '12 hours', pg_temp.night(20));
  perform pg_temp.show('dev01', 'readmission-risk', 1, pg_temp.night(20) + interval '12 hours', 2, 1, 'rollback');
  perform pg_temp.describe('dev01', 'ecg-arrhythmia', null, pg_temp.night(2), 'cardiology', 'Arrhythmia in twelve leads');
  perform pg_temp.promote('dev01', 'ecg-arrhythmia', 1, 2, 'cardiology', 90000000, 0.90);
  perform pg_temp.import('dev01', 'ecg-arrhythmia', 1, pg_temp.night(2) + interval '2 days', 1);
  perform pg_temp.show('dev01', 'ecg-arrhythmia', 1, pg_temp.night(2) + interval '2 days', null, 1, 'promotion');
  perform pg_temp.promote('dev01', 'ecg-arrhythmia', 2, 30, 'cardiology', 95000000, 0.92, _source => '2025-08-01 19:05Z');
  perform pg_temp.import('dev01', 'ecg-arrhythmia', 2, pg_temp.night(30), 2);
  perform pg_temp.show('dev01', 'ecg-arrhythmia', 2, pg_temp.night(30), 1, 2, 'promotion');
  perform pg_temp.promote('dev01', 'mortality', 1, 3, null, 2000000, 0.77);
  perform pg_temp.import('dev01', 'mortality', 1, pg_temp.night(3), 1);
  perform pg_temp.show('dev01', 'mortality', 1, pg_temp.night(3), null, 1, 'promotion');

  -- Intensive care: no signature, an import that fails, an export that waits.
  perform pg_temp.describe('dev02', 'sepsis-alert', null, pg_temp.night(4), 'icu', 'Sepsis six hours ahead');
  perform pg_temp.promote('dev02', 'sepsis-alert', 1, 4, 'icu', 12000000, 0.88, _signature => null, _content => 'sepsis');
  perform pg_temp.import('dev02', 'sepsis-alert', 1, pg_temp.night(4), 1);
  perform pg_temp.show('dev02', 'sepsis-alert', 1, pg_temp.night(4), null, 1, 'promotion');
  perform pg_temp.promote('dev02', 'ventilator', 1, 5, 'icu', 7000000, 0.70);
  perform pg_temp.change('dev02', 'ventilator', 'ImportFailed', 1, pg_temp.night(5) + interval '16 minutes', pg_temp.night(4),
    '{"code":"http-500","message":"Internal Server Error","retriable":true,"target":"marketplace","generation":1}');
  perform pg_temp.promote('dev02', 'falls', 1, 60, 'icu', 3000000, 0.79);

  -- Radiology: three versions, the last one worse; a copy of another's model; a withdrawal; drift; two unreadable nights.
  perform pg_temp.describe('dev03', 'chest-xray', null, pg_temp.night(6), 'radiology', 'Findings in chest radiographs');
  perform pg_temp.promote('dev03', 'chest-xray', 1, 6, 'radiology', 400000000, 0.91);
  perform pg_temp.import('dev03', 'chest-xray', 1, pg_temp.night(6), 1);
  perform pg_temp.show('dev03', 'chest-xray', 1, pg_temp.night(6), null, 1, 'promotion');
  perform pg_temp.promote('dev03', 'chest-xray', 2, 40, 'radiology', 420000000, 0.93);
  perform pg_temp.import('dev03', 'chest-xray', 2, pg_temp.night(40), 2);
  perform pg_temp.show('dev03', 'chest-xray', 2, pg_temp.night(40), 1, 2, 'promotion');
  perform pg_temp.promote('dev03', 'chest-xray', 3, 64, 'radiology', 425000000, 0.90);
  perform pg_temp.import('dev03', 'chest-xray', 3, pg_temp.night(64), 3);
  perform pg_temp.show('dev03', 'chest-xray', 3, pg_temp.night(64), 2, 3, 'promotion');
  perform pg_temp.promote('dev03', 'sepsis-alert', 1, 10, 'radiology', 12000000, 0.88, _content => 'sepsis');
  perform pg_temp.import('dev03', 'sepsis-alert', 1, pg_temp.night(10), 1);
  perform pg_temp.show('dev03', 'sepsis-alert', 1, pg_temp.night(10), null, 1, 'promotion');
  perform pg_temp.promote('dev03', 'nodule', 1, 12, 'radiology', 60000000, 0.85, _days => 3);
  perform pg_temp.import('dev03', 'nodule', 1, pg_temp.night(12) + interval '4 days', 1);
  perform pg_temp.show('dev03', 'nodule', 1, pg_temp.night(12) + interval '4 days', null, 1, 'promotion');
  perform pg_temp.stage('dev03', 'nodule', 1, 'Production', 'Archived', pg_temp.night(62), pg_temp.night(61));
  perform pg_temp.show('dev03', 'nodule', 1, pg_temp.night(62), 1, null, 'withdrawal');
  perform pg_temp.say('dev03', 'model/' || pg_temp.model('dev03', 'chest-xray'), 'MarketplaceDriftFound', pg_temp.night(50),
    jsonb_build_object('model', pg_temp.model('dev03', 'chest-xray'), 'name', 'chest-xray', 'target', 'marketplace',
      'marketplace_name', 'dev03.chest-xray', 'kind', 'promotion', 'expected', 'stage: v2', 'found', 'stage: v1'), 'import-marketplace');

  -- A ward that has not been heard of since February 2026.
  perform pg_temp.promote('dev04', 'los', 1, 7, 'geriatrics', 1000000, 0.66, _signature => null);
  perform pg_temp.import('dev04', 'los', 1, pg_temp.night(7), 1);
  perform pg_temp.show('dev04', 'los', 1, pg_temp.night(7), null, 1, 'promotion');
end $$;

do $$
declare
  _workspace text;
  _month timestamptz;
begin
  create temporary table told on commit drop as
  select h.*, row_number() over (order by h.at, h.nth) as position,
    row_number() over (partition by h.workspace order by h.at, h.nth) as sequence,
    row_number() over (partition by h.workspace, h.stream order by h.at, h.nth) as version,
    decode(md5('salt' || h.nth), 'hex') as salt, h.data::text as text
  from happened h;
  -- sealed at the end of each month
  for _month in select date_trunc('month', t.at at time zone 'UTC') at time zone 'UTC' from told t group by 1 order by 1 loop
    perform ledger.recover(
      array_agg(convert_from(ledger.leaf(t.position, t.workspace, t.sequence, t.stream, t.version, md5('event' || t.nth)::uuid, t.type,
        1::smallint, t.at + t.nth * interval '1 microsecond', null, t.principal, md5(t.workspace || t.at::date)::uuid, null, null, 0,
        sha256(t.salt || convert_to(t.text, 'UTF8'))), 'UTF8') order by t.position),
      array_agg(t.salt order by t.position), array_agg(t.text order by t.position))
    from told t where t.at >= _month and t.at < (_month at time zone 'UTC' + interval '1 month') at time zone 'UTC';
  end loop;
  for _workspace in select workspace from ledger.workspace order by 1 loop
    perform ledger.rebuild_projection('marketplace', _workspace);
  end loop;
end $$;
drop table happened;
