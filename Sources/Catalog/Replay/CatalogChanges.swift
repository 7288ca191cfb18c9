public import Foundation
import Postgres

/// What the catalog says of one model otherwise than before, and what happened to that model in between.
public struct CatalogChange: Sendable, Hashable {
  /// What became of the model's row.
  public enum Kind: String, Sendable, Hashable {
    /// It was not in the catalog before.
    case added
    /// It is not in the catalog any more.
    case removed
    /// It says something else.
    case changed
  }

  /// One column of the catalog.
  public struct Field: Sendable, Hashable {
    /// The column of view `marketplace.catalog`.
    public let name: String
    /// What it said, as text; `nil` for nothing.
    public let before: String?
    /// What it says.
    public let after: String?
  }

  /// The source workspace.
  public let workspace: String
  /// The model's incarnation.
  public let model: UUID
  /// Its name at the source, and in the marketplace.
  public let name: String?
  /// Its name in the marketplace; `nil` until its first import.
  public let marketplaceName: String?
  /// What became of its row.
  public let kind: Kind
  /// What differs, by the names of the columns.
  public internal(set) var fields: [Field]
  /// The events in between, in their order.
  public internal(set) var events: [HistoryLine]

  /// What one column says otherwise; `nil` where it does not.
  public func field(_ name: String) -> Field? { fields.first { $0.name == name } }
}

extension Catalog {
  /// What changed in the catalog between two positions of the ledger, model by model, and the events that did it.
  ///
  /// - Throws: ``CatalogError`` with `.positionNotSealed`; see ``Catalog``.
  public func changes(from earlier: Int64, to later: Int64) async throws -> [CatalogChange] {
    try await changes(from: earlier, to: later, models: nil, linesMax: nil).changes
  }

  /// The same of some of the models, in their order, each with its last lines.
  ///
  /// - Parameters:
  ///   - models: which, counted from 0; nil for all.
  ///   - linesMax: lines of history of a model, the last ones; nil for all.
  /// - Returns: the changes, and how many models changed at all.
  /// - Throws: as ``changes(from:to:)``.
  public func changes(
    from earlier: Int64, to later: Int64, models: Range<Int>?, linesMax: Int?
  ) async throws -> (changes: [CatalogChange], count: Int) {
    let (fields, lines) = try await sealed { session in
      let fields = try session.query(
        """
        SELECT * FROM (
          SELECT c.*, max(nth) OVER () AS count FROM (
            SELECT workspace, model, name, marketplace_name, change, field, before, after,
              dense_rank() OVER (ORDER BY workspace, marketplace_name, model) AS nth
            FROM marketplace.catalog_changes($1, $2)) c) c
        WHERE nth > $3 AND ($4::bigint IS NULL OR nth <= $4::bigint) ORDER BY nth, field
        """, [earlier, later, models?.lowerBound ?? 0, models?.upperBound])
      let named = try Array(Set(fields.map { try $0.uuid("model") }))
      return (
        fields,
        try session.query(
          """
          SELECT * FROM (
            SELECT model, \(HistoryLine.columns),
              dense_rank() OVER (PARTITION BY workspace, model ORDER BY sequence DESC) AS nth
            FROM marketplace.model_history_between($1, $2) WHERE model = ANY ($3::uuid[])) h
          WHERE $4::bigint IS NULL OR nth <= $4::bigint \(HistoryLine.order)
          """, [earlier, later, named, linesMax])
      )
    }
    let count = try fields.first?.int("count") ?? 0
    var changes: [CatalogChange] = []
    for row in fields {
      let (workspace, model) = (try row.string("workspace"), try row.uuid("model"))
      let field = CatalogChange.Field(
        name: try row.string("field"), before: try row.optionalString("before"), after: try row.optionalString("after"))
      if let last = changes.last, last.workspace == workspace, last.model == model {
        changes[changes.count - 1].fields.append(field)
        continue
      }
      changes.append(
        CatalogChange(
          workspace: workspace, model: model, name: try row.optionalString("name"),
          marketplaceName: try row.optionalString("marketplace_name"),
          kind: CatalogChange.Kind(rawValue: try row.string("change")) ?? .changed, fields: [field], events: []))
    }
    let events = try Dictionary(grouping: lines) { try $0.uuid("model") }
    for place in changes.indices { changes[place].events = try HistoryLine.lines(events[changes[place].model] ?? []) }
    return (changes, count)
  }
}
