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
    let (fields, lines) = try await sealed { session in
      (
        try session.query(
          """
          SELECT workspace, model, name, marketplace_name, change, field, before, after
          FROM marketplace.catalog_changes($1, $2)
          """, [earlier, later]),
        try session.query(
          """
          SELECT workspace, model, sequence, recorded_at, \(TimeRange.columns("happened")), kind, what
          FROM marketplace.model_history_between($1, $2) \(HistoryLine.order)
          """, [earlier, later])
      )
    }
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
    return changes
  }
}
