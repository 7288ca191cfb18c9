-- The event types of the marketplace. What each holds is said where they are encoded; the log itself reads none of it.
set local role ledger_owner;

insert into ledger.event_type (type, type_version, description) values
  ('WorkspaceConnected', 1, 'A source registry is observed, and what counts there as promoted.'),
  ('WorkspaceDisconnected', 1, 'A source registry is no longer observed; it promotes nothing.'),
  ('WorkspaceObserved', 1, 'One run read one registry: what it saw, or why it could not.'),
  ('ModelVersionRegistered', 1, 'A model version was seen for the first time.'),
  ('ModelVersionDeleted', 1, 'A model version is gone at the source.'),
  ('ModelRenamed', 1, 'A registered model has another name at the source.'),
  ('ModelDescribed', 1, 'A snapshot of descriptions, tags, owner, flavours, signature, metrics and parameters.'),
  ('StageTransitioned', 1, 'A model version moved from one stage to another.'),
  ('AliasAssigned', 1, 'An alias points at a model version.'),
  ('AliasRemoved', 1, 'An alias points at nothing any more.'),
  ('ModelExported', 1, 'A complete, verified copy of a model version lies on external storage.'),
  ('ExportFailed', 1, 'A model version could not be exported, and why.'),
  ('ExportInvalidated', 1, 'An export was found wrong; it opens the next generation.'),
  ('MarketplaceNameAssigned', 1, 'A model has its name in the marketplace, for ever.'),
  ('ModelImported', 1, 'An export is a version in the marketplace registry.'),
  ('ImportFailed', 1, 'An export could not be imported, and why.'),
  ('ImportLost', 1, 'An imported version is gone from the marketplace registry; it opens the next generation.'),
  ('MarketplacePromotionSet', 1, 'The marketplace promotes another version of a model, or none.'),
  ('MarketplaceDriftFound', 1, 'Somebody changed the marketplace registry by hand.')
on conflict (type, type_version) do nothing;

-- What most of them hold is one flat object. These two lists let the door see that a batch is well in one step; a type
-- or a key that stands in neither is checked slowly, and that is all.
create or replace function ledger.flat_types() returns text[] language sql immutable as $$
  select array['AliasAssigned', 'AliasRemoved', 'ExportInvalidated', 'ImportLost', 'MarketplaceNameAssigned',
               'MarketplacePromotionSet', 'ModelExported', 'ModelImported', 'ModelRenamed', 'ModelVersionDeleted',
               'ModelVersionRegistered', 'StageTransitioned', 'WorkspaceObserved']
$$;
create or replace function ledger.flat_keys() returns text[] language sql immutable as $$
  select array['alias', 'bytes', 'cause', 'changes', 'created', 'export_id', 'files', 'folded', 'from', 'generation',
               'manifest_sha256', 'marketplace_name', 'marketplace_run_id', 'marketplace_version', 'message', 'model',
               'model_created', 'model_id', 'model_sha256', 'models', 'name', 'not_after', 'not_before', 'observed_from',
               'observed_to', 'outcome', 'reason', 'run_id', 'source', 'source_name', 'source_time', 'target', 'to', 'uri',
               'version', 'versions', 'workspace']
$$;
