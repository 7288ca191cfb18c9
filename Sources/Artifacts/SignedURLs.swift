public import AsyncHTTPClient
public import Registry
public import Storage

/// Signed addresses as a registry uses them, over the client that stores have for them: its own connections, no
/// redirects, none of the registry's credentials.
public struct SignedURLs: SignedTransfer {
  private let transfer: SignedURLTransfer

  /// Addresses that are used by this client.
  public init(_ transfer: SignedURLTransfer) { self.transfer = transfer }

  /// Begins an answer with a file's bytes.
  public func open(
    _ address: SignedAddress, headers: [(name: String, value: String)]
  ) async throws -> HTTPClientResponse {
    try await asRegistry("downloading an artifact") { try await transfer.open(Self.url(address), headers: headers) }
  }

  /// Puts a whole file.
  public func put<Body: AsyncSequence & Sendable>(
    to address: SignedAddress, as form: SignedForm, length: Int64,
    renewed: @escaping @Sendable () async throws -> SignedAddress, body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    let form: SignedURLTransfer.Form =
      switch form {
      case .whole: .put
      case .azureBlocks: .azureBlocks
      case .azureAppend: .azureAppend
      }
    _ = try await asRegistry("uploading an artifact") {
      try await transfer.write(
        to: Self.url(address), as: form, length: length, renewed: { try Self.url(try await renewed()) }, body: body)
    }
  }

  /// Puts one part of a file.
  public func put(part: [[UInt8]], to address: SignedAddress) async throws -> String {
    try await asRegistry("uploading a part of an artifact") {
      try await transfer.put(part: part, to: Self.url(address))
    }
  }

  /// Whether plain `http` is taken was decided by the registry's rule already.
  private static func url(_ address: SignedAddress) throws -> SignedURL {
    try SignedURL(address.url, headers: address.headers, allowsPlain: true)
  }
}
