import Synchronization

/// A number of permits that tasks take, wait for in turn, and give back. Their number may change meanwhile.
final class Permits: Sendable {
  private struct Waiter {
    let id: Int
    let count: Int
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var capacity: Int
    var taken = 0
    var nextID = 0
    var waiting: [Waiter] = []
    /// Cancelled before they began to wait.
    var cancelled: Set<Int> = []

    /// More than there are is granted to whoever is alone, else it would wait for ever.
    func hasRoom(for count: Int) -> Bool { taken == 0 || taken + count <= capacity }

    mutating func grant() -> [Waiter] {
      var granted: [Waiter] = []
      while let first = waiting.first, hasRoom(for: first.count) {
        taken += first.count
        granted.append(waiting.removeFirst())
      }
      return granted
    }
  }

  private let state: Mutex<State>

  init(capacity: Int) { state = Mutex(State(capacity: max(1, capacity))) }

  var capacity: Int { state.withLock { $0.capacity } }
  var taken: Int { state.withLock { $0.taken } }

  func setCapacity(_ capacity: Int) {
    let granted = state.withLock { state in
      state.capacity = max(1, capacity)
      return state.grant()
    }
    for waiter in granted { waiter.continuation.resume() }
  }

  /// Takes permits if they are free and nobody waits.
  func tryAcquire(_ count: Int = 1) -> Bool {
    state.withLock { state in
      guard state.waiting.isEmpty, state.taken + count <= state.capacity else { return false }
      state.taken += count
      return true
    }
  }

  /// Takes permits, in turn.
  ///
  /// - Throws: `CancellationError`; nothing is taken then.
  func acquire(_ count: Int = 1) async throws {
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
          if state.waiting.isEmpty, state.hasRoom(for: count) {
            state.taken += count
            return .granted
          }
          state.waiting.append(Waiter(id: id, count: count, continuation: continuation))
          return .waiting
        }
        switch outcome {
        case .granted: continuation.resume()
        case .cancelled: continuation.resume(throwing: CancellationError())
        case .waiting: break
        }
      }
    } onCancel: {
      let (waiter, granted) = state.withLock { state -> (Waiter?, [Waiter]) in
        if let place = state.waiting.firstIndex(where: { $0.id == id }) {
          let waiter = state.waiting.remove(at: place)
          return (waiter, state.grant())
        }
        state.cancelled.insert(id)
        return (nil, [])
      }
      waiter?.continuation.resume(throwing: CancellationError())
      for waiter in granted { waiter.continuation.resume() }
    }
    // A cancellation that came after the grant left its mark; it has no waiter any more.
    state.withLock { state in _ = state.cancelled.remove(id) }
  }

  func release(_ count: Int = 1) {
    let granted = state.withLock { state in
      state.taken -= count
      return state.grant()
    }
    for waiter in granted { waiter.continuation.resume() }
  }
}

/// Permits that go back when nobody holds this any more, whatever happened to whoever took them.
final class Reservation: Sendable {
  private let permits: Permits
  private let count: Int

  private init(permits: Permits, count: Int) {
    self.permits = permits
    self.count = count
  }

  static func waiting(_ count: Int, of permits: Permits) async throws -> Reservation {
    try await permits.acquire(count)
    return Reservation(permits: permits, count: count)
  }

  static func now(_ count: Int, of permits: Permits) -> Reservation? {
    permits.tryAcquire(count) ? Reservation(permits: permits, count: count) : nil
  }

  deinit { permits.release(count) }
}
