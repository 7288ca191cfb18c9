import Storage

/// A store that has nothing and takes nothing, for tests that need none.
struct NoStorage: ExternalStorage {
  var location: String { "none:" }

  func upload(to key: StorageKey) async throws -> any StorageUpload { throw refusal(key) }
  func putIfAbsent(_ bytes: [UInt8], at key: StorageKey) async throws -> Bool { throw refusal(key) }
  func read(_ key: StorageKey) async throws -> StorageBody { throw refusal(key) }
  func size(of key: StorageKey) async throws -> Int64? { nil }
  func files(below key: StorageKey) async throws -> [StoredFile] { [] }
  func delete(_ key: StorageKey) async throws {}

  private func refusal(_ key: StorageKey) -> StorageError {
    StorageError(.failed, key: key.path, "is in no store: this test has none.")
  }
}
