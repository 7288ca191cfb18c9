-- Question 1: every model that was available at a time, with owner, purpose, tier, source workspace and digest.
--
--   psql -v at='2026-03-01T00:00:00Z' -f ops/audit/questions/01-inventory.sql
--
-- As it was known then: the answer stays the same. The tier is what the source's tag risk_tier says.
select c.marketplace_name, c.marketplace_version, c.workspace, c.name, c.available_version as version, c.owner,
  c.description as purpose, c.tags ->> 'risk_tier' as tier, c.model_sha256, c.manifest_sha256, c.uri, c.state
from marketplace.catalog_at(:'at'::timestamptz) c
where c.available_version is not null
order by c.marketplace_name;
