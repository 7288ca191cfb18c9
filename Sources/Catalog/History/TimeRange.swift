public import Postgres

/// A stretch of time at the source, as far as observations tell: from its lower end to before its upper end.
public struct TimeRange: Sendable, Hashable {
  /// Where it begins; nil: unbounded.
  public var lower: Timestamp?
  /// Where it ends; nil: unbounded.
  public var upper: Timestamp?

  /// A stretch of time.
  public init(lower: Timestamp?, upper: Timestamp?) {
    self.lower = lower
    self.upper = upper
  }

  /// The columns with which a range is read by ``init(_:_:)``.
  static func columns(_ column: String) -> String {
    """
    lower(\(column)) AS \(column)_lower, upper(\(column)) AS \(column)_upper, \
    coalesce(isempty(\(column)), true) AS \(column)_is_empty
    """
  }

  /// The range in `column`; nil when it is empty.
  init?(_ row: Row, _ column: String) throws {
    guard try !row.bool("\(column)_is_empty") else { return nil }
    lower = try row.optionalTimestamp("\(column)_lower")
    upper = try row.optionalTimestamp("\(column)_upper")
  }
}
