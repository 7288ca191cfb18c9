import Foundation
import JWTKit

/// The keys of an identity provider (RFC 7517), read when they are needed, and anew when a token names one that is not known.
actor ProviderKeys {
  /// How long keys are believed.
  struct Times {
    /// How soon they are read again, at the soonest: whoever shows tokens with invented keys has nothing read more often.
    var pause = Duration.seconds(10)
    /// So long are they believed before they are read anew: a key that was withdrawn is believed little longer.
    var age = Duration.seconds(600)
    /// So long are they believed where the provider is away.
    var staleAge = Duration.seconds(86_400)
  }

  /// Bytes of the modulus of an RSA key, at least (NIST SP 800-131A: 2,048 bits).
  static let rsaBytesMin = 256

  private let provider: IdentityProvider
  private let document: @Sendable (String) async throws -> Data
  private let times: Times
  private let clock = ContinuousClock()
  private var keys: [JWK] = []
  private var readAt, triedAt: ContinuousClock.Instant?
  private var trouble = "they were never read"
  private var reading: Task<Void, Never>?

  init(of provider: IdentityProvider, times: Times, document: @escaping @Sendable (String) async throws -> Data) {
    self.provider = provider
    self.times = times
    self.document = document
  }

  /// What verifies signatures by a key and an algorithm; nil where the provider has no such key.
  ///
  /// - Throws: ``AccessUnavailable`` where its keys cannot be had.
  func verifier(_ id: String?, _ algorithm: String) async throws -> JWTKeyCollection? {
    if let age, age < times.staleAge, let found = await find(id, algorithm) {
      // Nobody waits for a provider whose key is known.
      if age >= times.age { beginReading() }
      return found
    }
    await beginReading()?.value
    guard let age, age < times.staleAge else {
      throw AccessUnavailable("The keys of \(provider.issuer) cannot be had: \(trouble)")
    }
    return await find(id, algorithm)
  }

  /// How long ago they were read; nil if they never were.
  private var age: Duration? { readAt.map { clock.now - $0 } }

  private func find(_ id: String?, _ algorithm: String) async -> JWTKeyCollection? {
    let usable = keys.filter { key in
      (id == nil || key.keyIdentifier?.string == id) && Self.isUsable(key, algorithm)
    }
    // A token that names no key can only be by the only one.
    guard usable.count == 1 || id != nil, var key = usable.first else { return nil }
    // By this key, with this algorithm, whatever else could be.
    (key.algorithm, key.keyIdentifier) = (JWK.Algorithm(rawValue: algorithm), JWKIdentifier(string: id ?? "only"))
    return try? await JWTKeyCollection().add(jwk: key)
  }

  /// Each algorithm has its curve (RFC 7518 §3.4).
  private static let curves = ["ES256": "P-256", "ES384": "P-384", "ES512": "P-521"]

  /// Whether a key is for an algorithm.
  private static func isUsable(_ key: JWK, _ algorithm: String) -> Bool {
    guard key.algorithm == nil || key.algorithm?.rawValue == algorithm else { return false }
    switch algorithm.prefix(2) {
    case "RS", "PS":
      return key.keyType == .rsa && (key.modulus?.utf8.count ?? 0) * 3 / 4 >= rsaBytesMin
    case "ES": return key.keyType == .ecdsa && key.curve?.rawValue == curves[algorithm]
    case "Ed": return key.keyType == .octetKeyPair
    default: return false
    }
  }

  /// Begins to read them, unless that was tried lately; the reading that is under way.
  @discardableResult
  private func beginReading() -> Task<Void, Never>? {
    if let reading { return reading }
    if let triedAt, clock.now - triedAt < times.pause { return nil }
    let task = Task { await read() }
    reading = task
    return task
  }

  private func read() async {
    do {
      let address = try await address()
      keys = try JSONDecoder().decode(KeySet.self, from: await document(address)).keys
      readAt = clock.now
    } catch {
      trouble = "\(error)"
    }
    (triedAt, reading) = (clock.now, nil)
  }

  private func address() async throws -> String {
    if let address = provider.keysAddress { return address }
    let base = provider.issuer.hasSuffix("/") ? String(provider.issuer.dropLast()) : provider.issuer
    let found = try JSONDecoder().decode(
      Discovery.self, from: await document(base + "/.well-known/openid-configuration"))
    guard found.issuer == provider.issuer else {
      throw AccessUnavailable("its discovery document is that of \(found.issuer.prefix(200))")
    }
    guard IdentityProvider.isTrustworthy(found.jwks_uri) else {
      throw AccessUnavailable("its keys are at \(found.jwks_uri.prefix(200)), which is not protected by TLS")
    }
    return found.jwks_uri
  }

  /// OpenID Connect Discovery 1.0 §3.
  private struct Discovery: Decodable {
    var issuer, jwks_uri: String
  }

  /// Keys of kinds that are not known, or for encryption, are passed over.
  private struct KeySet: Decodable {
    let keys: [JWK]

    private enum CodingKeys: CodingKey { case keys }

    private struct Entry: Decodable {
      let key: JWK?

      private enum CodingKeys: CodingKey { case use }

      init(from decoder: any Decoder) throws {
        let use = try? decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .use)
        key = use == nil || use == "sig" ? (try? JWK(from: decoder)) : nil
      }
    }

    init(from decoder: any Decoder) throws {
      keys = try decoder.container(keyedBy: CodingKeys.self).decode([Entry].self, forKey: .keys).compactMap(\.key)
    }
  }
}

/// What keeps it from being told who a caller is. Trying again later can help.
public struct AccessUnavailable: Error, Sendable, CustomStringConvertible {
  /// What, and why.
  public let description: String

  init(_ description: String) { self.description = description }
}
