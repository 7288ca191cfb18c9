import Synchronization

/// A fair bound on what runs at a time: who comes first goes first, and who is cancelled while waiting
/// leaves.
final class RequestSlots: Sendable {
  private struct State {
    var free: Int
    var waiting: [(id: UInt64, continuation: CheckedContinuation<Void, any Error>)] = []
    var nextID: UInt64 = 0
    var cancelled: Set<UInt64> = []
  }

  private let state: Mutex<State>

  init(count: Int) {
    precondition(count > 0, "without a slot nothing could ever run")
    state = Mutex(State(free: count))
  }

  /// Runs `body` in a slot, waiting for one to be free.
  func withSlot<T>(_ body: () async throws -> T) async throws -> T {
    try await acquire()
    defer { release() }
    return try await body()
  }

  private func acquire() async throws {
    try Task.checkCancellation()
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        enum Outcome { case granted, cancelled, waiting }
        let outcome: Outcome = state.withLock { state in
          if state.cancelled.remove(id) != nil { return .cancelled }
          if state.free > 0 {
            state.free -= 1
            return .granted
          }
          state.waiting.append((id, continuation))
          return .waiting
        }
        switch outcome {
        case .granted: continuation.resume()
        case .cancelled: continuation.resume(throwing: CancellationError())
        case .waiting: break
        }
      }
    } onCancel: {
      let waiter = state.withLock { state -> CheckedContinuation<Void, any Error>? in
        if let place = state.waiting.firstIndex(where: { $0.id == id }) {
          return state.waiting.remove(at: place).continuation
        }
        state.cancelled.insert(id)
        return nil
      }
      waiter?.resume(throwing: CancellationError())
    }
    // A cancellation that came after the slot was granted left its mark; it has no waiter any more.
    state.withLock { state in _ = state.cancelled.remove(id) }
  }

  private func release() {
    let next = state.withLock { state -> CheckedContinuation<Void, any Error>? in
      guard !state.waiting.isEmpty else {
        state.free += 1
        return nil
      }
      return state.waiting.removeFirst().continuation
    }
    next?.resume()
  }
}
