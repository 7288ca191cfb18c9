-- Whether a workspace has rows is looked up by key. The statistics of tables that were just emptied, or that grow while
-- one workspace after the other is rebuilt, have the planner read what all the others have: a sixth of a rebuild. The
-- scratch copy's own small table has no index, and its scan, dear by then, is nothing to compile. Whoever replaces the
-- function sets both again.
set local role ledger_owner;

alter function marketplace_projection.rebuild(text, bigint) set enable_seqscan = off;
alter function marketplace_projection.rebuild(text, bigint) set jit = off;
reset role;
