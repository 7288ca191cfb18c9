import Storage
import Synchronization

/// A store with a test in between: what is deleted is noted in order, and a reading may be made to fail.
final class InterposedStorage: ExternalStorage {
  private struct Memory {
    var deleted: [String] = []
    var failure: @Sendable (StorageKey) -> StorageError? = { _ in nil }
  }

  let base: any ExternalStorage
  private let memory = Mutex(Memory())

  init(_ base: any ExternalStorage) { self.base = base }

  /// Paths of deleted files, in order.
  var deleted: [String] { memory.withLock { $0.deleted } }

  /// From now on readings of a file throw what this gives for it.
  func failReading(_ failure: @escaping @Sendable (StorageKey) -> StorageError?) {
    memory.withLock { $0.failure = failure }
  }

  var location: String { base.location }

  func upload(to key: StorageKey) async throws -> any StorageUpload { try await base.upload(to: key) }

  func putIfAbsent(_ bytes: [UInt8], at key: StorageKey) async throws -> Bool {
    try await base.putIfAbsent(bytes, at: key)
  }

  func read(_ key: StorageKey) async throws -> StorageBody {
    if let failure = memory.withLock({ $0.failure })(key) { throw failure }
    return try await base.read(key)
  }

  func size(of key: StorageKey) async throws -> Int64? { try await base.size(of: key) }

  func files(below key: StorageKey) async throws -> [StoredFile] { try await base.files(below: key) }

  func delete(_ key: StorageKey) async throws {
    memory.withLock { $0.deleted.append(key.path) }
    try await base.delete(key)
  }

  func copy(_ source: StorageKey, to key: StorageKey) async throws -> Int64 { try await base.copy(source, to: key) }

  func copy(_ source: StorageKey, of file: WrittenFile, unlessPresentAt key: StorageKey) async throws -> VerifiedCopy {
    try await base.copy(source, of: file, unlessPresentAt: key)
  }

  func unfinishedUploads(below key: StorageKey) async throws -> [UnfinishedUpload] {
    try await base.unfinishedUploads(below: key)
  }

  func discard(_ upload: UnfinishedUpload) async throws { try await base.discard(upload) }

  func inventory(below key: StorageKey) -> StorageInventory { base.inventory(below: key) }

  func removeEmptyFolders(at key: StorageKey) async throws { try await base.removeEmptyFolders(at: key) }
}
