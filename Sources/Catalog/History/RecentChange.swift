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
