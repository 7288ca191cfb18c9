import Foundation

/// A lock between processes, on a file that stays. The system drops it when its process ends.
struct FileLock: Sendable {
  private static let waitSecondsMax = 180
  private static let pause: Duration = .milliseconds(50)

  private let descriptor: Int32

  /// Waits for the lock.
  ///
  /// - Throws: ``PostgresError/Code/dataDirectory``, ``PostgresError/Code/clusterFailed`` when another process
  ///   holds it for too long; `CancellationError`.
  static func acquire(_ path: String) async throws -> FileLock {
    // Not inherited: the server we start must not hold the lock.
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw PostgresError(.dataDirectory, "Cannot open \(path): \(String(cString: strerror(errno))).")
    }
    let deadline = ContinuousClock.now + .seconds(waitSecondsMax)
    do {
      // Asked again and again rather than waited for: waiting would block a thread of the cooperative pool.
      while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
        guard ContinuousClock.now < deadline else {
          throw PostgresError(
            .clusterFailed, "Another process has held \(path) for more than \(waitSecondsMax) s.",
            hint: "See who it is: fuser \(path)")
        }
        try await Task.sleep(for: pause)
      }
    } catch {
      close(descriptor)
      throw error
    }
    return FileLock(descriptor: descriptor)
  }

  func release() { close(descriptor) }
}
