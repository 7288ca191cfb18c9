/// What a caller may do.
public enum Scope: String, Sendable, Hashable, CaseIterable, Comparable {
  /// Read the catalog, its history, the checkpoint and proofs.
  case catalog
  /// Read and follow events.
  case readEvents = "events:read"
  /// Append events, as far as the ledger lets the principal.
  case appendEvents = "events:append"

  /// In the order in which they are told.
  public static func < (a: Scope, b: Scope) -> Bool { a.rawValue < b.rawValue }
}
