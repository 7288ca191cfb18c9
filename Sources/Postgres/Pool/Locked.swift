import Foundation

/// A value behind a lock. Not `Mutex`, whose locking the thread sanitizer does not see on Linux, so that it reports
/// every use as a race and real ones are lost among them.
final class Locked<State>: @unchecked Sendable {
  private let lock = NSLock()
  private var state: State

  init(_ state: sending State) { self.state = state }

  func withLock<Value>(_ body: (inout State) throws -> Value) rethrows -> Value {
    lock.lock()
    defer { lock.unlock() }
    return try body(&state)
  }
}
