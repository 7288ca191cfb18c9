import AsyncHTTPClient
import NIOHTTP1

/// What a server said instead of doing what it was asked.
struct S3Refusal: Error, Sendable, Hashable {
  /// A server's words are kept up to so many characters.
  static let messageCharactersMax = 300

  /// The HTTP status; 200 when the error came in the body of an answer that had begun well.
  var status: Int
  /// S3's own code, such as `NoSuchKey`; `nil` when the answer had no XML.
  var code: String?
  var message: String?
  /// Where the bucket is, when the server told.
  var region: String?
  var retryAfter: Duration?
  /// The server's clock, in seconds since 1970.
  var serverTime: Double?
  /// Whether an earlier attempt may have done it, its answer lost.
  var mayBeDone = false

  /// Reads the body of an error.
  init(status: Int, body: [UInt8]) {
    let root = try? XMLReader.read(body)
    self.init(status: status, error: root?.name == "Error" ? root : nil)
  }

  /// From the `Error` element, wherever it came.
  init(status: Int, error: XMLElement?) {
    self.status = status
    code = error?.text("Code").flatMap { $0.isEmpty ? nil : String($0.prefix(80)) }
    message = error?.text("Message").map(Self.bounded)
    region = error?.text("Region").map(Self.bounded)
  }

  /// From a whole answer.
  init(_ response: HTTPClientResponse, body: [UInt8], now: Double) {
    self.init(status: Int(response.status.code), body: body)
    code = code ?? response.headers.first(name: "x-ms-error-code").map(Self.bounded)
    region = region ?? response.headers.first(name: "x-amz-bucket-region").map(Self.bounded)
    serverTime = response.headers.first(name: "date").flatMap { HTTPDate.seconds($0) }
    retryAfter = RetryRule.retryAfter(response.headers.first(name: "retry-after"), now: now)
  }

  /// The error in the body of an answer with a status of success, if there is one.
  init?(inBody body: [UInt8], status: Int) {
    // A page of a listing is large and is read by whoever wants it; an error says so at its beginning.
    guard String(decoding: body.prefix(1_024), as: UTF8.self).contains("Error"), let root = try? XMLReader.read(body),
      root.name == "Error"
    else { return nil }
    self.init(status: status, error: root)
  }

  /// A server's words on one line, without control characters.
  static func bounded(_ text: String) -> String {
    let line = text.prefix(messageCharactersMax).map { character in
      character.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 } ? character : " "
    }
    return String(line)
  }

  /// What to make of it.
  enum Meaning: Sendable, Hashable {
    case overloaded
    case passing
    case clockSkewed
    case credentialsEnded
    case final
  }

  /// Codes by which a server says that it is overrun.
  private static let overloadCodes: Set<String> = [
    "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequests",
    "RequestLimitExceeded", "RequestThrottled", "BandwidthLimitExceeded", "ProvisionedThroughputExceededException",
  ]
  /// Codes of what passes: the server's own trouble, a conflict with another call, bytes damaged on the way.
  private static let passingCodes: Set<String> = [
    "InternalError", "RequestTimeout", "RequestTimeoutException", "OperationAborted", "ConditionalRequestConflict",
    "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody",
  ]

  /// rclone calls a wrong clock a denied access.
  private var isSkewedInOtherWords: Bool {
    code == "AccessDenied" && message?.contains("request time and the server's time") == true
  }

  var meaning: Meaning {
    if isSkewedInOtherWords { return .clockSkewed }
    if let code {
      if Self.overloadCodes.contains(code) { return .overloaded }
      if Self.passingCodes.contains(code) { return .passing }
      switch code {
      case "RequestTimeTooSkewed": return .clockSkewed
      // Also keys that were exchanged for others: where they come from is asked once more.
      case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId":
        return .credentialsEnded
      default: break
      }
    }
    switch status {
    case 429, 503: return .overloaded
    case 408, 500, 502, 504: return .passing
    default: return .final
    }
  }
}

extension StorageError {
  /// Puts a refusal into words: what was being done, what came back, what to do.
  init(_ refusal: S3Refusal, key: String, operation: String, address: S3Address, region: String) {
    let (code, advice) = Self.verdict(refusal, address: address, region: region)
    let facts = ["HTTP \(refusal.status)", refusal.code].compactMap { $0 }.joined(separator: ", ")
    let said = refusal.message.map { $0.isEmpty ? "" : " The server says: \($0.hasSuffix(".") ? $0 : $0 + ".")" } ?? ""
    self.init(code, key: key, "\(operation) failed (\(facts)).\(said) \(advice)")
  }

  private static func verdict(_ refusal: S3Refusal, address: S3Address, region: String) -> (Code, String) {
    switch refusal.code {
    case "NoSuchBucket":
      return (.missingStore, "There is no bucket '\(address.bucket)' at \(address.host): create it or name another.")
    case "NoSuchKey": return (.notFound, "It does not exist.")
    case "PreconditionFailed": return (.taken, "Something lies there already, and stays.")
    case "InvalidAccessKeyId":
      return (.notAuthenticated, "The server does not know this access key: check where the credentials come from.")
    case "SignatureDoesNotMatch":
      return (
        .notAuthenticated,
        "The secret access key is not the one of this access key, or something on the way changes "
          + "requests: check the credentials, the endpoint and a proxy in between."
      )
    case "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException":
      return (.notAuthenticated, "The session token has ended or is not valid: get new credentials.")
    case "RequestTimeTooSkewed":
      return (.notAuthenticated, "This machine's clock and the server's differ too much: set this machine's clock.")
    case "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect":
      return (.configuration, elsewhere(refusal, region: region))
    case "EntityTooLarge", "EntityTooSmall":
      return (.tooLarge, "The store does not take a file or part of this size.")
    case "KeyTooLongError": return (.illegalKey, "Its name is longer than the store takes.")
    case "QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull": return (.full, "Make room in the store.")
    case "InvalidRequest" where refusal.status == 400, "NotImplemented", "InvalidArgument":
      return (.failed, "The server does not take the request as it is made: 'checksums: false' or 'sse' may be why.")
    default: break
    }
    switch refusal.status {
    case 301, 302, 303, 307, 308: return (.configuration, elsewhere(refusal, region: region))
    case 401: return (.notAuthenticated, "Check the credentials.")
    case 412: return (.taken, "Something lies there already, and stays.")
    case 403:
      return (
        .notPermitted,
        "Give this principal s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and "
          + "s3:ListBucket on bucket '\(address.bucket)' (without s3:ListBucket a missing file is answered so too)."
      )
    case 404: return (.notFound, "It does not exist.")
    case 507: return (.full, "Make room in the store.")
    case 429, 503:
      return (.overloaded, "The store is overrun: it asks to be called less. The next run goes on from here.")
    default: return (.failed, refusal.meaning == .final ? "Look into the server's log." : "Try again later.")
    }
  }

  private static func elsewhere(_ refusal: S3Refusal, region: String) -> String {
    guard let found = refusal.region, !found.isEmpty, found != region else {
      return "The bucket answers elsewhere, and redirects are not followed: check 'region' and 'endpoint'."
    }
    return "The bucket lies in the region '\(found)', not '\(region)': write 'region: \(found)' below 'storage'."
  }
}
