import Foundation
import Subprocess
import SystemPackage

extension S3CredentialSource {
  /// A command may take so long to print credentials.
  static let commandTimeout: Duration = .seconds(60)
  /// A command prints at most so many bytes.
  static let commandBytesMax = 64 * 1_024

  /// The credentials, from their source.
  ///
  /// - Throws: ``StorageError`` with `.notAuthenticated` that names the source and what it lacks, never a secret.
  public func credentials() async throws -> S3Credentials {
    let credentials =
      switch self {
      case .fixed(let credentials): credentials
      case .standard(let environment): try await Self.standard(environment)
      case .file(let path, let profile): try await Self.profile(profile, credentials: path, config: nil)
      case .command(let command): try await Self.run(command)
      case .provider(let provide): try await provide()
      }
    guard credentials.isPlain else {
      throw Self.refusal("credentials", "hold an empty part, or something that is not plain ASCII on one line.")
    }
    return credentials
  }

  private static func refusal(_ source: String, _ why: String) -> StorageError {
    StorageError(.notAuthenticated, key: source, why)
  }

  private static func standard(_ environment: [String: String]) async throws -> S3Credentials {
    func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    if let key = value("AWS_ACCESS_KEY_ID"), value("AWS_PROFILE") == nil || value("AWS_SECRET_ACCESS_KEY") != nil {
      guard let secret = value("AWS_SECRET_ACCESS_KEY") else {
        throw refusal("AWS_ACCESS_KEY_ID", "is set without AWS_SECRET_ACCESS_KEY. Set both.")
      }
      return S3Credentials(accessKeyID: key, secretAccessKey: secret, sessionToken: value("AWS_SESSION_TOKEN"))
    }
    let home = value("HOME") ?? ""
    return try await profile(
      value("AWS_PROFILE") ?? "default",
      credentials: value("AWS_SHARED_CREDENTIALS_FILE") ?? "\(home)/.aws/credentials",
      config: value("AWS_CONFIG_FILE") ?? "\(home)/.aws/config")
  }

  /// A profile of the shared files; a `credential_process` in it is run.
  private static func profile(_ name: String, credentials path: String, config: String?) async throws -> S3Credentials {
    var files = [(path, "[\(name)]")]
    if let config { files.append((config, name == "default" ? "[default]" : "[profile \(name)]")) }
    var settings: [String: String] = [:]
    var found = false
    for (file, header) in files {
      guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { continue }
      found = true
      settings.merge(section(header, of: text)) { first, _ in first }
    }
    guard found else {
      throw refusal(
        path,
        "cannot be read, and no AWS_ACCESS_KEY_ID is set. Give credentials by the environment, a shared file, or "
          + "'credentials: {command: …}' below 'storage'.")
    }
    if let key = settings["aws_access_key_id"], let secret = settings["aws_secret_access_key"] {
      return S3Credentials(accessKeyID: key, secretAccessKey: secret, sessionToken: settings["aws_session_token"])
    }
    if let command = settings["credential_process"] { return try await run(command) }
    throw refusal(
      path,
      "has no aws_access_key_id and aws_secret_access_key, and no credential_process, for the profile '\(name)'. For a "
        + "role or single sign-on use a command that prints credentials, such as 'aws configure export-credentials "
        + "--profile \(name) --format process'.")
  }

  /// The keys below a header such as `[default]`.
  private static func section(_ header: String, of text: String) -> [String: String] {
    var settings: [String: String] = [:]
    var isInside = false
    for line in text.split(whereSeparator: \.isNewline) {
      let line = line.trimmingCharacters(in: .whitespaces)
      if line.hasPrefix("#") || line.hasPrefix(";") { continue }
      if line.hasPrefix("[") {
        isInside = line.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ") == header
      } else if isInside, let equals = line.firstIndex(of: "=") {
        let name = line[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
        settings[name] = line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
      }
    }
    return settings
  }

  // MARK: A command

  /// `{"Version": 1, "AccessKeyId": …, "SecretAccessKey": …, "SessionToken": …, "Expiration": …}`
  private struct Printed: Decodable {
    var version: Int
    var accessKeyID: String
    var secretAccessKey: String
    var sessionToken: String?
    var expiration: String?

    enum CodingKeys: String, CodingKey {
      case version = "Version"
      case accessKeyID = "AccessKeyId"
      case secretAccessKey = "SecretAccessKey"
      case sessionToken = "SessionToken"
      case expiration = "Expiration"
    }
  }

  private static func run(_ command: String) async throws -> S3Credentials {
    let shown = "the command for credentials '\(command.prefix(120))'"
    let output: (status: TerminationStatus, standardOutput: String, standardError: String)
    do {
      output = try await withDeadline(commandTimeout) {
        let end = try await Subprocess.run(
          .path("/bin/sh"), arguments: ["-c", command], output: .string(limit: commandBytesMax),
          error: .string(limit: commandBytesMax))
        return (end.terminationStatus, end.standardOutput, end.standardError)
      }
    } catch let error as SubprocessError {
      throw refusal(shown, "could not be run, or printed more than \(commandBytesMax) bytes: \(error.code).")
    } catch is Overdue {
      throw refusal(shown, "printed nothing whole within \(commandTimeout).")
    }
    guard case .exited(0) = output.status else {
      let said = output.standardError.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
      throw refusal(shown, "ended with \(output.status): \(S3Refusal.bounded(said))")
    }
    // What it printed is secret, and so is what a decoder says of it.
    guard let printed = try? JSONDecoder().decode(Printed.self, from: Data(output.standardOutput.utf8)) else {
      throw refusal(shown, "did not print the JSON of a credential_process: Version, AccessKeyId, SecretAccessKey.")
    }
    guard printed.version == 1 else { throw refusal(shown, "printed version \(printed.version); 1 is known.") }
    let expiration = try printed.expiration.map { text in
      guard let seconds = seconds(rfc3339: text) else {
        throw refusal(shown, "printed an Expiration that is no time of RFC 3339.")
      }
      return seconds
    }
    return S3Credentials(
      accessKeyID: printed.accessKeyID, secretAccessKey: printed.secretAccessKey, sessionToken: printed.sessionToken,
      expiration: expiration)
  }

  private static func seconds(rfc3339 text: String) -> Double? {
    if let seconds = HTTPDate.seconds(iso: text) { return seconds }
    return (try? Date(text, strategy: .iso8601))?.timeIntervalSince1970
  }
}

/// A deadline that passed.
struct Overdue: Error {}

/// Runs `body`; when it takes longer than `time`, it is cancelled and ``Overdue`` is thrown.
func withDeadline<T: Sendable>(
  _ time: Duration, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
  try await withThrowingTaskGroup(of: T?.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: time)
      return nil
    }
    defer { group.cancelAll() }
    guard let first = try await group.next(), let value = first else { throw Overdue() }
    return value
  }
}
