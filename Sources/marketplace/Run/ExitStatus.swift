import ArgumentParser
import Audit
import Catalog
import Lakehouse
import Ledger
import Marketplace
import Postgres
import Registry
import Storage
import Transfer

/// What the program tells whoever started it. The one place where errors meet exit codes.
enum ExitStatus: Int32 {
  case done = 0
  case failed = 1
  case usage = 2
  case someFailed = 3
  case notAllowed = 4
  case unavailable = 5
  case held = 6
  case conflict = 7
  case integrity = 8
  case interrupted = 130
  case terminated = 143

  /// The status of an error that ended a command.
  init(of error: any Error) {
    switch error {
    case let error as Failure: self = error.status
    case let error as JobEnded: self = error.status
    case let error as LedgerError: self = Self.of(error)
    case let error as PostgresError: self = Self.of(error)
    case let error as RegistryError: self = Self.of(error)
    case let error as StorageError: self = Self.of(error)
    case let error as DomainError: self = Self.of(error)
    case let error as AuditError: self = Self.of(error)
    case let error as LakehouseError: self = Self.of(error)
    case let error as CatalogError: self = error.code == .positionNotSealed ? .usage : .failed
    case is CancellationError: self = .interrupted
    default:
      switch MarketplaceCommand.exitCode(for: error) {
      case .success: self = .done
      case .validationFailure: self = .usage
      default: self = .failed
      }
    }
  }

  private static func of(_ error: LedgerError) -> ExitStatus {
    switch error.code {
    case .notAllowed: .notAllowed
    case .wrongExpectedVersion, .sameIDOtherContent: .conflict
    case .invalidEvent, .unknownType, .unknownWorkspace, .unknownCause: .usage
    default: .failed
    }
  }

  /// An id or a template comes from the configuration or the arguments; the rest from events.
  private static func of(_ error: DomainError) -> ExitStatus {
    error.code == .invalidWorkspaceID || error.code == .invalidNameTemplate ? .usage : .failed
  }

  private static func of(_ error: AuditError) -> ExitStatus {
    switch error.code {
    case .behind, .forked, .published, .segment, .unsigned: .integrity
    case .away, .unwitnessed: .unavailable
    case .unknown, .key: .usage
    case .unpublished, .unreadable, .tooLarge: .failed
    }
  }

  private static func of(_ error: LakehouseError) -> ExitStatus {
    switch error.code {
    case .writerMissing: .failed
    case .writerFailed: .unavailable
    case .behind: .integrity
    }
  }

  private static func of(_ error: PostgresError) -> ExitStatus {
    if error.code == .connectionString { return .usage }
    return switch error.sqlState?.prefix(2) {
    case "42" where error.sqlState == "42501", "28": .notAllowed
    case "08", "53", "57", "55", nil: .unavailable
    default: .failed
    }
  }

  private static func of(_ error: StorageError) -> ExitStatus {
    switch error.code {
    case .configuration: .usage
    case .notPermitted, .notAuthenticated: .notAllowed
    default: .unavailable
    }
  }

  /// The status as a code for programs.
  var code: String {
    switch self {
    case .done: "done"
    case .failed: "failed"
    case .usage: "usage"
    case .someFailed: "some_failed"
    case .notAllowed: "not_allowed"
    case .unavailable: "unavailable"
    case .held: "held"
    case .conflict: "conflict"
    case .integrity: "integrity"
    case .interrupted: "interrupted"
    case .terminated: "terminated"
    }
  }

  private static func of(_ error: RegistryError) -> ExitStatus {
    switch error.code {
    case .notAuthenticated, .notPermitted: .notAllowed
    case .configuration: .usage
    default: .unavailable
    }
  }
}
