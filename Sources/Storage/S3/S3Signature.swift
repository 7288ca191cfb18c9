import Crypto
import Foundation

/// AWS Signature Version 4, as S3 wants it: paths are escaped once and never normalised. Pure.
///
/// Source: AWS, "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API reference; its examples are
/// among the tests.
struct S3Signature {
  static let algorithm = "AWS4-HMAC-SHA256"
  /// Stands for the digest where the body is not signed, as in a URL that is handed out.
  static let unsignedPayload = "UNSIGNED-PAYLOAD"

  let credentials: S3Credentials
  let region: String
  /// Seconds since 1970.
  let time: Double

  private var stamp: String { HTTPDate.compact(time) }
  private var scope: String { "\(stamp.prefix(8))/\(region)/s3/aws4_request" }

  /// What is signed of a request. Path and query are escaped already.
  struct Subject {
    var method: String
    var path: String
    var query: String
    /// Every header that is signed, `host` among them.
    var headers: [(name: String, value: String)]
    /// Hex SHA-256 of the body.
    var payload: String
  }

  /// The headers that make the request signed, the ones that were given among them.
  func headers(_ subject: Subject) -> [(name: String, value: String)] {
    var subject = subject
    subject.headers += [("x-amz-content-sha256", subject.payload), ("x-amz-date", stamp)]
    if let token = credentials.sessionToken { subject.headers.append(("x-amz-security-token", token)) }
    let (names, signature) = sign(subject)
    let authorization =
      "\(Self.algorithm) Credential=\(credentials.accessKeyID)/\(scope),SignedHeaders=\(names),Signature=\(signature)"
    return subject.headers + [("authorization", authorization)]
  }

  /// The query that makes a URL signed for `seconds`.
  func query(_ subject: Subject, seconds: Int, also items: [(String, String)] = []) -> String {
    var subject = subject
    subject.payload = Self.unsignedPayload
    let names = Self.signedNames(subject.headers)
    var all =
      items + [
        ("X-Amz-Algorithm", Self.algorithm), ("X-Amz-Credential", "\(credentials.accessKeyID)/\(scope)"),
        ("X-Amz-Date", stamp), ("X-Amz-Expires", String(seconds)), ("X-Amz-SignedHeaders", names),
      ]
    if let token = credentials.sessionToken { all.append(("X-Amz-Security-Token", token)) }
    subject.query = PercentEncoding.query(all)
    return "\(subject.query)&X-Amz-Signature=\(sign(subject).signature)"
  }

  private func sign(_ subject: Subject) -> (names: String, signature: String) {
    let names = Self.signedNames(subject.headers)
    let headers = subject.headers
      .map { (name: $0.name.lowercased(), value: Self.trimmed($0.value)) }
      .sorted { $0.name < $1.name }
      .map { "\($0.name):\($0.value)\n" }.joined()
    let canonical = [subject.method, subject.path, subject.query, headers, names, subject.payload]
      .joined(separator: "\n")
    let digest = Hex.text(SHA256.hash(data: Data(canonical.utf8)))
    let text = "\(Self.algorithm)\n\(stamp)\n\(scope)\n\(digest)"
    var key = SymmetricKey(data: Data("AWS4\(credentials.secretAccessKey)".utf8))
    for part in [String(stamp.prefix(8)), region, "s3", "aws4_request"] {
      key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Data(part.utf8), using: key))
    }
    return (names, Hex.text(HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key)))
  }

  private static func signedNames(_ headers: [(name: String, value: String)]) -> String {
    headers.map { $0.name.lowercased() }.sorted().joined(separator: ";")
  }

  /// Without space at the ends, runs of spaces made one.
  private static func trimmed(_ value: String) -> String {
    value.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
  }
}

/// Bytes as lower-case hex digits.
enum Hex {
  private static let digits = Array("0123456789abcdef".utf8)

  static func text(_ bytes: some Sequence<UInt8>) -> String {
    String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
