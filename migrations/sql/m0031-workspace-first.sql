-- Every key begins with the workspace, this one too: what lies in a workspace can be moved to another server as it is.
set local role ledger_owner;

alter table ledger.projection_stale drop constraint projection_stale_pkey;
alter table ledger.projection_stale add primary key (workspace, projection);
