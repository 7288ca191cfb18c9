import Ledger
import Marketplace
import Postgres
import Registry
import Storage

/// Why something did not succeed: a stable code, a sentence that says what to do, and whether trying again helps.
public struct Trouble: Error, Sendable, Hashable, CustomStringConvertible {
  /// A message is kept in an event up to so many bytes of UTF-8.
  static let messageBytesMax = 2_000

  /// A stable code, as it stands in events and in JSON.
  public let code: String
  /// What happened, to what, and what to do.
  public let message: String
  /// Whether trying again unchanged can help.
  public let retriable: Bool

  /// Puts the parts together.
  public init(_ code: String, _ message: String, retriable: Bool) {
    self.code = code
    self.message = message
    self.retriable = retriable
  }

  /// The message.
  public var description: String { message }

  /// Of a workspace whose turn came when the run was to begin nothing more.
  public static let notBegun = Trouble(
    "not_begun", "It was not begun, since the run was to end. The next run looks at it.", retriable: true)

  /// Says of any error what a report and an event need. A lost race, the database's errors and
  /// the task's cancellation are not about one model, so they are not made into trouble but thrown on.
  init(_ error: any Error) throws {
    switch error {
    case let trouble as Trouble:
      self = trouble
    case let error as RegistryError:
      // A new token or a new grant mends these without any change at the model.
      let isAccess = error.code == .notAuthenticated || error.code == .notPermitted
      self.init(
        error.code.description.replacing("-", with: "_"), "\(error)", retriable: error.retriable || isAccess)
    case let error as StorageError:
      self.init(error.code.text, "\(error)", retriable: error.retriable || error.code == .notPermitted)
    case let error as DomainError:
      self.init(error.code.text, error.message, retriable: false)
    case let error as LedgerError where !error.isLostRace:
      // What the ledger refuses of one workspace must not end the work in the others.
      self.init("ledger_refused", "\(error)", retriable: false)
    case let error as LedgerError:
      throw error
    case let error as PostgresError:
      throw error
    case let error as CancellationError:
      throw error
    default:
      self.init("unexpected", "\(error)", retriable: true)
    }
  }
}
