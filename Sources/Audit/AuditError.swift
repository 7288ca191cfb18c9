/// What an audit cannot go on from, or found.
public struct AuditError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Which kind of thing it is.
  public enum Code: String, Sendable, Hashable {
    /// The database has fewer events than a checkpoint that was published: it was set back.
    case behind = "ledger_behind"
    /// The database tells another history than was published.
    case forked = "ledger_forked"
    /// What was published is not what its checkpoint says, or its checkpoint is not signed as it should be.
    case published = "published_log_damaged"
    /// What was published is not where it was published to: storage is not mounted, or is another.
    case away = "published_log_away"
    /// Nothing was published yet.
    case unpublished = "nothing_published"
    /// No checkpoint bears the signatures of as many witnesses as are asked for.
    case unwitnessed = "not_witnessed"
    /// Tiles lie there that no checkpoint holds, of events that the database does not have.
    case unsigned = "unsigned_tiles"
    /// A question about an event or a size that the log does not have.
    case unknown = "not_in_the_log"
    /// An export cannot be read, or is none.
    case unreadable = "export_unreadable"
    /// A segment is missing or damaged, or does not hold the data that was detached into it.
    case segment = "segment_damaged"
    /// What was asked for does not fit into one archive.
    case tooLarge = "bundle_too_large"
    /// A key or a policy cannot be used.
    case key = "audit_key"
  }

  /// The kind.
  public let code: Code
  /// What, which, why, and what to do.
  public let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
