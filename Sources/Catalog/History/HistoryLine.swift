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

extension Catalog {
  /// What happened to a model, event by event, in the order in which it was recorded.
  public func history(of model: UUID, in workspace: String, asOf: AsOf = .now) async throws -> [HistoryLine] {
    let rows = try await rows(
      "workspace, sequence, recorded_at, \(TimeRange.columns("happened")), kind, what", of: "model_history",
      // what an event said comes before what it brought about
      asOf: asOf, "AND workspace = $2 AND model = $3 ORDER BY sequence, kind = 'current', kind, what",
      [workspace, model])
    var lines: [HistoryLine] = []
    for row in rows {
      let sequence = try row.int64("sequence")
      let kind = try row.string("kind")
      let what = try row.string("what")
      if var last = lines.last, last.sequence == sequence {
        last.kinds.append(kind)
        last.what += ": \(what)"
        lines[lines.count - 1] = last
      } else {
        lines.append(
          HistoryLine(
            workspace: try row.string("workspace"), sequence: sequence,
            recordedAt: try row.timestamp("recorded_at"), happened: try TimeRange(row, "happened"),
            kinds: [kind], what: what))
      }
    }
    return lines
  }
}
