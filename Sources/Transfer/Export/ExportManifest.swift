public import Storage

/// The manifest of an export, for whoever keeps it as evidence.
public enum ExportManifest {
  /// The bytes of the manifest of an export.
  ///
  /// - Parameters:
  ///   - uri: where the export lies, as its event names it.
  ///   - sha256: the digest that the event gives.
  /// - Returns: `nil` when none lies there, or one with another digest; and for an export of another storage than this.
  /// - Throws: `StorageError`.
  public static func bytes(at uri: String, sha256: String, in storage: any ExternalStorage) async throws -> [UInt8]? {
    guard let folder = try? ExportFolder(uri: uri, in: storage) else { return nil }
    do {
      let bytes = try await storage.bytes(of: try folder.file(Manifest.fileName))
      return StreamDigest.of(bytes).sha256 == sha256 ? bytes : nil
    } catch let error as StorageError where error.code == .notFound || error.code == .tooLarge {
      return nil
    }
  }

  /// The files that the manifest of an export lists.
  ///
  /// - Parameters:
  ///   - uri: where the export lies, as its event names it.
  ///   - sha256: the digest that the event gives.
  /// - Returns: `nil` when the manifest is not to be had, as ``bytes(at:sha256:in:)``.
  /// - Throws: `StorageError`.
  public static func files(
    at uri: String, sha256: String, in storage: any ExternalStorage
  ) async throws -> [Manifest.File]? {
    guard let bytes = try await bytes(at: uri, sha256: sha256, in: storage),
      let folder = try? ExportFolder(uri: uri, in: storage)
    else { return nil }
    return try? Manifest(bytes: bytes, at: try folder.file(Manifest.fileName)).files
  }
}
