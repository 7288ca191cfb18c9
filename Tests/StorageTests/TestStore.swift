import Foundation
import Storage

/// A file store in a folder of a test's own, removed when the test lets go of it.
final class TestStore: Sendable {
  let root: String
  let storage: FileStorage

  init(root: String = "/tmp/store-\(UUID().uuidString)") throws {
    self.root = root
    storage = try FileStorage(url: "file://\(root)")
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func write(_ bytes: [UInt8], at key: StorageKey) async throws -> WrittenFile {
    let upload = try await storage.upload(to: key)
    try await upload.write(bytes)
    return try await upload.finish()
  }

  /// What lies in the root by the file system's own word, unfinished files included.
  func everything() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: root).sorted()
  }
}

/// The `StorageError` that `body` throws.
func storageError(_ body: () async throws -> Void) async throws -> StorageError {
  do {
    try await body()
  } catch let error as StorageError {
    return error
  }
  throw NothingThrown()
}

/// What should have failed did not.
struct NothingThrown: Error {}

/// The code of the `StorageError` that `body` throws; nil if it throws none.
func refusal(_ body: () async throws -> Void) async throws -> StorageError.Code? {
  do {
    try await body()
    return nil
  } catch let error as StorageError {
    return error.code
  }
}
