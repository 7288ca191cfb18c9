/// A part of a workspace's summary, in the order of its events.
public struct SummaryPage: Sendable, Hashable {
  /// The sequence that it begins after.
  public let after: Int64
  /// Rows at most.
  public let limit: Int

  /// A part.
  public init(after: Int64, limit: Int) {
    self.after = after
    self.limit = limit
  }

  static func order(_ page: SummaryPage?) -> String {
    page == nil ? "workspace, name, model, version, sequence" : "sequence"
  }
}
