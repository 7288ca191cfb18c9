import Crypto
import Foundation
public import Marketplace
public import Postgres

/// A token: `mpt_` and its id, an underscore, and a secret of 256 random bits. The prefix lets scanners of sources find one that
/// was left there.
public struct AccessToken: Sendable, Hashable {
  /// What every token begins with.
  public static let prefix = "mpt_"
  /// Characters of an id: lower-case letters and digits.
  static let idCharacters = 12
  /// Bytes of a secret, which is written in base64url.
  static let secretBytes = 32
  /// Bytes that anything shown may have; what is longer is no token.
  static let bytesMax = 128

  /// Its id, which is no secret.
  public let id: String
  private let secret: String

  /// Reads a token; `nil` for what has another form.
  public init?(_ text: String) {
    guard text.utf8.count <= Self.bytesMax, text.hasPrefix(Self.prefix) else { return nil }
    let parts = text.dropFirst(Self.prefix.count).split(separator: "_", maxSplits: 1)
    guard parts.count == 2, Self.isID(parts[0]), parts[1].utf8.count == (Self.secretBytes * 4 + 2) / 3 else {
      return nil
    }
    id = String(parts[0])
    secret = String(parts[1])
  }

  private init(id: String, secret: String) {
    self.id = id
    self.secret = secret
  }

  /// A new one, from the system's random numbers.
  public static func random() -> AccessToken {
    var generator = SystemRandomNumberGenerator()
    let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
    let id = String((0..<idCharacters).map { _ in letters.randomElement(using: &generator) ?? "a" })
    let secret = Data((0..<secretBytes).map { _ in UInt8.random(in: 0...255, using: &generator) })
    return AccessToken(id: id, secret: base64url(secret))
  }

  /// The token as it is shown.
  public var text: String { "\(Self.prefix)\(id)_\(secret)" }

  /// What is kept of it: SHA-256 of the secret, in hexadecimal.
  public var sha256: String {
    SHA256.hash(data: Data(secret.utf8)).map { String(UInt16($0) + 0x100, radix: 16).dropFirst() }.joined()
  }

  /// Whether this is the token that something was kept of. Takes the same time wherever they differ.
  func isKept(as sha256: String) -> Bool {
    let (a, b) = (Array(self.sha256.utf8), Array(sha256.utf8))
    return a.count == b.count && zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }

  /// Whether a text has the form of an id.
  static func isID(_ text: some StringProtocol) -> Bool {
    text.utf8.count == idCharacters
      && text.utf8.allSatisfy {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
      }
  }

  private static func base64url(_ data: Data) -> String {
    data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }
}

/// What is known of a token, from its events.
public struct TokenRecord: Sendable, Hashable {
  /// How it was made.
  public let created: TokenCreated
  /// When.
  public let createdAt: Timestamp
  /// By whom.
  public let createdBy: String
  /// When it was revoked, if it was.
  public internal(set) var revokedAt: Timestamp?
  /// By whom.
  public internal(set) var revokedBy: String?
  /// Why, if somebody said.
  public internal(set) var reason: String?

  /// When it ends to be valid.
  public var expires: Timestamp { Timestamp(milliseconds: created.expires) }

  /// Whether it is valid at a time.
  public func isValid(at now: Timestamp) -> Bool { revokedAt == nil && now < expires }
}
