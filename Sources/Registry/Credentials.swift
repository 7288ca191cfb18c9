import Foundation

/// Who asks. Descriptions and reflection never show a secret.
public struct Credentials: Sendable {
  enum Kind: Sendable {
    case none
    case basic(user: String, password: String)
    case bearer(@Sendable () async throws -> String)
  }

  let kind: Kind

  /// Nobody in particular.
  public static let none = Self(kind: .none)

  /// A user and a password (HTTP Basic).
  public static func basic(user: String, password: String) -> Self {
    Self(kind: .basic(user: user, password: password))
  }

  /// A token that stays the same.
  public static func bearer(_ token: String) -> Self {
    Self(kind: .bearer { token })
  }

  /// A token asked for before each request, so that a renewed one is used at once; read a file in it, or keep
  /// a cache.
  public static func bearer(refreshing token: @escaping @Sendable () async throws -> String) -> Self {
    Self(kind: .bearer(token))
  }
}

extension Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The kind alone.
  public var description: String {
    switch kind {
    case .none: "none"
    case .basic: "basic"
    case .bearer: "bearer"
    }
  }

  /// The kind alone.
  public var debugDescription: String { description }

  /// Nothing.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Credentials {
  /// The value of the `Authorization` header, or none.
  func authorization() async throws -> String? {
    switch kind {
    case .none: nil
    case .basic(let user, let password): "Basic \(Data("\(user):\(password)".utf8).base64EncodedString())"
    case .bearer(let token): "Bearer \(try await token().trimmingCharacters(in: .whitespacesAndNewlines))"
    }
  }
}
