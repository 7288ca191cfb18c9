import Crypto
public import Foundation
import JWTKit
public import Postgres

/// Whom identity providers vouch for, by the JSON Web Tokens that they signed.
public actor IdentityProviders {
  /// Bytes of a token.
  static let bytesMax = 8_192
  /// By how much clocks may differ, in milliseconds.
  static let skewMilliseconds: Int64 = 60_000
  /// So long is it remembered that a signature is right.
  static let rememberedFor = Duration.seconds(60)
  /// Tokens that are remembered.
  static let rememberedMax = 10_000

  private struct Known {
    let claims: Claims
    let provider: IdentityProvider
    let verifiedAt: ContinuousClock.Instant
  }

  private let providers: [String: (provider: IdentityProvider, keys: ProviderKeys)]
  private let clock = ContinuousClock()
  private var known: [SHA256.Digest: Known] = [:]

  /// Whoever these vouch for.
  ///
  /// - Parameter document: what is at an address; throws what keeps it from being read.
  public init(_ providers: [IdentityProvider], document: @escaping @Sendable (String) async throws -> Data) {
    self.init(providers, times: ProviderKeys.Times(), document: document)
  }

  init(
    _ providers: [IdentityProvider], times: ProviderKeys.Times,
    document: @escaping @Sendable (String) async throws -> Data
  ) {
    self.providers = Dictionary(
      providers.map { ($0.issuer, (provider: $0, keys: ProviderKeys(of: $0, times: times, document: document))) },
      uniquingKeysWith: { first, _ in first })
  }

  /// Whether a text has the form of a JSON Web Token.
  static func isToken(_ text: String) -> Bool { text.utf8.count { $0 == UInt8(ascii: ".") } == 2 }

  /// Who shows a token.
  ///
  /// - Throws: ``AccessRefusal``; ``AccessUnavailable``; `CancellationError`.
  public func caller(showing text: String, at now: Timestamp) async throws -> Caller {
    let known = try await verified(text)
    try Self.check(known.claims, of: known.provider, at: now)
    let rule = known.provider.callers.first { rule in rule.claims.allSatisfy { known.claims.has($0.key, $0.value) } }
    guard let rule else {
      throw AccessRefusal(
        .unknownCaller, "\(known.provider.issuer) vouches for this token, but nobody whom it names is let in here.")
    }
    return rule.caller
  }

  /// What a token claims, once it is proven that its provider says so.
  private func verified(_ text: String) async throws -> Known {
    let digest = SHA256.hash(data: Data(text.utf8))
    if let found = known[digest], clock.now - found.verifiedAt < Self.rememberedFor { return found }
    let invalid = AccessRefusal(.invalid, AccessRefusal.noToken)
    guard text.utf8.count <= Self.bytesMax, let shown = Shown(text), let issuer = shown.claims.text("iss"),
      let (provider, keys) = providers[issuer], provider.algorithms.contains(shown.header.alg), shown.header.isPlain
    else { throw invalid }
    guard let verifier = try await keys.verifier(shown.header.kid, shown.header.alg),
      let claims = try? await verifier.verify(text, as: Claims.self), claims == shown.claims
    else { throw invalid }
    let found = Known(claims: claims, provider: provider, verifiedAt: clock.now)
    if known.count >= Self.rememberedMax { known.removeAll() }
    known[digest] = found
    return found
  }

  /// What holds for whoever has a token that its provider signed.
  private static func check(_ claims: Claims, of provider: IdentityProvider, at now: Timestamp) throws {
    guard provider.audiences.contains(where: { claims.has("aud", $0) }) else {
      throw AccessRefusal(.audience, "This token is for somebody else than this service: see its claim 'aud'.")
    }
    guard let expires = claims.time("exp") else {
      throw AccessRefusal(.invalid, "This token never expires; one with the claim 'exp' is needed.")
    }
    guard now.milliseconds < expires + skewMilliseconds else {
      throw AccessRefusal(
        .expired, "This token expired at \(Timestamp(milliseconds: expires).rfc3339). Ask for another.")
    }
    for name in ["nbf", "iat"] where claims.values[name] != nil {
      guard let from = claims.time(name), from <= now.milliseconds + skewMilliseconds else {
        throw AccessRefusal(.invalid, "This token is not valid yet: see its claim '\(name)', and the clocks.")
      }
    }
  }

  /// A token, as whoever shows it says that it is.
  private struct Shown {
    let header: Header
    let claims: Claims

    struct Header: Decodable {
      var alg: String
      var kid, typ: String?
      var crit: [String]?

      /// A token for bearers, of which everything is understood.
      var isPlain: Bool {
        crit == nil && ["jwt", "at+jwt", "application/at+jwt", nil].contains(typ?.lowercased())
      }
    }

    init?(_ text: String) {
      let parts = text.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
      guard let header = Self.decode(Header.self, parts[0]), let claims = Self.decode(Claims.self, parts[1]) else {
        return nil
      }
      (self.header, self.claims) = (header, claims)
    }

    private static func decode<T: Decodable>(_ type: T.Type, _ part: Substring) -> T? {
      let standard = part.replacing("-", with: "+").replacing("_", with: "/")
      let padded = String(standard) + String(repeating: "=", count: (4 - part.utf8.count % 4) % 4)
      return Data(base64Encoded: padded).flatMap { try? JSONDecoder().decode(type, from: $0) }
    }
  }
}

/// Everybody who is known here: by tokens of the service's own, and by those of identity providers.
public struct Callers: Sendable {
  private let tokens: TokenBook
  private let providers: IdentityProviders

  /// Whoever shows a token of one of both.
  public init(tokens: TokenBook, providers: IdentityProviders) {
    self.tokens = tokens
    self.providers = providers
  }

  /// Who shows a token.
  ///
  /// - Throws: ``AccessRefusal``; ``AccessUnavailable``; `LedgerError`; `PostgresError`; `CancellationError`.
  public func caller(showing text: String, at now: Timestamp) async throws -> Caller {
    IdentityProviders.isToken(text)
      ? try await providers.caller(showing: text, at: now) : try await tokens.caller(showing: text, at: now)
  }
}
