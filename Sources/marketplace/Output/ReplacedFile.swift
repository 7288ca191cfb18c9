import Foundation

/// A file that whoever reads it finds whole, the old one or the new one.
struct ReplacedFile {
  let path: String

  /// Writes beside it, under a name that no collector takes for its own, and renames.
  ///
  /// - Throws: ``Failure`` naming the path.
  func write(_ text: String) throws {
    let temporary = "\(path).\(UUID().uuidString.lowercased()).new"
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: temporary), options: .withoutOverwriting)
      // A collector runs under another account than we do.
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: temporary)
    } catch {
      unlink(temporary)
      throw Failure(.failed, "file_not_written", "\(path) cannot be written: \(error.localizedDescription)")
    }
    guard rename(temporary, path) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(temporary)
      throw Failure(.failed, "file_not_written", "\(path) cannot be written: \(reason)")
    }
  }
}
