import Foundation
import Synchronization

/// Data goes to standard output, everything else to standard error.
enum Console {
  /// Whether a person watches standard error.
  static let isTerminal = isatty(STDERR_FILENO) == 1
  private static let lock = Mutex(())

  /// One line of data.
  static func data(_ line: String) {
    lock.withLock { _ in print(line) }
  }

  /// One remark.
  static func remark(_ line: String) {
    write(line + "\n")
  }

  /// Text as it is.
  static func write(_ text: String) {
    lock.withLock { _ in FileHandle.standardError.write(Data(text.utf8)) }
  }
}
