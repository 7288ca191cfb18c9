import Synchronization

/// How many calls may wait for a server: one more for each round that went well, half as many when it says that it
/// is overrun (additive increase, multiplicative decrease).
final class AdaptiveLimit: Sendable {
  /// How a call went for the server.
  enum Outcome {
    case well
    /// 429, 503, or no answer in time.
    case struggling
    /// Says nothing of its load.
    case unknown
  }

  /// A call that was let through, and which cut it has seen.
  struct Ticket: Sendable {
    fileprivate let epoch: Int
  }

  private struct State {
    var limit: Double
    var epoch = 0
    /// Before this time the server wants nothing, in seconds since 1970.
    var askedToWaitUntil = 0.0
  }

  private let limitMax: Double
  private let permits: Permits
  private let state: Mutex<State>

  init(limitMax: Int) {
    let limitMax = max(1, limitMax)
    self.limitMax = Double(limitMax)
    permits = Permits(capacity: limitMax)
    state = Mutex(State(limit: Double(limitMax)))
  }

  /// How many calls may be under way now.
  var limit: Int { permits.capacity }

  /// The server asked to be left alone until a time, in seconds since 1970: by whoever asks it, not only by who was told.
  func wait(until time: Double) {
    state.withLock { $0.askedToWaitUntil = max($0.askedToWaitUntil, time) }
  }

  /// How long the server still wants nothing; `nil` where it may be asked.
  func pause(at now: Double) -> Duration? {
    let left = state.withLock { $0.askedToWaitUntil } - now
    return left > 0 ? .seconds(left) : nil
  }

  func enter() async throws -> Ticket {
    try await permits.acquire()
    return Ticket(epoch: state.withLock { $0.epoch })
  }

  func leave(_ ticket: Ticket, _ outcome: Outcome) {
    let capacity: Int = state.withLock { state in
      switch outcome {
      case .well: state.limit = min(limitMax, state.limit + 1 / state.limit)
      case .struggling where ticket.epoch == state.epoch:
        // Calls that were under way together complain together; that is one reason to cut, not many.
        state.limit = max(1, state.limit / 2)
        state.epoch += 1
      case .struggling, .unknown: break
      }
      return Int(state.limit)
    }
    permits.setCapacity(capacity)
    permits.release()
  }
}
