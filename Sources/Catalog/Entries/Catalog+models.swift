public import Foundation
import Postgres

/// A model that was ever seen, in the catalog or not.
public struct ModelReference: Sendable, Hashable {
  /// The workspace: the source registry.
  public var workspace: String
  /// Incarnation of the model.
  public var model: UUID
  /// Its newest name at the source.
  public var name: String?

  /// A model of a workspace.
  public init(workspace: String, model: UUID, name: String?) {
    self.workspace = workspace
    self.model = model
    self.name = name
  }
}

extension Catalog {
  /// Every model that bears or bore a name: its marketplace name, `workspace/name`, or its plain name at the source, now or
  /// before it was renamed. Withdrawn and deleted ones too; of several meanings the first that fits counts.
  ///
  /// - Throws: ``CatalogError``; `PostgresError`.
  public func models(named name: String, asOf: AsOf = .now) async throws -> [ModelReference] {
    let imported = try await rows(
      "DISTINCT workspace, model, name", of: "import_summary", asOf: asOf, "AND marketplace_name = $2", [name])
    let known =
      try await imported.isEmpty
      ? rows(
        "DISTINCT workspace, model, name", of: "model_versions", asOf: asOf,
        "AND $2::text IN (workspace || '/' || name, workspace || '.' || name, name, model::text)", [name])
      : imported
    return try (known.isEmpty ? try await formerly(named: name) : known).map {
      ModelReference(
        workspace: try $0.string("workspace"), model: try $0.uuid("model"), name: try $0.optionalString("name"))
    }
  }

  /// Models that had a name at the source before they were renamed.
  private func formerly(named name: String) async throws -> [Row] {
    try await pool.withSession { session in
      try session.query(
        """
        SELECT DISTINCT m.workspace, m.model, m.name
        FROM marketplace_projection.model_closed c JOIN marketplace_projection.model m USING (workspace, model)
        WHERE $1::text IN (c.workspace || '/' || c.name, c.workspace || '.' || c.name, c.name)
        """, [name])
    }
  }
}
