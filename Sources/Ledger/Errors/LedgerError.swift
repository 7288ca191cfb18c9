public import Foundation

/// Why the ledger refused, or could not be brought to the schema this program needs.
///
/// `description` is for the person who reads it: what was refused and what to do. Failures of the database itself
/// come as `PostgresError`.
public struct LedgerError: Error, Sendable, Hashable {
  /// The kind of refusal, with its facts.
  public enum Code: Sendable, Hashable {
    /// A stream is not at the version the event was decided on (LG412). In a batch, `actual` counts the events
    /// of the batch before it.
    case wrongExpectedVersion(stream: String, expected: Int64, actual: Int64)
    /// An id is taken by an event with other content (LG409); `sequence` is nil when both are in the same call.
    case sameIDOtherContent(id: UUID, sequence: Int64?)
    /// The workspace has not been opened (LG404).
    case unknownWorkspace(String)
    /// The named cause is not in the log (LG405).
    case unknownCause(EventReference)
    /// An event, or the batch as a whole, breaks a rule (LG400). `index` counts events from 0, `byteOffset` bytes
    /// of its data; both are nil when they do not apply or are not known.
    case invalidEvent(index: Int?, byteOffset: Int?)
    /// The principal may not do this, or nobody may: the log is append-only (LG403, 42501).
    case notAllowed
    /// The type is not registered in this version (LG422).
    case unknownType(type: String, version: Int)
    /// An applied migration differs from the one this program has.
    case migrationEdited(name: String)
    /// The database has migrations this program does not know.
    case databaseNewer(names: [String])
    /// A migration failed; nothing of it was applied.
    case migrationFailed(name: String)
  }

  /// The kind of refusal.
  public var code: Code
  /// One sentence.
  public var message: String
  /// What to do next.
  public var hint: String?
  /// Of ``Code/notAllowed``: whether the principal lacks a grant, rather than whoever is connected a right.
  public var lacksGrant = false

  /// Makes an error.
  public init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }
}

extension LedgerError: CustomStringConvertible, LocalizedError {
  /// The sentence, and what to do next.
  public var description: String { hint.map { "\(message)\nHint: \($0)" } ?? message }

  /// As ``description``.
  public var errorDescription: String? { description }
}
