public import Postgres

/// When a question is asked about.
public enum AsOf: Sendable, Hashable {
  /// What is known now, sealed or not.
  case now
  /// What was known at a position of the ledger. The answer stays the same for ever.
  case position(Int64)
  /// What was known at a time: at the last position sealed at or before it. The answer stays the same for ever.
  case time(Timestamp)
}

extension AsOf {
  /// The moment that somebody writes: a position, a time (RFC 3339), or a day, which means its beginning in UTC; `nil` for
  /// anything else. Nothing at all is now.
  public init?(text: String) {
    let text = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    guard !text.isEmpty else {
      self = .now
      return
    }
    if let position = Int64(text) {
      self = .position(position)
      return
    }
    let isDay = text.wholeMatch(of: /\d{4}-\d{2}-\d{2}/) != nil
    guard let time = Timestamp(rfc3339: isDay ? text + "T00:00:00Z" : text) else { return nil }
    self = .time(time)
  }
}
