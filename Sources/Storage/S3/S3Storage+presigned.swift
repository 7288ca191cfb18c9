extension S3Storage {
  /// An address by which anyone may do one thing with one object for a while.
  ///
  /// - Parameters:
  ///   - method: `GET` or `PUT`.
  ///   - seconds: how long it holds; S3 takes a week at most.
  public func presigned(_ method: String, _ key: StorageKey, seconds: Int) async throws -> SignedURL {
    let path = client.address.path(try client.address.objectKey(key))
    let signature = try await client.signature()
    let query = signature.query(
      .init(method: method, path: path, query: "", headers: [("host", client.address.host)], payload: ""),
      seconds: seconds)
    return try SignedURL(client.address.url(path: path, query: query), allowsPlain: true)
  }
}
