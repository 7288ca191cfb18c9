-- Whether a workspace has rows is looked up by key. The statistics of tables that were just emptied, or that grow while
-- one workspace after the other is rebuilt, have the planner read what all the others have: a sixth of a rebuild.
set local role ledger_owner;

alter function marketplace_projection.rebuild(text, bigint) set enable_seqscan = off;
reset role;
