import Glibc

/// Walks the folders below a key, one entry at a time: a folder with a million files is never held.
actor FileInventory {
  private let executor = BlockingQueue()
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  private let root: String
  private let key: StorageKey
  /// The folders that are open, from the key down.
  private var folders: [OpenFolder]?

  init(root: String, key: StorageKey) {
    self.root = root
    self.key = key
  }

  func next() throws -> [StorageEntry]? {
    var open = try folders ?? begin()
    defer { folders = open }
    var page: [StorageEntry] = []
    while page.count < StorageInventory.pageEntries, let folder = open.last {
      guard let name = try folder.next() else {
        open.removeLast()
        continue
      }
      switch folder.look(at: name) {
      case .file(let entry): page.append(entry)
      case .folder(let below): open.append(below)
      case .gone: break
      }
    }
    return page.isEmpty ? nil : page
  }

  private func begin() throws -> [OpenFolder] {
    do {
      let parent = try Directory(of: key.components.dropLast(), below: root, key: key, creating: false)
      guard try parent.kind(of: key.components.last ?? "", key: key) != S_IFREG else { return [] }
      let folder = try Directory(of: key.components[...], below: root, key: key, creating: false)
      return [try OpenFolder(folder, at: key)]
    } catch let error as StorageError where error.code == .notFound {
      return []
    }
  }

  /// Removes the folder and those in it that hold nothing.
  func removeEmptyFolders() throws {
    do {
      let parent = try Directory(of: key.components.dropLast(), below: root, key: key, creating: false)
      let name = key.components.last ?? ""
      guard try parent.kind(of: name, key: key) == S_IFDIR else { return }
      try Self.empty(Directory(name, in: parent, key: key), at: key)
      guard unlinkat(parent.descriptor, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY || errno == ENOENT else {
        throw systemError("its empty folder cannot be removed", key: key)
      }
    } catch let error as StorageError where error.code == .notFound {
      return
    }
  }

  private static func empty(_ folder: borrowing Directory, at place: StorageKey) throws {
    for name in try folder.names(key: place) {
      guard let below = try? StorageKey(place.components + [name]), (try? folder.kind(of: name, key: below)) == S_IFDIR
      else { continue }
      try empty(Directory(name, in: folder, key: below), at: below)
      // One that holds something stays.
      unlinkat(folder.descriptor, name, AT_REMOVEDIR)
    }
  }
}

/// A folder that is being read.
private final class OpenFolder {
  /// What an entry turned out to be.
  enum Finding {
    case file(StorageEntry)
    case folder(OpenFolder)
    case gone
  }

  private let entries: OpaquePointer
  private let place: StorageKey

  init(_ folder: borrowing Directory, at place: StorageKey) throws {
    let copy = openat(folder.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let entries = fdopendir(copy) else {
      if copy >= 0 { close(copy) }
      throw systemError("its folder cannot be listed", key: place)
    }
    self.entries = entries
    self.place = place
  }

  deinit { closedir(entries) }

  /// The bytes of the next name; `nil` at the end.
  func next() throws -> [CChar]? {
    while true {
      errno = 0
      guard let entry = readdir(entries) else {
        guard errno == 0 else { throw systemError("its folder cannot be listed", key: place) }
        return nil
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { place in
        place.withMemoryRebound(to: CChar.self, capacity: StorageLimits.componentBytesMax + 1) {
          Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
        }
      }
      if name != [46, 0], name != [46, 46, 0] { return name }
    }
  }

  func look(at name: [CChar]) -> Finding {
    var status = stat()
    guard fstatat(dirfd(entries), name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return .gone }
    let text = String(validating: name.dropLast(), as: UTF8.self)
    let shown =
      "\(place.path)/\(text ?? String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))"
    guard let text, let key = try? StorageKey(place.components + [text]) else { return .file(.foreign(shown)) }
    switch status.st_mode & S_IFMT {
    case S_IFREG where UnfinishedName.isOne(text):
      return .file(
        .unfinished(
          UnfinishedUpload(
            key: key, id: text, modified: FileReading.milliseconds(status), bytes: Int64(status.st_size))))
    case S_IFREG:
      return .file(
        .file(StoredFile(key: key, size: Int64(status.st_size), modified: FileReading.milliseconds(status))))
    case S_IFDIR:
      let descriptor = openat(dirfd(entries), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      guard descriptor >= 0 else { return errno == ENOENT ? .gone : .file(.foreign(shown)) }
      guard let folder = try? OpenFolder(Directory(owning: descriptor), at: key) else { return .file(.foreign(shown)) }
      return .folder(folder)
    default: return .file(.foreign(shown))
    }
  }
}
