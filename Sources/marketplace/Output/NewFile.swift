import Foundation

/// A file that did not exist before, and that nobody else may read.
struct NewFile: Sendable {
  let path: String
  private let handle: FileHandle

  /// - Throws: ``Failure`` when there is one already, or it cannot be made.
  init(path: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    guard descriptor >= 0 else {
      throw Failure(.failed, "file_not_written", "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
    self.path = path
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  /// - Throws: ``Failure`` naming the path.
  func write(_ bytes: [UInt8]) throws {
    try told { try handle.write(contentsOf: Data(bytes)) }
  }

  /// Returns once it is safe against a crash of the machine.
  ///
  /// - Throws: ``Failure`` naming the path.
  func finish() throws {
    try told { try handle.synchronize() }
  }

  /// Removes what was written.
  func abandon() { unlink(path) }

  private func told(_ work: () throws -> Void) throws {
    do {
      try work()
    } catch {
      throw Failure(.failed, "file_not_written", "\(path) cannot be written: \(error.localizedDescription)")
    }
  }
}
