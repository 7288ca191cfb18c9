/// A signed address that is exchanged for a fresh one when its permission ends while a file is written in pieces.
struct RenewableURL: Sendable {
  private(set) var url: SignedURL
  /// Asks for another address for the same file.
  let renewed: @Sendable () async throws -> SignedURL

  /// Takes a fresh address.
  ///
  /// - Returns: whether it is another one.
  mutating func renew() async throws -> Bool {
    let fresh = try await renewed()
    defer { url = fresh }
    return fresh != url
  }
}
