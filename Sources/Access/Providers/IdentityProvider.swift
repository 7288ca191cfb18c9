import Foundation

/// An identity provider whose JSON Web Tokens are believed (OpenID Connect Core 1.0; RFC 9068 for access tokens).
public struct IdentityProvider: Sendable, Hashable {
  /// What signatures may be made with: never a secret that both sides have, since who can check could then sign.
  public static let algorithmsKnown: Set<String> = [
    "ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512",
  ]

  /// Its name, exactly as its tokens have it in `iss`.
  public let issuer: String
  /// Whom its tokens have to be for: one of these stands in `aud`.
  public let audiences: Set<String>
  /// What its tokens may be signed with.
  public let algorithms: Set<String>
  /// Where its keys are; nil where its discovery document says it.
  public let keysAddress: String?
  /// Whom it vouches for. The first that fits is taken.
  public let callers: [Rule]

  /// Whom a token is from, by what it claims.
  public struct Rule: Sendable, Hashable {
    /// Claims, and what each has to be. Where a claim is a list, or words as in `scope`, it has to be among them.
    public let claims: [String: String]
    /// What such a token lets.
    public let caller: Caller

    /// A rule.
    public init(claims: [String: String], caller: Caller) {
      self.claims = claims
      self.caller = caller
    }
  }

  /// A provider.
  public init(
    issuer: String, audiences: Set<String>, algorithms: Set<String>, keysAddress: String?, callers: [Rule]
  ) {
    self.issuer = issuer
    self.audiences = audiences
    self.algorithms = algorithms
    self.keysAddress = keysAddress
    self.callers = callers
  }

  /// Whether what comes from an address can be believed: over TLS, or from this machine.
  public static func isTrustworthy(_ address: String) -> Bool {
    guard let parts = URLComponents(string: address), let host = parts.host, !host.isEmpty, parts.user == nil else {
      return false
    }
    switch parts.scheme {
    case "https": return true
    case "http": return ["127.0.0.1", "localhost", "::1", "[::1]"].contains(host)
    default: return false
    }
  }
}
