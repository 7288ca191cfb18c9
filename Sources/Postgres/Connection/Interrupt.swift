import CLibPQ
import Foundation

/// Cancels the statement a connection is running, from any thread.
///
/// Every use of a connection has a ticket. A cancellation names its ticket, so that one that comes late never
/// hits the next user's statement; and a use ends only after a cancellation under way has been delivered.
final class Interrupt: @unchecked Sendable {
  typealias Ticket = UInt64

  /// A request that arrives before its statement reached the server is ignored there, so it is repeated.
  private static let repeatAfterSeconds = 0.05
  private static let errorBytesMax = 256

  private let condition = NSCondition()
  // All guarded by `condition`.
  private var handle: OpaquePointer?
  private var ticket: Ticket = 0
  private var isRequested = false
  private var isStatementRunning = false
  private var isSending = false

  deinit { PQfreeCancel(handle) }

  /// Takes what is needed to cancel on `connection`.
  func attach(to connection: OpaquePointer) {
    condition.lock()
    handle = PQgetCancel(connection)
    condition.unlock()
  }

  /// Starts a use of the connection.
  func begin() -> Ticket {
    condition.lock()
    defer { condition.unlock() }
    ticket += 1
    isRequested = false
    return ticket
  }

  /// Asks for the end of the use `expected`: its running statement is cancelled, and no other one starts.
  /// Does not block.
  func cancel(_ expected: Ticket) {
    condition.lock()
    defer { condition.unlock() }
    guard ticket == expected, !isRequested else { return }
    isRequested = true
    guard isStatementRunning else { return }
    // PQcancel opens a connection and blocks; the caller may be anywhere.
    Thread { [self] in send(for: expected) }.start()
  }

  /// Ends the use of the connection; afterwards no cancellation for it is under way.
  func finish() {
    condition.lock()
    ticket += 1
    isRequested = false
    while isSending { condition.wait() }
    condition.unlock()
  }

  /// True when the end of the present use has been asked for.
  var isCancelled: Bool {
    condition.lock()
    defer { condition.unlock() }
    return isRequested
  }

  /// - Throws: ``PostgresError/Code/cancelled`` when the end has been asked for.
  func statementBegins() throws {
    condition.lock()
    defer { condition.unlock() }
    if isRequested {
      throw PostgresError(.cancelled, "The task was cancelled before the statement was sent.")
    }
    isStatementRunning = true
  }

  func statementEnded() {
    condition.lock()
    isStatementRunning = false
    if isRequested { condition.broadcast() }
    condition.unlock()
  }

  /// Waits until a cancellation under way has been delivered, so that a ROLLBACK is not hit by it.
  func settle() {
    condition.lock()
    while isSending { condition.wait() }
    condition.unlock()
  }

  /// Cancels what the connection is running, from the connection's own thread.
  func cancelNow() {
    condition.lock()
    defer { condition.unlock() }
    guard let handle else { return }
    var error = [CChar](repeating: 0, count: Self.errorBytesMax)
    _ = PQcancel(handle, &error, Int32(Self.errorBytesMax))
  }

  private func send(for expected: Ticket) {
    condition.lock()
    defer { condition.unlock() }
    while ticket == expected, isStatementRunning, let handle {
      isSending = true
      condition.unlock()
      var error = [CChar](repeating: 0, count: Self.errorBytesMax)
      _ = PQcancel(handle, &error, Int32(Self.errorBytesMax))
      condition.lock()
      isSending = false
      condition.broadcast()
      guard ticket == expected, isStatementRunning else { return }
      _ = condition.wait(until: Date(timeIntervalSinceNow: Self.repeatAfterSeconds))
    }
  }
}
