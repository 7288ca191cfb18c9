public import Foundation

extension Catalog {
  private static let entryColumns = """
    workspace, model, name, marketplace_name, target, version, source_version, source_created, available_version, \
    marketplace_version, state, reason, since, description, owner, tags::text AS tags, version_description, flavors, \
    signature::text AS signature, export_id, uri, manifest_sha256, model_sha256, files, bytes, sequence, recorded_at
    """
  private static let entryOrder =
    "ORDER BY coalesce(marketplace_name, workspace || '.' || name), workspace, model"

  /// Every model that its source promotes or the marketplace still shows, by name.
  ///
  /// - Parameter workspace: only of this workspace; nil for all.
  public func list(asOf: AsOf = .now, workspace: String? = nil) async throws -> [CatalogEntry] {
    try await rows(
      Self.entryColumns, of: "catalog", asOf: asOf,
      "AND ($2::text IS NULL OR workspace = $2::text) \(Self.entryOrder)", [workspace]
    ).map { try CatalogEntry($0) }
  }

  /// Entries that hold every word of `text`, what fits best first: see ``CatalogQuery/text``.
  public func search(_ text: String, asOf: AsOf = .now) async throws -> [CatalogEntry] {
    try await snapshot(asOf: asOf).answer(CatalogQuery(text: text)).entries
  }

  /// The entry of a model, by its incarnation.
  public func entry(model: UUID, in workspace: String, asOf: AsOf = .now) async throws -> CatalogEntry? {
    try await rows(
      Self.entryColumns, of: "catalog", asOf: asOf, "AND workspace = $2 AND model = $3", [workspace, model]
    ).first.map { try CatalogEntry($0) }
  }

  /// The entries that somebody means by `name`: the name in the marketplace, `workspace/name` or `workspace.name`,
  /// the name at the source, or the incarnation.
  ///
  /// Several when the name at the source is not unique; those in the marketplace are.
  public func entries(named name: String, asOf: AsOf = .now) async throws -> [CatalogEntry] {
    try await rows(
      Self.entryColumns, of: "catalog", asOf: asOf,
      """
      AND $2::text IN (marketplace_name, workspace || '/' || name, workspace || '.' || name, name, model::text)
      \(Self.entryOrder)
      """, [name]
    ).map { try CatalogEntry($0) }
  }
}
