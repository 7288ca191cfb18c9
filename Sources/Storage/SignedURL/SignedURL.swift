import Foundation

/// An address that carries its own permission, as registries hand them out: S3 and Google presigned URLs, Azure SAS.
///
/// Its query and headers are secrets: descriptions, errors and reflection leave them out.
public struct SignedURL: Sendable, Hashable {
  let text: String
  /// Sent with every call, as whoever signed it wants it.
  private(set) var headers: [String: String]
  private let shown: String

  /// An address, and the headers that were signed with it.
  ///
  /// - Parameter allowsPlain: whether `http://` is taken, for servers on this machine.
  /// - Throws: ``StorageError`` with `.configuration`; the query is not in it.
  public init(_ text: String, headers: [String: String] = [:], allowsPlain: Bool = false) throws {
    let place = String(text.prefix { $0 != "?" }.prefix(200))
    func refuse(_ why: String) -> StorageError { StorageError(.configuration, key: place, why) }
    guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(), let host = parts.host,
      !host.isEmpty
    else { throw refuse("is no address that a file can be fetched from.") }
    guard scheme == "https" || (scheme == "http" && allowsPlain) else {
      throw refuse("is not https: a permission is not sent in the clear.")
    }
    guard parts.user == nil, parts.password == nil, parts.fragment == nil else {
      throw refuse("has a user or a fragment in it.")
    }
    let isPlainText = headers.allSatisfy { name, value in
      (name + value).utf8.allSatisfy { (0x20...0x7e).contains($0) }
    }
    guard isPlainText else { throw refuse("comes with headers that are not plain ASCII on one line.") }
    self.text = text
    self.headers = headers
    shown = "\(scheme)://\(host)\(parts.port.map { ":\($0)" } ?? "")\(parts.percentEncodedPath)"
  }

  /// The same address with more in its query; what is signed stays as it is.
  func adding(_ items: [(String, String)]) -> String {
    guard !items.isEmpty else { return text }
    let query = items.map { "\(PercentEncoding.encode($0.0))=\(PercentEncoding.encode($0.1))" }.joined(separator: "&")
    return text + (text.contains("?") ? "&" : "?") + query
  }

  /// The same address with those headers alone that a call takes.
  func keepingHeaders(_ isKept: (String) -> Bool) -> Self {
    var other = self
    other.headers = headers.filter { isKept($0.key) }
    return other
  }

  /// A server's words without anything of the query, which some repeat.
  func redacted(_ text: String) -> String {
    guard let query = self.text.split(separator: "?", maxSplits: 1).dropFirst().first else { return text }
    var text = text.replacing(query, with: "…")
    for item in query.split(separator: "&") {
      guard let value = item.split(separator: "=", maxSplits: 1).dropFirst().first, value.utf8.count >= 6 else {
        continue
      }
      text = text.replacing(value, with: "…")
      if let plain = PercentEncoding.decodeForm(String(value)) { text = text.replacing(plain, with: "…") }
      if let plain = value.removingPercentEncoding { text = text.replacing(plain, with: "…") }
    }
    for value in headers.values where value.utf8.count >= 16 { text = text.replacing(value, with: "…") }
    return text
  }
}

extension SignedURL: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Scheme, host and path.
  public var description: String { shown }
  /// Scheme, host and path.
  public var debugDescription: String { shown }
  /// Nothing.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
