public import AsyncHTTPClient

/// Moves bytes to and from addresses that carry their own permission, as a tracking server hands them out. Nothing of
/// the registry's own credentials goes along. A port, as ``ArtifactStore`` is.
public protocol SignedTransfer: Sendable {
  /// Begins an answer with the bytes of a file, asked with these headers besides the address's own.
  func open(_ address: SignedAddress, headers: [(name: String, value: String)]) async throws -> HTTPClientResponse

  /// Puts a file of exactly `length` bytes.
  func put<Body: AsyncSequence & Sendable>(
    to address: SignedAddress, length: Int64, body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8]

  /// Puts one part of a file and returns the tag by which the parts are joined.
  func put(part: [[UInt8]], to address: SignedAddress) async throws -> String
}

/// An address that carries its own permission, and the headers that belong to it. Both are secrets: descriptions and
/// reflection show scheme, host and path alone.
public struct SignedAddress: Sendable, Hashable {
  /// The whole address. A secret.
  public let url: String
  /// Sent with every call. Secrets.
  public let headers: [String: String]

  /// An address as a server gave it; see ``SignedAddressRule`` for whether it may be used.
  public init(url: String, headers: [String: String] = [:]) {
    self.url = url
    self.headers = headers
  }

  /// Without the permission.
  var shown: String { RegistryError.bounded(String(url.prefix { $0 != "?" && $0 != "#" }.prefix(200))) }
}

extension SignedAddress: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Scheme, host and path.
  public var description: String { shown }
  /// Scheme, host and path.
  public var debugDescription: String { shown }
  /// Nothing.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
