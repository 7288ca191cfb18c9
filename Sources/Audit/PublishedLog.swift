public import Storage
public import Transparency

/// The log as it lies in external storage, for anyone to read: `checkpoint`, `checkpoints/SIZE`, and tiles.
///
/// Everything but `checkpoint` is written once and never changes.
public struct PublishedLog: Sendable {
  /// The folder of the store that holds it.
  public static let folder = "log"
  private static let head = "checkpoint"
  private static let checkpoints = "checkpoints"

  let storage: any ExternalStorage

  /// The log of a store.
  public init(in storage: any ExternalStorage) { self.storage = storage }

  private func key(_ path: String) throws -> StorageKey { try StorageKey([Self.folder]).appending(path) }

  /// A small file, `nil` when there is none.
  private func bytes(at path: String) async throws -> [UInt8]? {
    do {
      return try await storage.bytes(of: try key(path))
    } catch let error as StorageError where error.code == .notFound {
      return nil
    }
  }

  /// The newest checkpoint; `nil` when nothing was published.
  ///
  /// - Throws: ``AuditError`` with `.published` when it is no signed note; `StorageError`.
  public func newest() async throws -> SignedNote? { try await note(at: Self.head) }

  /// The checkpoint of a size; `nil` when none was published for it.
  ///
  /// - Throws: as ``newest()``.
  public func checkpoint(of size: Int64) async throws -> SignedNote? {
    try await note(at: "\(Self.checkpoints)/\(size)")
  }

  private func note(at path: String) async throws -> SignedNote? {
    guard let bytes = try await bytes(at: path) else { return nil }
    do {
      return try SignedNote(bytes)
    } catch let error as NoteError {
      throw AuditError(.published, "\(Self.folder)/\(path) is damaged. \(error)")
    }
  }

  /// The sizes of which a checkpoint was published, ascending.
  ///
  /// - Throws: ``AuditError`` with `.published` for a file that is named otherwise; `StorageError`.
  public func sizes() async throws -> [Int64] {
    try await storage.files(below: try key(Self.checkpoints)).map { file in
      guard let name = file.key.components.last, let size = Int64(name), "\(size)" == name, size >= 0 else {
        throw AuditError(.published, "\(file.key) is no checkpoint: those are named by their size.")
      }
      return size
    }.sorted()
  }

  /// What a tile of the log of some size holds: as itself, or at the beginning of the full one that came after it.
  ///
  /// - Throws: ``AuditError`` with `.published` when it is missing; `StorageError`.
  func bytes(of tile: Tile) async throws -> [UInt8] {
    if let bytes = try await bytes(at: tile.path) { return bytes }
    let full = Tile(tile.content, index: tile.index)
    if tile != full, let bytes = try await bytes(at: full.path) { return bytes }
    throw AuditError(.published, "\(Self.folder)/\(tile.path) is missing.")
  }

  /// The hashes of a tile, as many as it has.
  func hashes(_ tile: Tile) async throws -> [MerkleHash] {
    guard let hashes = Tile.hashes(in: try await bytes(of: tile)), hashes.count >= tile.count else {
      throw AuditError(.published, "\(Self.folder)/\(tile.path) has not \(tile.count) hashes.")
    }
    return Array(hashes.prefix(tile.count))
  }

  /// The entries of a tile, as many as it has.
  func entries(_ tile: Tile) async throws -> [[UInt8]] {
    guard let entries = Tile.entries(in: try await bytes(of: tile)), entries.count >= tile.count else {
      throw AuditError(.published, "\(Self.folder)/\(tile.path) has not \(tile.count) entries.")
    }
    return Array(entries.prefix(tile.count))
  }

  /// Publishes a tile, or finds it published.
  ///
  /// - Throws: ``AuditError`` with `.forked` when other bytes are there.
  func put(_ bytes: [UInt8], as tile: Tile) async throws {
    let key = try key(tile.path)
    if try await storage.putIfAbsent(bytes, at: key) { return }
    guard try await storage.bytes(of: key) == bytes else {
      throw AuditError(
        .forked, "\(key) was published with other bytes: the events of these positions are not those of then.")
    }
  }

  /// Publishes a checkpoint under its size, and as the newest if none is larger.
  ///
  /// - Throws: ``AuditError`` with `.forked` when one of that size was published with another root.
  func put(_ note: SignedNote, of size: Int64) async throws {
    let key = try key("\(Self.checkpoints)/\(size)")
    if try await !storage.putIfAbsent(note.encoded, at: key) {
      guard let known = try await checkpoint(of: size), known.text.utf8.elementsEqual(note.text.utf8) else {
        throw AuditError(.forked, "\(key) was published with another root.")
      }
    }
    if let newest = try await newest(), let known = try? Checkpoint(text: newest.text), known.size >= size { return }
    let upload = try await storage.upload(to: try self.key(Self.head))
    do {
      try await upload.write(note.encoded)
      _ = try await upload.finish()
    } catch {
      await upload.abandon()
      throw error
    }
  }
}
