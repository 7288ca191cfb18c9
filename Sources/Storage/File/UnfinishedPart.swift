import Foundation
import Glibc

/// What an upload left that was not finished, found again by the source that it came from. Blocking.
///
/// The name is made of the source's state, so that no bytes of another state are ever gone on from, and of the machine's
/// boot: bytes that were written and not yet synced survive a killed process and not a machine that lost its power.
struct UnfinishedPart {
  let id: UUID
  private let origin: UploadOrigin

  /// `nil` where the machine does not tell one boot from another.
  init?(of origin: UploadOrigin, key: StorageKey) {
    guard let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8) else { return nil }
    id = UnfinishedName.id([boot, key.path, origin.tag, String(origin.size)])
    self.origin = origin
  }

  /// An open part, positioned at its end, and the digest of what it holds.
  struct Found {
    let descriptor: Int32
    let digest: StreamDigest
  }

  /// Opens the part, new or left behind, and reads what it holds. While the descriptor is open nobody else gets it.
  ///
  /// - Returns: `nil` when another upload has it now.
  func open(_ name: String, in folder: Int32, key: StorageKey) throws -> Found? {
    let file = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw systemError("what an earlier upload left cannot be opened", key: key) }
    do {
      guard flock(file, LOCK_EX | LOCK_NB) == 0, try isNamed(name, file, in: folder, key: key) else {
        close(file)
        return nil
      }
      return Found(descriptor: file, digest: try digest(of: file, key: key))
    } catch {
      close(file)
      throw error
    }
  }

  /// Whether the name still leads to the file, and it has no other: whoever held the lock may have finished it meanwhile, and
  /// been killed before the name of the part was gone.
  private func isNamed(_ name: String, _ file: Int32, in folder: Int32, key: StorageKey) throws -> Bool {
    var opened = stat()
    var named = stat()
    guard fstat(file, &opened) == 0 else { throw systemError("it cannot be examined", key: key) }
    guard fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 else { return false }
    return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev && opened.st_mode & S_IFMT == S_IFREG
      && opened.st_nlink == 1
  }

  private func digest(of file: Int32, key: StorageKey) throws -> StreamDigest {
    var digest = StreamDigest()
    // An error of the disk that nobody has heard of yet is heard of here.
    let isSound = fsync(file) == 0
    while isSound {
      try Task.checkCancellation()
      let chunk = try next(of: file, key: key)
      if chunk.isEmpty { break }
      digest.update(chunk)
    }
    if isSound, digest.size <= origin.size { return digest }
    // Nothing to go on from.
    guard ftruncate(file, 0) == 0, lseek(file, 0, SEEK_SET) == 0 else {
      throw systemError("what an earlier upload left cannot be emptied", key: key)
    }
    return StreamDigest()
  }

  private func next(of file: Int32, key: StorageKey) throws -> [UInt8] {
    while true {
      var failure = false
      let chunk = [UInt8](unsafeUninitializedCapacity: StorageLimits.chunkBytes) { buffer, count in
        let got = Glibc.read(file, buffer.baseAddress, buffer.count)
        failure = got < 0
        count = max(got, 0)
      }
      guard failure else { return chunk }
      if errno != EINTR { throw systemError("what an earlier upload left cannot be read", key: key) }
    }
  }
}
