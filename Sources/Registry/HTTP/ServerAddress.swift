import Foundation

/// The address of a server, checked once: scheme, host, port and a path in front of every call.
struct ServerAddress: Sendable {
  /// Scheme, host, port and path, without a slash at the end.
  let text: String
  /// Host and port as they stand in an address.
  let authority: String

  init(_ text: String) throws {
    func refuse(_ why: String) -> RegistryError {
      RegistryError(
        .configuration, operation: "reading the registry's address", message: why,
        advice: "Give it as https://host[:port][/path], and credentials on their own.")
    }
    guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased() else {
      throw refuse("it is not an address")
    }
    guard scheme == "http" || scheme == "https" else { throw refuse("its scheme is neither http nor https") }
    guard let host = parts.percentEncodedHost, !host.isEmpty else { throw refuse("it names no host") }
    guard parts.percentEncodedUser == nil, parts.percentEncodedPassword == nil else {
      throw refuse("it contains credentials")
    }
    guard parts.percentEncodedQuery == nil, parts.percentEncodedFragment == nil else {
      throw refuse("it has a query or a fragment")
    }
    authority = parts.port.map { "\(host):\($0)" } ?? host
    var path = parts.percentEncodedPath
    while path.hasSuffix("/") { path.removeLast() }
    self.text = "\(scheme)://\(authority)\(path)"
  }
}
