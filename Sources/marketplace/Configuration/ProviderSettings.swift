import Access
import Marketplace

/// An identity provider whose tokens the service believes.
struct ProviderSettings: Decodable {
  var issuer: String
  var audiences: [String]
  var algorithms: [String]?
  /// The address of its keys.
  var keys: String?
  var callers: [Caller]
  static let keys: Set<String> = ["algorithms", "audiences", "callers", "issuer", "keys"]

  /// Whom it vouches for, and what that one may do.
  struct Caller: Decodable {
    var claims: [String: String]
    var principal: String
    var scopes: [String]
    var workspaces: [String]?
    static let keys: Set<String> = ["claims", "principal", "scopes", "workspaces"]
  }
}

extension Settings {
  /// What tokens are signed with unless told otherwise: what every provider offers.
  static let algorithmsDefault = ["RS256"]

  /// The identity providers that are believed.
  ///
  /// - Throws: ``Failure`` for one that would believe too much, or that makes no sense.
  func identityProviders() throws -> [IdentityProvider] {
    let all = file.serve?.providers ?? []
    guard Set(all.map(\.issuer)).count == all.count else {
      throw Self.providers("the same issuer stands there twice.")
    }
    return try all.map { one in
      let place = one.issuer
      for address in [one.issuer] + [one.keys].compactMap(\.self) where !IdentityProvider.isTrustworthy(address) {
        throw Self.providers("'\(address)' has to begin with https://, unless it is on this machine.")
      }
      guard !one.audiences.isEmpty, !one.audiences.contains("") else {
        throw Self.providers(
          "\(place): audiences says whom its tokens are for; without it those for others would be let in.")
      }
      let algorithms = Set(one.algorithms ?? Self.algorithmsDefault)
      let known = IdentityProvider.algorithmsKnown
      guard !algorithms.isEmpty, algorithms.isSubset(of: known) else {
        throw Self.providers("\(place): algorithms are \(known.sorted().joined(separator: ", ")).")
      }
      return IdentityProvider(
        issuer: one.issuer, audiences: Set(one.audiences), algorithms: algorithms, keysAddress: one.keys,
        callers: try one.callers.map { try Self.rule($0, place) })
    }
  }

  private static func rule(_ caller: ProviderSettings.Caller, _ place: String) throws -> IdentityProvider.Rule {
    guard !caller.claims.isEmpty else {
      throw providers(
        "\(place): callers need claims that a token has to have; otherwise everybody whom it knows is let in.")
    }
    let scopes = caller.scopes.map { Scope(rawValue: $0) }
    guard !scopes.isEmpty, !scopes.contains(nil) else {
      throw providers("\(place): scopes are \(Scope.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    guard !caller.principal.isEmpty else { throw providers("\(place): a principal is missing.") }
    let workspaces = caller.workspaces ?? []
    for text in workspaces where text != "*" { _ = try WorkspaceID(text) }
    guard !workspaces.isEmpty || scopes.allSatisfy({ $0 == .catalog }) else {
      throw providers("\(place): workspaces is missing: whose events are reached, or '*' for all.")
    }
    return IdentityProvider.Rule(
      claims: caller.claims,
      caller: Caller(
        principal: caller.principal, scopes: Set(scopes.compactMap(\.self)), workspaces: .init(workspaces)))
  }

  private static func providers(_ why: String) -> Failure {
    Failure(.usage, "serve_providers", "serve: providers: \(why)")
  }
}
