public import Foundation
public import Postgres

/// What one event said of a model, and what it brought about.
public struct HistoryLine: Sendable, Hashable {
  /// The source workspace.
  public var workspace: String
  /// The event.
  public var sequence: Int64
  /// When it was recorded.
  public var recordedAt: Timestamp
  /// When it happened: between these two observations, or at a moment.
  public var happened: TimeRange?
  /// The kinds of what it said and brought about, in the words of view `marketplace.model_history`.
  public var kinds: [String]
  /// What happened, for a person: "v2 → Archived: v1 is current".
  public var what: String
}

extension HistoryLine {
  /// What ``lines(_:)`` reads.
  static let columns = "workspace, sequence, recorded_at, \(TimeRange.columns("happened")), kind, what"
  /// The order of what happened: what an event said comes before what it brought about.
  static let order = "ORDER BY workspace, sequence, kind = 'current', kind, what"
  /// The same, the last first.
  static let backwards =
    "ORDER BY workspace DESC, sequence DESC, kind = 'current' DESC, kind DESC, what DESC"

  /// One line for each event, of rows in ``order``.
  static func lines(_ rows: [Row]) throws -> [HistoryLine] {
    var lines: [HistoryLine] = []
    for row in rows {
      let (sequence, kind, what) = (try row.int64("sequence"), try row.string("kind"), try row.string("what"))
      if var last = lines.last, last.sequence == sequence {
        last.kinds.append(kind)
        last.what += ": \(what)"
        lines[lines.count - 1] = last
      } else {
        lines.append(
          HistoryLine(
            workspace: try row.string("workspace"), sequence: sequence, recordedAt: try row.timestamp("recorded_at"),
            happened: try TimeRange(row, "happened"), kinds: [kind], what: what))
      }
    }
    return lines
  }
}

extension Catalog {
  /// What happened to a model, event by event, in the order in which it was recorded.
  ///
  /// - Parameter version: only what concerns this version; `nil` for all.
  public func history(
    of model: UUID, in workspace: String, version: Int? = nil, asOf: AsOf = .now
  ) async throws -> [HistoryLine] {
    try HistoryLine.lines(
      try await rows(
        HistoryLine.columns, of: "model_history", asOf: asOf,
        "AND workspace = $2 AND model = $3 AND ($4::bigint IS NULL OR version = $4::bigint) \(HistoryLine.order)",
        [workspace, model, version]))
  }

  /// What happened to a model lately, in the order in which it was recorded.
  ///
  /// - Parameter rowsMax: rows of the view that are read, from 2 on; an event may take some.
  /// - Returns: the last lines, and whether these are all.
  public func lately(
    of model: UUID, in workspace: String, asOf: AsOf = .now, rowsMax: Int
  ) async throws -> (lines: [HistoryLine], areAll: Bool) {
    let found = try await rows(
      HistoryLine.columns, of: "model_history", asOf: asOf,
      "AND workspace = $2 AND model = $3 \(HistoryLine.backwards) LIMIT $4::bigint", [workspace, model, rowsMax])
    let lines = try HistoryLine.lines(found.reversed())
    // The first may be of an event that said more.
    return found.count < rowsMax ? (lines, true) : (lines.count > 1 ? Array(lines.dropFirst()) : lines, false)
  }
}
