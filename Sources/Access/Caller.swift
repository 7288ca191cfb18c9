/// Who asks, once that is proven.
public struct Caller: Sendable, Hashable {
  /// Whom the service acts for; the ledger's grants are this one's.
  public let principal: String
  /// What may be done.
  public let scopes: Set<Scope>
  /// The workspaces whose events are reached.
  public let workspaces: Workspaces

  /// Some workspaces, or all there are and will be.
  public enum Workspaces: Sendable, Hashable {
    /// Every one.
    case all
    /// These.
    case some(Set<String>)

    /// As they are written: `*` for all.
    public init(_ texts: some Sequence<String>) {
      let named = Set(texts)
      self = named.contains("*") ? .all : .some(named)
    }

    /// Whether a workspace is among them.
    public func contains(_ workspace: String) -> Bool {
      switch self {
      case .all: true
      case .some(let named): named.contains(workspace)
      }
    }
  }

  /// A caller.
  public init(principal: String, scopes: Set<Scope>, workspaces: Workspaces) {
    self.principal = principal
    self.scopes = scopes
    self.workspaces = workspaces
  }
}

/// Why a caller is not let in. What is told to a stranger says nothing about what there is.
public struct AccessRefusal: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of refusal.
  public enum Code: String, Sendable, Hashable {
    /// What was shown is no token of this service, or none any more.
    case invalid
    /// The token was valid, and is so no longer. Told to whoever has its secret only.
    case expired
    /// The token was taken back. Told to whoever has its secret only.
    case revoked
    /// The token is for another service.
    case audience
    /// An identity provider vouches for the token, and nothing is let to whom it names.
    case unknownCaller = "unknown_caller"
  }

  /// What is told of anything that is no token.
  static let noToken = "This is no token of this service."

  /// The kind of refusal.
  public let code: Code
  /// What, and what to do.
  public let description: String

  /// A refusal.
  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
