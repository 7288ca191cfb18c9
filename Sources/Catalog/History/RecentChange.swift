public import Foundation
import Postgres

/// Something that happened to some model.
public struct RecentChange: Sendable, Hashable {
  /// The model's incarnation.
  public let model: UUID
  /// Its name at the source.
  public let name: String?
  /// What happened.
  public let line: HistoryLine
}

extension Catalog {
  /// What happened to all models in a stretch of the log, the last first.
  ///
  /// - Parameters:
  ///   - earlier: the position after which it begins.
  ///   - later: the last one.
  /// - Throws: ``CatalogError`` with `.positionNotSealed`; see ``Catalog``.
  public func recent(after earlier: Int64, through later: Int64) async throws -> [RecentChange] {
    guard earlier < later else { return [] }
    let rows = try await sealed { session in
      try session.query(
        """
        SELECT workspace, model, name, sequence, recorded_at, \(TimeRange.columns("happened")), kind, what
        FROM marketplace.model_history_between($1, $2) \(HistoryLine.order)
        """, [earlier, later])
    }
    return try Self.changes(rows)
  }

  /// What happened lately, up to now, the last first: as ``recent(after:through:)``, of the models alone that something
  /// happened to, whose rows are found by their keys.
  ///
  /// - Throws: see ``Catalog``.
  public func recent(after earlier: Int64, limit: Int) async throws -> [RecentChange] {
    // What is said of a workspace as a whole may change what is meant in each of its models.
    let touched = try await pool.withSession { session in
      try session.query(
        """
        SELECT workspace, CASE WHEN starts_with(stream, 'model/') THEN substr(stream, 7)::uuid END AS model,
          min(sequence) AS first, max(sequence) AS last
        FROM ledger.sealed_events($1, $2)
        WHERE stream ~ '^model/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
          OR type IN ('WorkspaceConnected', 'WorkspaceDisconnected')
        GROUP BY 1, 2
        """, [earlier, limit]
      ).map {
        (
          workspace: try $0.string("workspace"), model: try $0.optionalUUID("model"), first: try $0.int64("first"),
          last: try $0.int64("last")
        )
      }
    }
    var rows: [Row] = []
    for (workspace, models) in Dictionary(grouping: touched, by: \.workspace) {
      let named = models.contains { $0.model == nil } ? nil : models.compactMap(\.model)
      rows += try await self.rows(
        "model, name, \(HistoryLine.columns)", of: "model_history", asOf: .now,
        """
        AND workspace = $2 AND ($3::uuid[] IS NULL OR model = ANY ($3::uuid[])) AND sequence BETWEEN $4 AND $5
        \(HistoryLine.order)
        """, [workspace, named, models.map(\.first).min() ?? 1, models.map(\.last).max() ?? 0])
    }
    return try Self.changes(rows)
  }

  /// Changes of rows that are in ``HistoryLine/order`` within each model.
  private static func changes(_ rows: [Row]) throws -> [RecentChange] {
    var changes: [RecentChange] = []
    for (model, rows) in try Dictionary(grouping: rows, by: { try $0.uuid("model") }) {
      let name = try rows.last?.optionalString("name")
      changes += try HistoryLine.lines(rows).map { RecentChange(model: model, name: name, line: $0) }
    }
    return changes.sorted {
      ($1.line.recordedAt, $1.line.workspace, $1.line.sequence) < (
        $0.line.recordedAt, $0.line.workspace, $0.line.sequence
      )
    }
  }
}
