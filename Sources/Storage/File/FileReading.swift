import Glibc

/// Reading, listing and removing below a store's root.
actor FileReading {
  private let executor = BlockingQueue()
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  private let root: String
  private let key: StorageKey
  private var file: Int32 = -1

  init(root: String, key: StorageKey) {
    self.root = root
    self.key = key
  }

  deinit { if file >= 0 { close(file) } }

  private var name: String { key.components.last ?? "" }

  func open() throws {
    let directory = try Directory(of: key.components.dropLast(), below: root, key: key, creating: false)
    file = openat(directory.descriptor, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard file >= 0 else { throw systemError("it cannot be opened", key: key) }
  }

  func next() throws -> [UInt8]? {
    while true {
      var failure = false
      let chunk = [UInt8](unsafeUninitializedCapacity: StorageLimits.chunkBytes) { buffer, count in
        let got = Glibc.read(file, buffer.baseAddress, buffer.count)
        failure = got < 0
        count = max(got, 0)
      }
      if failure {
        if errno == EINTR { continue }
        throw systemError("it cannot be read", key: key)
      }
      return chunk.isEmpty ? nil : chunk
    }
  }

  func size() throws -> Int64? {
    let directory = try Directory(of: key.components.dropLast(), below: root, key: key, creating: false)
    var status = stat()
    guard fstatat(directory.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      throw systemError("it cannot be examined", key: key)
    }
    return status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : nil
  }

  /// Every file below the key, or what unfinished uploads left there.
  func files(unfinished: Bool = false) throws -> [StoredFile] {
    var found: [StoredFile] = []
    do {
      let parent = try Directory(of: key.components.dropLast(), below: root, key: key, creating: false)
      guard try parent.kind(of: name, key: key) != S_IFREG else { return [] }
      try walk(Directory(of: key.components[...], below: root, key: key, creating: false), at: key, into: &found) {
        UnfinishedName.isOne($0) == unfinished
      }
    } catch let error as StorageError where error.code == .notFound {
      return []
    }
    return found.sorted { $0.key < $1.key }
  }

  private func walk(
    _ folder: borrowing Directory, at place: StorageKey, into found: inout [StoredFile],
    taking: (String) -> Bool
  ) throws {
    for name in try folder.names(key: place) {
      var status = stat()
      // What went away meanwhile is not there.
      guard fstatat(folder.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
      let below = try StorageKey(place.components + [name])
      switch status.st_mode & S_IFMT {
      case S_IFREG where taking(name):
        found.append(StoredFile(key: below, size: Int64(status.st_size), modified: Self.milliseconds(status)))
      case S_IFDIR: try walk(Directory(name, in: folder, key: below), at: below, into: &found, taking: taking)
      default: break
      }
    }
  }

  static func milliseconds(_ status: stat) -> Int64 {
    Int64(status.st_mtim.tv_sec) * 1_000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
  }

  func delete() throws {
    do {
      let directory = try Directory(of: key.components.dropLast(), below: root, key: key, creating: false)
      guard unlinkat(directory.descriptor, name, 0) == 0 else {
        throw systemError("it cannot be removed", key: key)
      }
    } catch let error as StorageError where error.code == .notFound {
      return
    }
  }
}
