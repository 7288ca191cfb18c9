import Registry
import Storage

/// One file on its way into storage: its upload, begun when the first byte or the source's state arrives.
///
/// Used by one download, whose callbacks never overlap.
actor FileWriting {
  private let storage: any ExternalStorage
  private let key: StorageKey
  private var begun: (any StorageUpload)?

  init(storage: any ExternalStorage, key: StorageKey) {
    self.storage = storage
    self.key = key
  }

  /// Begins with what an earlier upload of the same source left, and says how many bytes that were.
  func begin(from origin: UploadOrigin) async throws -> Int64 {
    let upload = try await storage.upload(to: key, from: origin)
    begun = upload
    return await upload.resumedBytes
  }

  /// The upload; a new one where no state was told.
  func upload() async throws -> any StorageUpload {
    if let begun { return begun }
    let upload = try await storage.upload(to: key)
    begun = upload
    return upload
  }

  /// Keeps what was written where the source or its server failed us, or we were told to end; throws it away where it is
  /// of another file than the next attempt will get, or where the store itself is in trouble and may be full.
  func end(after error: any Error) async {
    let isWorthKeeping =
      (error as? RegistryError).map { $0.code != .changed } ?? (error is CancellationError)
    if isWorthKeeping {
      await begun?.suspend()
    } else {
      await begun?.abandon()
    }
    begun = nil
  }
}
