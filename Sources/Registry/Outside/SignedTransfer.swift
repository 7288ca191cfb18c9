public import AsyncHTTPClient

/// Moves bytes to and from addresses that carry their own permission, as a tracking server hands them out. Nothing of
/// the registry's own credentials goes along. A port, as ``ArtifactStore`` is.
public protocol SignedTransfer: Sendable {
  /// Begins an answer with the bytes of a file, asked with these headers besides the address's own.
  func open(_ address: SignedAddress, headers: [(name: String, value: String)]) async throws -> HTTPClientResponse

  /// Puts a file of exactly `length` bytes in the form that the storage behind the address wants.
  ///
  /// - Parameter renewed: asked for another address for the same file, where storage takes a file in pieces and the
  ///   permission ended between two of them; what was sent before stays.
  func put<Body: AsyncSequence & Sendable>(
    to address: SignedAddress, as form: SignedForm, length: Int64,
    renewed: @escaping @Sendable () async throws -> SignedAddress, body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8]

  /// Puts one part of a file and returns the tag by which the parts are joined.
  func put(part: [[UInt8]], to address: SignedAddress) async throws -> String
}

/// How storage behind a signed address wants to be given a file.
public enum SignedForm: Sendable, Hashable {
  /// One `PUT` of the whole: S3, Google Cloud Storage.
  case whole
  /// Blocks and a list of them: Azure Blob storage.
  case azureBlocks
  /// Create, append and flush: Azure Data Lake Storage Gen2.
  case azureAppend
}

extension SignedTransfer {
  /// Puts a file of exactly `length` bytes in one piece.
  func put<Body: AsyncSequence & Sendable>(
    to address: SignedAddress, length: Int64, body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    try await put(to: address, as: .whole, length: length, renewed: { address }, body: body)
  }
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
