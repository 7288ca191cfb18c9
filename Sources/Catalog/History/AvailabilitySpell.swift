public import Foundation
public import Postgres

/// A stretch during which one version of a model could be loaded from the marketplace.
public struct AvailabilitySpell: Sendable, Hashable {
  /// The version at the source; `nil` while none could be loaded.
  public var version: Int?
  /// The model's name in the marketplace.
  public var marketplaceName: String?
  /// The version there.
  public var marketplaceVersion: Int?
  /// The event that began it, by its sequence in the workspace.
  public var fromSequence: Int64
  /// The event that ended it; `nil` while it lasts.
  public var toSequence: Int64?
  /// When its beginning was recorded.
  public var fromRecordedAt: Timestamp
  /// When its end was; `nil` while it lasts.
  public var toRecordedAt: Timestamp?
  /// Why it began.
  public var beganBy: String?
  /// Why it ended.
  public var endedBy: String?

  init(_ row: Row) throws {
    version = try row.optionalInt("version")
    marketplaceName = try row.optionalString("marketplace_name")
    marketplaceVersion = try row.optionalInt("marketplace_version")
    fromSequence = try row.int64("from_sequence")
    toSequence = try row.optionalInt64("to_sequence")
    fromRecordedAt = try row.timestamp("from_recorded_at")
    toRecordedAt = try row.optionalTimestamp("to_recorded_at")
    beganBy = try row.optionalString("began_by")
    endedBy = try row.optionalString("ended_by")
  }
}

extension Catalog {
  /// Which version of a model could be loaded when.
  ///
  /// - Parameter newest: only so many spells, the last ones; nil for all.
  public func availability(
    of model: UUID, in workspace: String, asOf: AsOf = .now, newest: Int? = nil
  ) async throws -> [AvailabilitySpell] {
    try await rows(
      """
      version, marketplace_name, marketplace_version, from_sequence, to_sequence, from_recorded_at, to_recorded_at, \
      began_by, ended_by
      """, of: "availability_history", asOf: asOf,
      "AND workspace = $2 AND model = $3 ORDER BY from_sequence DESC LIMIT $4::bigint", [workspace, model, newest]
    ).reversed().map { try AvailabilitySpell($0) }
  }
}
