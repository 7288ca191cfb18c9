/// Why tables were not published.
public struct LakehouseError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind.
  public enum Code: String, Sendable, Hashable {
    /// Python, or a package that the writer needs, is not there.
    case writerMissing = "writer_missing"
    /// The writer ended, or said what is not understood. What it had committed stays.
    case writerFailed = "writer_failed"
    /// What is published is further than the ledger: the database was set back.
    case behind = "ledger_behind"
  }

  /// The kind.
  public let code: Code
  /// What, why, and what to do.
  public let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
