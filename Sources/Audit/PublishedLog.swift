public import Storage
public import Transparency

/// The log as it lies in external storage, for anyone to read: `checkpoint`, `checkpoints/SIZE`, and tiles.
///
/// Everything but `checkpoint` is written once and never changes.
public struct PublishedLog: Sendable {
  /// The folder of the store that holds it, unless told otherwise.
  public static let folder = "log"
  private static let head = "checkpoint"
  private static let checkpoints = "checkpoints"

  let storage: any ExternalStorage
  /// The folder that it lies in.
  public let folder: String
  private var cache: TileCache?

  /// The log of a store.
  ///
  /// - Parameter folder: where it lies; a log that another one follows keeps its own.
  public init(in storage: any ExternalStorage, folder: String = Self.folder) {
    self.storage = storage
    self.folder = folder
  }

  /// The same for whoever asks for many things at once: tiles that were read are kept for a while.
  func remembering() -> PublishedLog {
    var log = self
    log.cache = TileCache()
    return log
  }

  /// Where it is, for messages.
  var place: String { "\(storage.location)/\(folder)" }

  func key(_ path: String) throws -> StorageKey { try StorageKey([folder]).appending(path) }

  /// A small file, `nil` when there is none.
  ///
  /// - Throws: ``AuditError`` with `.published` for one that is too large to be of a log; `StorageError`.
  func bytes(at path: String) async throws -> [UInt8]? {
    do {
      return try await storage.bytes(of: try key(path))
    } catch let error as StorageError where error.code == .notFound {
      return nil
    } catch let error as StorageError where error.code == .tooLarge {
      throw AuditError(.published, "\(folder)/\(path) is damaged: it \(error.message)")
    }
  }

  /// The paths of all tiles, as they lie there.
  func tilePaths() async throws -> [String] {
    try await storage.files(below: try key("tile")).map { $0.key.components.dropFirst().joined(separator: "/") }
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

  /// A signed note; `nil` when there is none.
  func note(at path: String) async throws -> SignedNote? {
    guard let bytes = try await bytes(at: path) else { return nil }
    do {
      return try SignedNote(bytes)
    } catch let error as NoteError {
      throw AuditError(.published, "\(folder)/\(path) is damaged. \(error)")
    }
  }

  /// The sizes of which a checkpoint was published, ascending, and the files beside them that are named otherwise.
  ///
  /// - Throws: `StorageError`.
  public func sizes() async throws -> (sizes: [Int64], strangers: [String]) {
    var (sizes, strangers) = ([Int64](), [String]())
    for file in try await storage.files(below: try key(Self.checkpoints)) {
      if let name = file.key.components.last, let size = Int64(name), "\(size)" == name, size >= 0 {
        sizes.append(size)
      } else {
        strangers.append("\(file.key)")
      }
    }
    return (sizes.sorted(), strangers)
  }

  /// Whether a tile lies there that holds more than the log of a size: whoever published a later one wrote it first.
  ///
  /// - Throws: `StorageError`.
  func goesBeyond(_ size: Int64) async throws -> Bool {
    let (index, width) = (size >> Tile.height, Int(size % Int64(Tile.width)))
    let next = Tile(.entries, index: index)
    if try await storage.size(of: try key(next.path)) != nil { return true }
    return try await storage.files(below: try key("\(next.path).p")).contains {
      ($0.key.components.last.flatMap { Int($0) } ?? Tile.width) > width
    }
  }

  /// What a tile of the log of some size holds: as itself, or at the beginning of the full one that came after it.
  ///
  /// - Throws: ``AuditError`` with `.published` when it is missing; `StorageError`.
  func bytes(of tile: Tile) async throws -> [UInt8] {
    guard let cache else { return try await read(tile) }
    if let known = await cache.bytes[tile] { return known }
    let bytes = try await read(tile)
    await cache.keep(bytes, of: tile)
    return bytes
  }

  private func read(_ tile: Tile) async throws -> [UInt8] {
    if let bytes = try await bytes(at: tile.path) { return bytes }
    let full = Tile(tile.content, index: tile.index)
    if tile != full, let bytes = try await bytes(at: full.path) { return bytes }
    throw AuditError(.published, "\(folder)/\(tile.path) is missing.")
  }

  /// The hashes of a tile, as many as it has.
  func hashes(_ tile: Tile) async throws -> [MerkleHash] {
    guard let hashes = Tile.hashes(in: try await bytes(of: tile)), hashes.count >= tile.count else {
      throw AuditError(.published, "\(folder)/\(tile.path) has not \(tile.count) hashes.")
    }
    return Array(hashes.prefix(tile.count))
  }

  /// The entries of a tile, as many as it has.
  func entries(_ tile: Tile) async throws -> [[UInt8]] {
    guard let entries = Tile.entries(in: try await bytes(of: tile)), entries.count >= tile.count else {
      throw AuditError(.published, "\(folder)/\(tile.path) has not \(tile.count) entries.")
    }
    return Array(entries.prefix(tile.count))
  }

  /// Publishes a tile that goes beyond the newest checkpoint, or finds it published.
  ///
  /// - Throws: ``AuditError`` with `.unsigned` when other bytes are there.
  func put(_ bytes: [UInt8], as tile: Tile) async throws {
    let key = try key(tile.path)
    if try await storage.putIfAbsent(bytes, at: key) { return }
    guard try await storage.bytes(of: key) == bytes else {
      throw AuditError(
        .unsigned,
        "\(key) lies there with other events than the database has at positions \(tile.positions.lowerBound) to "
          + "\(tile.positions.upperBound). Nothing was signed.\(Self.unsignedHint)")
    }
  }

  /// What becomes of tiles beyond the newest checkpoint that are not of the database's events.
  static let unsignedHint =
    " No checkpoint holds all of it: a publication was killed before it had signed, and the database was set back since. "
    + "'marketplace audit seal --put-aside' keeps such tiles in a folder 'unsigned' and goes on."

  /// Moves tiles that go beyond a checkpoint out of the way. What the checkpoint needs lies in others.
  ///
  /// - Returns: how many.
  /// - Throws: ``AuditError`` with `.published` for one that is too large to be of a log; `StorageError`.
  func putAside(beyond size: Int64) async throws -> Int {
    let beyond = try await tilePaths().compactMap { Tile(path: $0) }.filter { $0.positions.upperBound > size }
    for tile in beyond {
      guard let bytes = try await bytes(at: tile.path) else { continue }
      // Named by what it holds, so that it is kept once however often this is killed.
      let name = MerkleHash.leaf(bytes).description.prefix(16)
      _ = try await storage.putIfAbsent(bytes, at: try key("unsigned/\(tile.path)-\(name)"))
      try await storage.delete(try key(tile.path))
    }
    return beyond.count
  }

  /// Publishes a checkpoint under its size, and as the newest if none is larger.
  ///
  /// - Parameter lock: of whoever publishes: what is done is done while it is held.
  /// - Throws: ``AuditError`` with `.forked` when one of that size was published with another root; `PostgresError` when the
  ///   lock is lost.
  func put(_ note: SignedNote, of size: Int64, holding lock: PublicationLock) async throws {
    try await lock.confirm()
    let key = try key("\(Self.checkpoints)/\(size)")
    if try await !storage.putIfAbsent(note.encoded, at: key) {
      guard let known = try await checkpoint(of: size), known.text.utf8.elementsEqual(note.text.utf8) else {
        throw AuditError(.forked, "\(key) was published with another root.")
      }
    }
    if let newest = try await newest(), let known = try? Checkpoint(text: newest.text), known.size >= size { return }
    // Somebody who had it since may have replaced the newest by a larger one.
    try await lock.confirm()
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

/// Tiles that were read, the last ones.
private actor TileCache {
  private static let tilesMax = 256

  private(set) var bytes: [Tile: [UInt8]] = [:]
  private var order: [Tile] = []

  func keep(_ bytes: [UInt8], of tile: Tile) {
    guard self.bytes.updateValue(bytes, forKey: tile) == nil else { return }
    order.append(tile)
    guard order.count > Self.tilesMax else { return }
    self.bytes[order.removeFirst()] = nil
  }
}
