-- Question 3: who requested, reviewed and approved a model, when, under which policy and for what reason; and whether the
-- approver was another than the requester.
--
--   psql -v model='dev01.readmission-risk' -v at='2026-03-01T00:00:00Z' -f ops/audit/questions/03-approvals.sql
--
-- Reads the governance events as they stand in the log, up to a time. No row: nothing was requested or approved.
with decision as (
  select e.workspace, e.sequence, e.recorded_at, e.principal, e.type, e.stream, e.data::jsonb as data
  from ledger.events e
  where e.type in ('ModelRequested', 'RequestApproved', 'RequestRejected', 'AccessGranted', 'AccessRevoked')
    and e.recorded_at <= :'at'::timestamptz and e.data is not null
    and :'model' in (e.data::jsonb ->> 'marketplace_name', e.data::jsonb ->> 'model')
)
select d.workspace || '/' || d.sequence as event, d.recorded_at, d.type, d.principal, d.data ->> 'policy' as policy,
  d.data ->> 'reason' as reason,
  case when d.type in ('RequestApproved', 'RequestRejected')
    -- null where nobody requested it; a request whose data was redacted counts
    then (select bool_and(r.principal <> d.principal) from ledger.events r
          where r.type = 'ModelRequested' and r.workspace = d.workspace and r.stream = d.stream and r.sequence < d.sequence)
  end as by_another_than_the_requester
from decision d
order by d.workspace, d.sequence;
