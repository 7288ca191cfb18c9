public import AsyncHTTPClient

/// A bucket outside every tracking server, in which a registry keeps artifacts and which the operator named for it.
///
/// The port through which a registry reaches what its server does not stand in front of; whoever puts the program
/// together fills it. Paths are relative to ``uri``. Every call throws ``RegistryError``, without secrets.
public protocol ArtifactStore: Sendable {
  /// What the address of an artifact in it begins with, such as `s3://bucket/prefix`; without a slash at its end.
  var uri: String { get }

  /// Every file below a path, by the names the store gives, relative to that path. Nobody has looked at the names yet.
  ///
  /// - Throws: ``RegistryError/Code/tooLarge`` when there are more than `filesMax`.
  func files(below path: String, filesMax: Int) async throws -> [ArtifactFile]

  /// Begins an answer with the bytes of a file, asked with these headers.
  func open(_ path: String, headers: [(name: String, value: String)]) async throws -> HTTPClientResponse

  /// Writes a file of exactly `length` bytes, replacing what is there.
  func upload<Body: AsyncSequence & Sendable>(
    _ path: String, length: Int64, body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8]
}

extension ArtifactStore {
  /// The path within the store of an artifact's address; `nil` when it lies elsewhere.
  func path(of uri: String) -> String? {
    guard uri.utf8.starts(with: (self.uri + "/").utf8) else { return nil }
    return String(decoding: uri.utf8.dropFirst(self.uri.utf8.count + 1), as: UTF8.self)
  }
}
