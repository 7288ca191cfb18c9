import Foundation
import Postgres
import Testing

/// Waits until `condition` holds; fails the test after `limit`.
func eventually(
  _ what: String, within limit: Duration = .seconds(20), sourceLocation: SourceLocation = #_sourceLocation,
  _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < deadline else {
      Issue.record("within \(limit) it did not happen that \(what)", sourceLocation: sourceLocation)
      throw CancellationError()
    }
    try await Task.sleep(for: .milliseconds(5))
  }
}

/// A gate that a test opens and synchronous closures wait at.
final class Gate: Sendable {
  private let semaphore = DispatchSemaphore(value: 0)

  func open() { semaphore.signal() }

  /// Only for closures that run on a connection's own thread.
  func wait() { semaphore.wait() }
}

extension PostgresPool {
  /// Ends the server processes that run `statement`, or those that are idle for nil.
  func terminateBackends(running statement: String) async throws -> Int {
    try await withSession { session in
      try session.query(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE $1
        """, ["%\(statement)%"]
      ).count
    }
  }

  /// Whether some server process is running `statement`.
  func isRunning(_ statement: String) async throws -> Bool {
    try await withSession { session in
      try session.query(
        """
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND state = 'active' AND query LIKE $1
        """, ["%\(statement)%"]
      ).count > 0
    }
  }
}
