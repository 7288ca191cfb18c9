public import Foundation
public import Postgres

/// One spell of a version: in a stage, under an alias, or as the one the source means.
public struct Spell: Sendable, Hashable {
  /// The source workspace.
  public var workspace: String
  /// Incarnation of the model.
  public var model: UUID
  /// Name of the model at the source.
  public var name: String?
  /// The version.
  public var version: Int
  /// When the version was created at the source.
  public var created: Timestamp?
  /// The stage or the alias; nil for what the source means.
  public var label: String?
  /// The event that began it.
  public var fromSequence: Int64
  /// The event that ended it; nil while it lasts.
  public var toSequence: Int64?
  /// When it was certainly so; nil when no two observations agree.
  public var certain: TimeRange?
  /// When it may have been so.
  public var possible: TimeRange?

  init(_ row: Row) throws {
    workspace = try row.string("workspace")
    model = try row.uuid("model")
    name = try row.optionalString("name")
    version = try row.int("version")
    created = try row.optionalTimestamp("created")
    label = try row.optionalString("label")
    fromSequence = try row.int64("from_sequence")
    toSequence = try row.optionalInt64("to_sequence")
    certain = try TimeRange(row, "certain")
    possible = try TimeRange(row, "possible")
  }
}

extension Catalog {
  private static func spellColumns(_ label: String) -> String {
    """
    workspace, model, name, version, created, \(label) AS label, from_sequence, to_sequence, \
    \(TimeRange.columns("certain")), \(TimeRange.columns("possible"))
    """
  }

  /// Which version was in which stage when.
  public func stages(of model: UUID, in workspace: String, asOf: AsOf = .now) async throws -> [Spell] {
    try await spells(of: model, in: workspace, asOf: asOf, view: "stage_history", label: "stage")
  }

  /// Which version an alias pointed at when.
  public func aliases(of model: UUID, in workspace: String, asOf: AsOf = .now) async throws -> [Spell] {
    try await spells(of: model, in: workspace, asOf: asOf, view: "alias_history", label: "alias")
  }

  /// Which version the source meant when.
  public func production(of model: UUID, in workspace: String, asOf: AsOf = .now) async throws -> [Spell] {
    try await spells(of: model, in: workspace, asOf: asOf, view: "production_history", label: "NULL::text")
  }

  private func spells(
    of model: UUID, in workspace: String, asOf: AsOf, view: String, label: String
  ) async throws -> [Spell] {
    try await rows(
      Self.spellColumns(label), of: view, asOf: asOf,
      "AND workspace = $2 AND model = $3 ORDER BY from_sequence, to_sequence", [workspace, model]
    ).map { try Spell($0) }
  }
}
