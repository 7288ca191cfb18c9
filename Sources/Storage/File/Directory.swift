import Glibc

/// An open folder below a store's root, reached step by step so that no link is followed. Blocking.
struct Directory: ~Copyable {
  let descriptor: Int32

  /// Opens the folder that holds `key`'s file; `creating` makes what is missing.
  init(of components: ArraySlice<String>, below root: String, key: StorageKey, creating: Bool) throws {
    var current = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard current >= 0 else { throw systemError("the store's folder cannot be opened", key: key) }
    for component in components {
      if creating, mkdirat(current, component, 0o755) != 0, errno != EEXIST {
        let error = systemError("a folder cannot be made", key: key)
        close(current)
        throw error
      }
      let next = openat(current, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      guard next >= 0 else {
        let error = systemError("its folder cannot be opened", key: key)
        close(current)
        throw error
      }
      close(current)
      current = next
    }
    descriptor = current
  }

  /// Opens a folder within an open one; a link is refused.
  init(_ name: String, in folder: borrowing Directory, key: StorageKey) throws {
    descriptor = openat(folder.descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw systemError("its folder cannot be opened", key: key) }
  }

  /// Takes over a folder that is open.
  init(owning descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Whether `name` is a file, a folder or something else, as `S_IFMT` has it; links are not followed.
  func kind(of name: String, key: StorageKey) throws -> mode_t {
    var status = stat()
    guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      throw systemError("it cannot be examined", key: key)
    }
    return status.st_mode & S_IFMT
  }

  /// What the folder holds, in no order, without names that are not UTF-8: those are nobody's here.
  func names(key: StorageKey) throws -> [String] {
    let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let entries = fdopendir(copy) else {
      throw systemError("its folder cannot be listed", key: key)
    }
    defer { closedir(entries) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(entries) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { place in
        place.withMemoryRebound(to: CChar.self, capacity: StorageLimits.componentBytesMax + 1) {
          String(validatingCString: $0)
        }
      }
      if let name, name != ".", name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw systemError("its folder cannot be listed", key: key) }
    return names
  }
}

/// The error of the system call that just failed.
func systemError(_ what: String, key: StorageKey) -> StorageError {
  let number = errno
  let reason = String(cString: strerror(number))
  switch number {
  case ENOENT: return StorageError(.notFound, key: key.path, "does not exist.")
  case ELOOP, ENOTDIR:
    return StorageError(
      .notPermitted, key: key.path, "is or leads through a symbolic link or a file; links are not followed.")
  case EACCES, EPERM, EROFS:
    return StorageError(
      .notPermitted, key: key.path, "\(what): \(reason). Give this user write access to the store.")
  case ENOSPC, EDQUOT:
    return StorageError(
      .full, key: key.path, "\(what): \(reason). Make room; the next run goes on where this one stopped.")
  default:
    return StorageError(.failed, key: key.path, "\(what): \(reason).")
  }
}
