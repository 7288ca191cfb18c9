-- Question 10: what administrators did to the log: redactions, data moved to segments, a new log after a loss, and changes of the schema it lies in.
--
--   psql -v at='2026-03-01T00:00:00Z' -f ops/audit/questions/10-administrators.sql
--
-- What an administrator does past the log's own functions has no entry; 'marketplace audit verify' finds it.
select e.recorded_at as at, e.principal as by, 'redacted ' || e.cause_workspace || '/' || e.cause_sequence as what,
  e.data::jsonb ->> 'reason' as reason, e.workspace || '/' || e.sequence as event
from ledger.events e
where e.type = 'EventRedacted' and e.recorded_at <= :'at'::timestamptz
union all
select e.recorded_at, e.principal, 'disconnected ' || e.workspace, e.data::jsonb ->> 'reason', e.workspace || '/' || e.sequence
from ledger.events e
where e.type = 'WorkspaceDisconnected' and e.recorded_at <= :'at'::timestamptz
union all
select e.recorded_at, e.principal, 'opened a new log', e.data::text, e.workspace || '/' || e.sequence
from ledger.events e
where e.type = 'LogReopened' and e.recorded_at <= :'at'::timestamptz
union all
select e.recorded_at, e.principal, case e.type when 'DataDetached' then 'moved data to a segment' else 'brought data back' end,
  e.data::text, e.workspace || '/' || e.sequence
from ledger.events e
where e.type in ('DataDetached', 'DataAttached') and e.recorded_at <= :'at'::timestamptz
union all
select m.applied_at, m.applied_by, 'migrated to ' || m.name, 'SHA-256 ' || encode(m.sha256, 'hex'), null
from migrations.applied m
where m.applied_at <= :'at'::timestamptz
order by 1, 5, 3;
