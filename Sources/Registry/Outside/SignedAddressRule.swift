import Foundation

/// Which of the addresses that a tracking server hands out are used. Pure.
///
/// The server is somebody else's, and so is what it says: it must not make this program talk to services that only this
/// machine or its network can reach. An address is taken when it leads to the server's own host or to one that the
/// operator named, over `http` too; anything else has to be `https`, where a certificate proves the name, and must not
/// be this machine, a link-local address or a metadata service in whatever spelling.
public struct SignedAddressRule: Sendable {
  /// Headers that come with an address, at most.
  static let headersMax = 32

  /// The tracking server's host.
  private let server: String
  /// `host` or `host:port`, lower case.
  private let hosts: Set<String>

  /// The rule of one registry.
  ///
  /// - Parameter hosts: what the operator named, `host` or `host:port`.
  init(server: ServerAddress, hosts: [String]) {
    self.server = Self.host(server.authority)
    self.hosts = Set(hosts.map { $0.lowercased() })
  }

  /// Why an address is not used; `nil` when it is.
  func refusal(of address: SignedAddress) -> String? {
    guard let parts = URLComponents(string: address.url), let scheme = parts.scheme?.lowercased(),
      let host = parts.percentEncodedHost?.lowercased(), !host.isEmpty
    else { return "it is no address" }
    guard scheme == "https" || scheme == "http" else { return "its scheme is neither https nor http" }
    guard parts.percentEncodedUser == nil, parts.percentEncodedPassword == nil, parts.percentEncodedFragment == nil
    else { return "it has a user or a fragment in it" }
    if let reason = Self.refusal(ofHeaders: address.headers) { return reason }
    let port = parts.port ?? (scheme == "https" ? 443 : 80)
    if hosts.contains(host) || hosts.contains("\(host):\(port)") || host == server { return nil }
    if let kind = Self.forbiddenKind(of: host) { return "its host \(host.shown) is \(kind)" }
    guard scheme == "https" else { return "it is not https, and its host \(host.shown) is not the server's own" }
    return nil
  }

  private static func host(_ authority: String) -> String {
    let text = authority.lowercased()
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") { return String(text[...end]) }
    return String(text.prefix { $0 != ":" })
  }

  /// Headers that would change what a request is, rather than say who may make it.
  private static let refusedHeaders: Set<String> = [
    "host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "expect", "cookie", "range",
  ]

  private static func refusal(ofHeaders headers: [String: String]) -> String? {
    if headers.count > headersMax { return "it comes with more than \(headersMax) headers" }
    for (name, value) in headers {
      let isToken =
        !name.isEmpty && name.utf8.allSatisfy { (0x21...0x7e).contains($0) && !"\"(),/:;<=>?@[\\]{}".utf8.contains($0) }
      guard isToken, value.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
        return "it comes with a header that is not plain ASCII on one line"
      }
      if refusedHeaders.contains(name.lowercased()) { return "it comes with the header \(name.shown)" }
    }
    return nil
  }

  /// What a host is that no server may send us to.
  static func forbiddenKind(of host: String) -> String? {
    var name = host.lowercased()
    while name.hasSuffix(".") { name.removeLast() }
    if name == "localhost" || name.hasSuffix(".localhost") { return "this machine" }
    if ["metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"].contains(name) {
      return "a metadata service"
    }
    if let bytes = version4(name) { return forbiddenKind(ofVersion4: bytes) }
    let plain = name.hasPrefix("[") ? String(name.dropFirst().prefix { $0 != "]" && $0 != "%" }) : name
    guard let bytes = version6(plain) else { return nil }
    return forbiddenKind(ofVersion6: bytes)
  }

  /// Any spelling that the system's resolver takes for an IPv4 address: `127.1`, `0x7f000001`, `2130706433`.
  private static func version4(_ text: String) -> [UInt8]? {
    var address = in_addr()
    guard inet_aton(text, &address) == 1 else { return nil }
    return withUnsafeBytes(of: &address) { Array($0) }
  }

  private static func version6(_ text: String) -> [UInt8]? {
    var address = in6_addr()
    guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
    return withUnsafeBytes(of: &address) { Array($0) }
  }

  private static func forbiddenKind(ofVersion4 bytes: [UInt8]) -> String? {
    switch (bytes[0], bytes[1]) {
    case (127, _): "this machine"
    case (0, _): "no address of a server"
    case (169, 254): "a link-local address, where metadata services answer"
    case (100, 100) where bytes[2] == 100 && bytes[3] == 200: "a metadata service"
    case (224..., _): "no address of one server"
    default: nil
    }
  }

  private static func forbiddenKind(ofVersion6 bytes: [UInt8]) -> String? {
    let isZero = bytes.prefix(10).allSatisfy { $0 == 0 }
    if isZero, bytes[10] == bytes[11], bytes[10] == 0 || bytes[10] == 0xff {
      // ::1, :: and IPv4 addresses in their old and new clothes.
      if bytes[10] == 0, bytes[12..<15].allSatisfy({ $0 == 0 }) {
        return bytes[15] == 1 ? "this machine" : "no address of a server"
      }
      return forbiddenKind(ofVersion4: Array(bytes[12...]))
    }
    if bytes[0] == 0xfe, bytes[1] & 0xc0 == 0x80 { return "a link-local address" }
    if bytes[0] == 0xff { return "no address of one server" }
    if bytes.starts(with: [0xfd, 0x00, 0x0e, 0xc2]), bytes[15] == 0x54 { return "a metadata service" }
    // 64:ff9b::/96, by which networks translate to IPv4.
    if bytes.starts(with: [0x00, 0x64, 0xff, 0x9b] + [UInt8](repeating: 0, count: 8)) {
      return forbiddenKind(ofVersion4: Array(bytes[12...]))
    }
    return nil
  }
}
