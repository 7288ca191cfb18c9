public import Storage

/// The manifest of an export, for whoever keeps it as evidence.
public enum ExportManifest {
  /// The bytes of the manifest of an export.
  ///
  /// - Parameters:
  ///   - uri: where the export lies, as its event names it.
  ///   - sha256: the digest that the event gives.
  /// - Returns: `nil` when none lies there, or one with another digest.
  /// - Throws: ``Trouble`` for an export that does not lie in this storage; `StorageError`.
  public static func bytes(at uri: String, sha256: String, in storage: any ExternalStorage) async throws -> [UInt8]? {
    do {
      let bytes = try await storage.bytes(of: try ExportFolder(uri: uri, in: storage).file(Manifest.fileName))
      return StreamDigest.of(bytes).sha256 == sha256 ? bytes : nil
    } catch let error as StorageError where error.code == .notFound || error.code == .tooLarge {
      return nil
    }
  }
}
