import Foundation
import Glibc

/// A file being written beside its place: `.<id>.part` until it is renamed. The id is random, or that of the source.
actor FileUpload: StorageUpload {
  private let executor = BlockingQueue()
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  private let root: String
  private let key: StorageKey
  private let origin: UploadOrigin?
  private var partName = UnfinishedName.of(UUID())
  /// Whether the next upload from the same source finds the part by its name.
  private var isFoundAgain = false
  private var folder: Int32 = -1
  private var file: Int32 = -1
  private var digest = StreamDigest()
  private(set) var resumedBytes: Int64 = 0

  init(root: String, key: StorageKey, origin: UploadOrigin? = nil) {
    self.root = root
    self.key = key
    self.origin = origin
  }

  deinit {
    if file >= 0 { close(file) }
    if folder >= 0 { close(folder) }
  }

  func open() throws {
    let directory = try Directory(of: key.components.dropLast(), below: root, key: key, creating: true)
    folder = dup(directory.descriptor)
    guard folder >= 0 else { throw systemError("its folder cannot be kept open", key: key) }
    if let origin, let part = UnfinishedPart(of: origin, key: key) {
      let name = UnfinishedName.of(part.id)
      if let found = try part.open(name, in: folder, key: key) {
        isFoundAgain = true
        partName = name
        file = found.descriptor
        digest = found.digest
        resumedBytes = found.digest.size
        return
      }
    }
    file = openat(folder, partName, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw systemError("it cannot be created", key: key) }
  }

  func write(_ chunk: [UInt8]) throws {
    digest.update(chunk)
    var written = 0
    while written < chunk.count {
      let count = chunk[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw systemError("it cannot be written", key: key)
      }
      written += count
    }
  }

  func written() -> WrittenFile { digest.finish() }

  func finish() throws -> WrittenFile {
    try sync()
    guard renameat(folder, partName, folder, name) == 0 else {
      throw systemError("it cannot be renamed", key: key)
    }
    try syncFolder()
    return digest.finish()
  }

  /// Makes the file appear unless its name is taken, by a link, which fails on a name that exists.
  func finishUnlessPresent() throws -> FinishedUpload {
    try sync()
    let isNew = linkat(folder, partName, folder, name, 0) == 0
    guard isNew || errno == EEXIST else { throw systemError("it cannot be put in its place", key: key) }
    unlinkat(folder, partName, 0)
    try syncFolder()
    return FinishedUpload(file: digest.finish(), isNew: isNew)
  }

  /// Puts a second name of another file in this one's place, unless that is taken.
  ///
  /// - Returns: whether it is there now; `nil` when the file system cannot link the two.
  func linkUnlessPresent(_ source: StorageKey) throws -> Bool? {
    let target = try Directory(of: key.components.dropLast(), below: root, key: key, creating: true)
    let place = try Directory(of: source.components.dropLast(), below: root, key: source, creating: false)
    guard linkat(place.descriptor, source.components.last ?? "", target.descriptor, name, 0) == 0 else {
      switch errno {
      case EEXIST: return false
      case EXDEV, EMLINK, EPERM, EOPNOTSUPP: return nil
      default: throw systemError("it cannot be linked", key: key)
      }
    }
    guard fsync(target.descriptor) == 0 else { throw systemError("its folder cannot be synced", key: key) }
    return true
  }

  /// Puts a second name of another file in this one's place.
  ///
  /// - Returns: the size in bytes; `nil` when the file system cannot link the two.
  func link(_ source: StorageKey) throws -> Int64? {
    let target = try Directory(of: key.components.dropLast(), below: root, key: key, creating: true)
    folder = dup(target.descriptor)
    guard folder >= 0 else { throw systemError("its folder cannot be kept open", key: key) }
    let place = try Directory(of: source.components.dropLast(), below: root, key: source, creating: false)
    let sourceName = source.components.last ?? ""
    var status = stat()
    guard fstatat(place.descriptor, sourceName, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      throw systemError("it cannot be examined", key: source)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw StorageError(.notFound, key: source.path, "is no file.")
    }
    guard linkat(place.descriptor, sourceName, folder, partName, 0) == 0 else {
      switch errno {
      case EXDEV, EMLINK, EPERM, EOPNOTSUPP: return nil
      default: throw systemError("it cannot be linked", key: key)
      }
    }
    // Two names of one file are renamed over each other without effect; the rest of the first goes with abandon().
    guard renameat(folder, partName, folder, name) == 0 else {
      throw systemError("it cannot be renamed", key: key)
    }
    try syncFolder()
    return Int64(status.st_size)
  }

  func abandon() {
    if file >= 0 { close(file) }
    file = -1
    if folder >= 0 { unlinkat(folder, partName, 0) }
  }

  /// Lets go of a part that the next upload from the same source finds; any other would be found by nobody.
  func suspend() {
    guard isFoundAgain, digest.size > 0 else { return abandon() }
    if file >= 0 { close(file) }
    file = -1
  }

  private var name: String { key.components.last ?? "" }

  private func sync() throws {
    guard fsync(file) == 0 else { throw systemError("it cannot be synced", key: key) }
  }

  /// A rename survives a crash of the machine only when the folder is synced too.
  private func syncFolder() throws {
    guard fsync(folder) == 0 else { throw systemError("its folder cannot be synced", key: key) }
  }
}
