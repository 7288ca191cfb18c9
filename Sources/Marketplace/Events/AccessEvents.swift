/// Somebody may use the service: a token was made. The token itself is nowhere; what is kept tells whether one shown is it.
public struct TokenCreated: Codable, Hashable, Sendable {
  /// The token's id, which is part of it and no secret.
  public var token: String
  /// What it is for, in the words of whoever made it.
  public var name: String
  /// Whom the service acts for when it is shown.
  public var principal: String
  /// What may be done with it.
  public var scopes: [String]
  /// The workspaces whose events it reaches; `*` for all.
  public var workspaces: [String]
  /// When it ends to be valid, in milliseconds since 1970.
  public var expires: Int64
  /// SHA-256 of the secret, in hexadecimal. The secret is random and has 256 bits, so there is nothing to guess.
  public var sha256: String

  /// Puts the fields together.
  public init(
    token: String, name: String, principal: String, scopes: [String], workspaces: [String], expires: Int64,
    sha256: String
  ) {
    self.token = token
    self.name = name
    self.principal = principal
    self.scopes = scopes
    self.workspaces = workspaces
    self.expires = expires
    self.sha256 = sha256
  }
}

/// A token is valid no longer.
public struct TokenRevoked: Codable, Hashable, Sendable {
  /// The token's id.
  public var token: String
  /// Why, in the words of whoever revoked it.
  public var reason: String?

  /// Puts the fields together.
  public init(token: String, reason: String? = nil) {
    self.token = token
    self.reason = reason
  }
}
