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
