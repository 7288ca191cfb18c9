public import AsyncHTTPClient
public import Registry
public import Storage

/// A bucket of the operator's as a registry sees it.
public struct BucketStore: ArtifactStore {
  /// `s3://bucket/prefix`
  public let uri: String
  private let storage: S3Storage

  /// Artifacts in a bucket.
  public init(_ storage: S3Storage) {
    self.storage = storage
    uri = storage.location
  }

  /// Every object below a path.
  public func files(below path: String, filesMax: Int) async throws -> [ArtifactFile] {
    try await asRegistry("listing artifacts") {
      try await storage.objects(below: key(path), countMax: filesMax).map {
        ArtifactFile(path: $0.name, size: $0.size)
      }
    }
  }

  /// Begins an answer with an object's bytes.
  public func open(_ path: String, headers: [(name: String, value: String)]) async throws -> HTTPClientResponse {
    try await asRegistry("downloading an artifact") { try await storage.open(key(path), headers: headers) }
  }

  /// Writes an object: in one call, or in parts that are joined when all have arrived.
  public func upload<Body: AsyncSequence & Sendable>(
    _ path: String, length: Int64, body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    let upload = try await asRegistry("uploading an artifact") { try await storage.upload(to: key(path)) }
    do {
      var left = length
      for try await chunk in try await body() {
        left -= Int64(chunk.count)
        try await asRegistry("uploading an artifact") { try await upload.write(chunk) }
      }
      guard left == 0 else {
        throw RegistryError(
          .incompleteBody, operation: "uploading an artifact", url: "\(uri)/\(path)",
          message: "its source yielded \(length - left) bytes, and \(length) were stated",
          advice: "The file changed while it was read; upload it again.", retriable: true)
      }
      _ = try await asRegistry("uploading an artifact") { try await upload.finish() }
    } catch {
      await upload.abandon()
      throw error
    }
  }

  private func key(_ path: String) throws -> StorageKey {
    try StorageKey(path.split(separator: "/", omittingEmptySubsequences: false).map(String.init))
  }
}
