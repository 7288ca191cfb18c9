/// Who asks. Descriptions and reflection never show a secret.
public struct S3Credentials: Sendable, Hashable {
  /// The key's name, which is no secret.
  public let accessKeyID: String
  /// The secret. For a program that signs by itself; never for a log.
  public let secretAccessKey: String
  /// What goes with temporary ones.
  public let sessionToken: String?
  /// When they end, in seconds since 1970; `nil` when that is not known.
  let expiration: Double?

  /// Credentials at hand.
  public init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiration: Double? = nil) {
    self.accessKeyID = accessKeyID
    self.secretAccessKey = secretAccessKey
    self.sessionToken = sessionToken
    self.expiration = expiration
  }

  /// Whether every part can stand in a header.
  var isPlain: Bool {
    let parts: [String] = [accessKeyID, secretAccessKey, sessionToken ?? "-"]
    return parts.allSatisfy { part in !part.isEmpty && part.utf8.allSatisfy { (0x21...0x7e).contains($0) } }
  }
}

extension S3Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The key's name alone.
  public var description: String { "credentials \(accessKeyID)" }
  /// The key's name alone.
  public var debugDescription: String { description }
  /// Nothing.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where credentials come from.
public enum S3CredentialSource: Sendable {
  /// These, for ever.
  case fixed(S3Credentials)
  /// As other programs find them: `AWS_ACCESS_KEY_ID` and its like in this environment, else the shared files with
  /// the profile that `AWS_PROFILE` names.
  case standard(environment: [String: String])
  /// A profile of a shared credentials file.
  case file(path: String, profile: String)
  /// A command for `/bin/sh -c` that prints them as JSON (AWS's `credential_process` form); it is run again before
  /// they end.
  case command(String)
  /// Anything else, asked again before what it gave ends.
  case provider(@Sendable () async throws -> S3Credentials)
}
