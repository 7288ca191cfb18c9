-- From here on every append moves the projections. Workspaces that have events already are stale until rebuilt.
set local role ledger_owner;

insert into ledger.projection (name, function, reset, rebuild, types, description) values (
  'marketplace',
  'marketplace_projection.apply(text,bigint,bigint)',
  'marketplace_projection.reset(text)',
  'marketplace_projection.rebuild(text,bigint)',
  array['WorkspaceConnected', 'WorkspaceDisconnected', 'WorkspaceObserved', 'ModelVersionRegistered',
    'ModelVersionDeleted', 'ModelRenamed', 'ModelDescribed', 'StageTransitioned', 'AliasAssigned', 'AliasRemoved',
    'ModelExported', 'ExportFailed', 'ExportInvalidated', 'ModelImported', 'ImportFailed', 'ImportLost',
    'MarketplacePromotionSet', 'MarketplaceDriftFound', 'EventRedacted'],
  'Catalog, histories and summaries of schema marketplace.');
