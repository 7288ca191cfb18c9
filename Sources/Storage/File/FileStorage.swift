import Foundation
import Glibc

/// A store on a mounted file system.
///
/// Files are written beside their place under a name of their own, synced, and renamed into it; a symbolic link
/// anywhere below the root is refused, so that nothing planted there can lead a write or a read outside.
public struct FileStorage: ExternalStorage {
  /// The store's address.
  public let location: String
  let root: String

  /// A store below a folder, which is created when missing.
  ///
  /// - Parameter url: `file:///absolute/path`.
  /// - Throws: ``StorageError`` when the address is not one, or the folder cannot be made.
  public init(url: String) throws {
    guard let parsed = URL(string: url), parsed.isFileURL, parsed.path.hasPrefix("/"),
      parsed.host() == nil || parsed.host() == "" || parsed.host() == "localhost"
    else {
      throw StorageError(.configuration, key: url, "is not a folder: write file:///absolute/path.")
    }
    root = parsed.path
    location = url.hasSuffix("/") ? String(url.dropLast()) : url
    do {
      try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    } catch {
      throw StorageError(.configuration, key: url, "cannot be made: \(error.localizedDescription)")
    }
  }

  /// Begins to write a file beside its place.
  public func upload(to key: StorageKey) async throws -> any StorageUpload {
    let file = FileUpload(root: root, key: key)
    try await file.open()
    return file
  }

  /// Begins to write a file, or goes on with one that was begun from the same source since this machine started.
  public func upload(to key: StorageKey, from origin: UploadOrigin) async throws -> any StorageUpload {
    let file = FileUpload(root: root, key: key, origin: origin)
    try await file.open()
    return file
  }

  /// Writes a small file unless its key is taken.
  public func putIfAbsent(_ bytes: [UInt8], at key: StorageKey) async throws -> Bool {
    let file = FileUpload(root: root, key: key)
    do {
      try await file.open()
      try await file.write(bytes)
      return try await file.finishUnlessPresent().isNew
    } catch {
      await file.abandon()
      throw error
    }
  }

  /// The bytes of a file.
  public func read(_ key: StorageKey) async throws -> StorageBody {
    let root = root
    return StorageBody {
      let file = FileReading(root: root, key: key)
      try await file.open()
      return { try await file.next() }
    }
  }

  /// The size of a file, or `nil`.
  public func size(of key: StorageKey) async throws -> Int64? {
    do {
      let file = FileReading(root: root, key: key)
      return try await file.size()
    } catch let error as StorageError where error.code == .notFound {
      return nil
    }
  }

  /// Every finished file below a key.
  public func files(below key: StorageKey) async throws -> [StoredFile] {
    try await FileReading(root: root, key: key).files()
  }

  /// Removes a file.
  public func delete(_ key: StorageKey) async throws {
    try await FileReading(root: root, key: key).delete()
  }

  /// Gives a file a second name by a hard link where the file system can, and copies it otherwise.
  public func copy(_ source: StorageKey, to key: StorageKey) async throws -> Int64 {
    let file = FileUpload(root: root, key: key)
    do {
      let size = try await file.link(source)
      await file.abandon()
      if let size { return size }
    } catch {
      await file.abandon()
      throw error
    }
    return try await copyBytes(of: source, to: key)
  }

  /// Reads the file, and gives it a second name where the file system can.
  public func copy(
    _ source: StorageKey, of file: WrittenFile, unlessPresentAt key: StorageKey
  ) async throws -> VerifiedCopy {
    do {
      guard try await size(of: source) == file.size, try await digest(of: source) == file else { return .differs }
      if let isNew = try await FileUpload(root: root, key: key).linkUnlessPresent(source) {
        return isNew ? .made : .taken
      }
      return try await copyBytes(of: source, expecting: file, unlessPresentAt: key)
    } catch let error as StorageError where error.code == .notFound {
      return .differs
    }
  }

  /// Everything below a key.
  public func inventory(below key: StorageKey) -> StorageInventory {
    let root = root
    return StorageInventory {
      let walk = FileInventory(root: root, key: key)
      return { try await walk.next() }
    }
  }

  /// Removes folders that hold nothing.
  public func removeEmptyFolders(at key: StorageKey) async throws {
    try await FileInventory(root: root, key: key).removeEmptyFolders()
  }

  /// What uploads left that were neither finished nor abandoned; `key` is that of the leftover itself.
  public func unfinishedUploads(below key: StorageKey) async throws -> [UnfinishedUpload] {
    try await FileReading(root: root, key: key).files(unfinished: true).map {
      UnfinishedUpload(key: $0.key, id: $0.key.components.last ?? "", modified: $0.modified)
    }
  }

  /// Removes the leftover of an unfinished upload.
  public func discard(_ upload: UnfinishedUpload) async throws {
    guard UnfinishedName.isOne(upload.key.components.last ?? "") else {
      throw StorageError(.illegalKey, key: upload.key.path, "is a finished file, not the leftover of an upload.")
    }
    try await delete(upload.key)
  }
}
