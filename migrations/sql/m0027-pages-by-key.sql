-- A page of the global order is looked up run by run, by key. Planned once for any page, it looked as if a whole join were
-- cheaper: from some hundred thousand events on each page of a verification, a publication or a tail read all of them
-- (600 ms of a million, 6 ms by key).
set local role ledger_owner;

alter function ledger.sealed_events(bigint, bigint) set enable_hashjoin = off;
alter function ledger.sealed_events(bigint, bigint) set enable_mergejoin = off;
alter function ledger.sealed_events(bigint, bigint) set enable_seqscan = off;
reset role;
