/// Where exports lie: a store of immutable files under keys, outside every registry and the ledger's database.
///
/// Every call throws ``StorageError``. A file is there whole or not at all, whatever is killed when.
public protocol ExternalStorage: Sendable {
  /// The store's address as events name it, such as `file:///srv/marketplace`.
  var location: String { get }

  /// Begins to write a file. It appears under its key when the upload is finished, replacing what was there.
  func upload(to key: StorageKey) async throws -> any StorageUpload

  /// The same for a file of which the source tells its state. Where the store can, it goes on with what an earlier upload
  /// from the same source in the same state left under this key: one that was suspended, or whose process was killed.
  func upload(to key: StorageKey, from origin: UploadOrigin) async throws -> any StorageUpload

  /// Writes a small file unless its key is taken: the commit point of an export.
  ///
  /// - Returns: whether the file was written; `false` leaves what was there untouched.
  func putIfAbsent(_ bytes: [UInt8], at key: StorageKey) async throws -> Bool

  /// The bytes of a file, in chunks of at most ``StorageLimits/chunkBytes``, read as they are asked for.
  ///
  /// - Throws: ``StorageError`` with `.notFound` when there is no such file.
  func read(_ key: StorageKey) async throws -> StorageBody

  /// The size of a file in bytes, or `nil` when there is none.
  func size(of key: StorageKey) async throws -> Int64?

  /// Every finished file below a key, ascending by path; none when there is nothing.
  func files(below key: StorageKey) async throws -> [StoredFile]

  /// Removes a file; done as well when there is none.
  func delete(_ key: StorageKey) async throws

  /// Makes a file of one that the store holds, without its bytes passing through here where the store can do that.
  /// It appears whole, replacing what was there. Nothing is verified: a rotten file makes a rotten copy.
  ///
  /// - Returns: the size in bytes.
  /// - Throws: ``StorageError`` with `.notFound` when there is no such source.
  func copy(_ source: StorageKey, to key: StorageKey) async throws -> Int64

  /// Uploads below a key that were begun and neither finished nor abandoned, as a process that was killed leaves them.
  /// Others may be working on the younger ones.
  func unfinishedUploads(below key: StorageKey) async throws -> [UnfinishedUpload]

  /// Removes what an unfinished upload left; done as well when there is nothing.
  func discard(_ upload: UnfinishedUpload) async throws

  /// Everything below a key, ours or not, in memory that does not grow with it.
  func inventory(below key: StorageKey) -> StorageInventory

  /// Removes a folder and those in it, where a store has folders of their own and they hold nothing.
  func removeEmptyFolders(at key: StorageKey) async throws

  /// Makes a file of one that the store holds, unless its key is taken, and only if the one has these bytes: it is
  /// read before anything appears, so that damage is not passed on. The copy then is as sound as what was read.
  func copy(_ source: StorageKey, of file: WrittenFile, unlessPresentAt key: StorageKey) async throws -> VerifiedCopy
}

/// How a copy that replaces nothing ended.
public enum VerifiedCopy: Sendable, Hashable {
  /// The file stands under its key now.
  case made
  /// The key was taken, by whatever bytes; they stay.
  case taken
  /// The source is gone, or does not have the bytes it should. Nothing was made.
  case differs
}

/// A file on its way into a store. Not finished, it leaves nothing under its key.
public protocol StorageUpload: Sendable {
  /// Adds bytes at the end. A store may hold up to ``StorageLimits/heldBytes`` back before anything is sent.
  func write(_ chunk: [UInt8]) async throws
  /// Size and digest of what was added so far.
  func written() async -> WrittenFile
  /// Makes the file appear, safe against a crash of the machine, and tells what was written.
  func finish() async throws -> WrittenFile
  /// Makes the file appear as ``finish()`` does, unless its key is taken: then what was there stays as it is.
  func finishUnlessPresent() async throws -> FinishedUpload
  /// Throws away what was written; harmless after ``finish()``.
  func abandon() async
  /// How many bytes an earlier upload had left when this one began: what is written follows them.
  var resumedBytes: Int64 { get async }
  /// Ends the writing for now. What was written stays for the next upload from the same source, where the store can keep
  /// it; else it is thrown away.
  func suspend() async
}

/// What an upload is made from: a file elsewhere, in one of its states.
public struct UploadOrigin: Sendable, Hashable {
  /// What tells this state of the file from any other; whoever serves the file chooses it.
  public let tag: String
  /// Size in bytes.
  public let size: Int64

  /// A file's state.
  public init(tag: String, size: Int64) {
    self.tag = tag
    self.size = size
  }
}

extension StorageUpload {
  /// None, for an upload that always begins anew.
  public var resumedBytes: Int64 { get async { 0 } }

  /// Throws away what was written, for a store that keeps nothing unfinished.
  public func suspend() async { await abandon() }
}

/// How an upload that replaces nothing ended.
public struct FinishedUpload: Sendable, Hashable {
  /// What was written.
  public let file: WrittenFile
  /// Whether it stands under its key now; `false` when the key was taken, by whatever bytes.
  public let isNew: Bool

  /// What was written, and whether it stands.
  public init(file: WrittenFile, isNew: Bool) {
    self.file = file
    self.isNew = isNew
  }
}

/// What an upload wrote.
public struct WrittenFile: Sendable, Hashable {
  /// Size in bytes.
  public let size: Int64
  /// SHA-256 of the bytes, 64 lower-case hex digits.
  public let sha256: String

  /// Size and digest.
  public init(size: Int64, sha256: String) {
    self.size = size
    self.sha256 = sha256
  }
}

/// A finished file in a store.
public struct StoredFile: Sendable, Hashable {
  /// Its key.
  public let key: StorageKey
  /// Size in bytes.
  public let size: Int64
  /// When it was written, by the store's clock, in milliseconds since 1970; `nil` where the store does not tell.
  public let modified: Int64?

  /// Key, size and time.
  public init(key: StorageKey, size: Int64, modified: Int64? = nil) {
    self.key = key
    self.size = size
    self.modified = modified
  }
}

/// What an upload that was not finished left in a store.
public struct UnfinishedUpload: Sendable, Hashable {
  /// The key the file was to have, or one beside it.
  public let key: StorageKey
  /// The store's name for the upload.
  public let id: String
  /// When it was begun or last written to, by the store's clock, in milliseconds since 1970.
  public let modified: Int64?
  /// Bytes that it holds; `nil` where the store does not tell.
  public let bytes: Int64?

  /// Key, name, time and size.
  public init(key: StorageKey, id: String, modified: Int64?, bytes: Int64? = nil) {
    self.key = key
    self.id = id
    self.modified = modified
    self.bytes = bytes
  }
}

/// Bounds of every store.
public enum StorageLimits {
  /// Files are read and written in pieces of this many bytes.
  public static let chunkBytes = 1_048_576
  /// An upload that was given no more than this has sent nothing yet where sending costs: it can be abandoned for free.
  public static let heldBytes = 5 * 1_048_576
  /// A component of a key has at most so many bytes of UTF-8: what common file systems take.
  public static let componentBytesMax = 255
  /// A key has at most so many bytes of UTF-8: what S3 takes.
  public static let keyBytesMax = 1_024
  /// A file read whole, such as a manifest, has at most so many bytes.
  public static let wholeFileBytesMax = 64 * 1_048_576
}

/// A file's bytes, pulled chunk by chunk: nothing is read ahead of whoever asks.
public struct StorageBody: AsyncSequence, Sendable {
  private let open: @Sendable () async throws -> @Sendable () async throws -> [UInt8]?

  /// A body from a function that opens the file and returns one that gives the next chunk, `nil` at the end.
  public init(open: @escaping @Sendable () async throws -> @Sendable () async throws -> [UInt8]?) {
    self.open = open
  }

  /// Reads from the first byte.
  public func makeAsyncIterator() -> Iterator { Iterator(open: open) }

  /// One reading of the file.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let open: @Sendable () async throws -> @Sendable () async throws -> [UInt8]?
    private var next: (@Sendable () async throws -> [UInt8]?)?

    fileprivate init(open: @escaping @Sendable () async throws -> @Sendable () async throws -> [UInt8]?) {
      self.open = open
    }

    /// The next chunk, `nil` at the end of the file.
    public mutating func next() async throws -> [UInt8]? {
      if let next { return try await next() }
      let opened = try await open()
      next = opened
      return try await opened()
    }
  }
}

extension ExternalStorage {
  /// Begins anew, for a store that does not go on with what was left.
  public func upload(to key: StorageKey, from origin: UploadOrigin) async throws -> any StorageUpload {
    try await upload(to: key)
  }

  /// Reads and writes, for a store that cannot do better.
  public func copy(_ source: StorageKey, to key: StorageKey) async throws -> Int64 {
    try await copyBytes(of: source, to: key)
  }

  func copyBytes(of source: StorageKey, to key: StorageKey) async throws -> Int64 {
    let body = try await read(source)
    let upload = try await upload(to: key)
    do {
      for try await chunk in body { try await upload.write(chunk) }
      return try await upload.finish().size
    } catch {
      await upload.abandon()
      throw error
    }
  }

  /// Reads and writes, judging the bytes as they pass, for a store that cannot do better.
  public func copy(
    _ source: StorageKey, of file: WrittenFile, unlessPresentAt key: StorageKey
  ) async throws -> VerifiedCopy {
    try await copyBytes(of: source, expecting: file, unlessPresentAt: key)
  }

  func copyBytes(
    of source: StorageKey, expecting file: WrittenFile, unlessPresentAt key: StorageKey
  ) async throws -> VerifiedCopy {
    guard try await size(of: source) == file.size else { return .differs }
    let body = try await read(source)
    let upload = try await upload(to: key)
    do {
      for try await chunk in body { try await upload.write(chunk) }
      guard await upload.written() == file else {
        await upload.abandon()
        return .differs
      }
      return try await upload.finishUnlessPresent().isNew ? .made : .taken
    } catch {
      await upload.abandon()
      throw error
    }
  }

  /// None, for a store that keeps nothing of them.
  public func unfinishedUploads(below key: StorageKey) async throws -> [UnfinishedUpload] { [] }

  /// Nothing, for a store that keeps nothing of them.
  public func discard(_ upload: UnfinishedUpload) async throws {}

  /// Size and digest of a file, read to its end.
  ///
  /// - Throws: ``StorageError`` with `.notFound` when there is no such file.
  public func digest(of key: StorageKey) async throws -> WrittenFile {
    var digest = StreamDigest()
    for try await chunk in try await read(key) { await digest.take(chunk) }
    return digest.finish()
  }

  /// The whole of a small file.
  ///
  /// - Throws: ``StorageError`` with `.tooLarge` beyond ``StorageLimits/wholeFileBytesMax``.
  public func bytes(of key: StorageKey) async throws -> [UInt8] {
    var all: [UInt8] = []
    for try await chunk in try await read(key) {
      all += chunk
      guard all.count <= StorageLimits.wholeFileBytesMax else {
        throw StorageError(
          .tooLarge, key: key.path,
          "has more than \(StorageLimits.wholeFileBytesMax) bytes, too many to read whole.")
      }
    }
    return all
  }
}
