import Synchronization

/// How many requests one server gets at a time, whoever sends them: who comes first goes first, and who is cancelled
/// while waiting leaves.
///
/// A server that struggles gets less: each sign of it halves the number, down to one, and each run of good answers
/// raises it by one again. Registries on one server share one capacity, since they share its database and its workers.
public final class ServerCapacity: Sendable {
  /// Good answers, for each request under way at a time, after which one more is tried.
  private static let answersForMore = 8

  private struct State {
    var limit: Int
    var underWay = 0
    /// Good answers since the limit was last changed.
    var goodAnswers = 0
    /// Counts the reductions, so that what was sent before one does not cause another.
    var reductions = 0
    var waiting: [(id: UInt64, continuation: CheckedContinuation<Void, any Error>)] = []
    var nextID: UInt64 = 0
    var cancelled: Set<UInt64> = []
    /// Before this time the server wants nothing, in seconds since 1970.
    var askedToWaitUntil = 0.0
  }

  /// Requests it gets at a time at most.
  let requestsMax: Int
  private let state: Mutex<State>

  /// A server that gets at most so many requests at a time.
  ///
  /// - Parameter requestsMax: at least 1.
  public init(requestsMax: Int) {
    precondition(requestsMax > 0, "without a slot nothing could ever run")
    self.requestsMax = requestsMax
    state = Mutex(State(limit: requestsMax))
  }

  /// Requests it gets at a time now.
  var limit: Int { state.withLock { $0.limit } }

  /// Reductions so far: to be handed to ``struggled(sentAfter:)`` by a request that is sent now.
  var reductions: Int { state.withLock { $0.reductions } }

  /// A good answer came.
  func answered() {
    let granted = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
      guard state.limit < requestsMax else { return [] }
      state.goodAnswers += 1
      guard state.goodAnswers >= state.limit * Self.answersForMore else { return [] }
      state.limit += 1
      state.goodAnswers = 0
      return Self.grant(&state)
    }
    for continuation in granted { continuation.resume() }
  }

  /// The server showed that it has too much to do. Requests that were sent together fail together, and count once.
  func struggled(sentAfter reductions: Int) {
    state.withLock { state in
      guard reductions == state.reductions else { return }
      state.limit = max(1, state.limit / 2)
      state.goodAnswers = 0
      state.reductions += 1
    }
  }

  /// The server asked to be left alone until a time, in seconds since 1970: by whoever asks it, not only by who was told.
  func wait(until time: Double) {
    state.withLock { $0.askedToWaitUntil = max($0.askedToWaitUntil, time) }
  }

  /// How long the server still wants nothing; `nil` where it may be asked.
  func pause(at now: Double) -> Duration? {
    let left = state.withLock { $0.askedToWaitUntil } - now
    return left > 0 ? .seconds(left) : nil
  }

  /// Runs `body` in a slot, waiting for one to be free.
  func withSlot<T>(_ body: () async throws -> T) async throws -> T {
    try await acquire()
    defer { release() }
    return try await body()
  }

  /// A slot that is free now, and that nobody waits for; it is given back when nobody holds it any more.
  func slotIfFree() -> ServerSlot? {
    let isTaken = state.withLock { state in
      guard state.waiting.isEmpty, state.underWay < state.limit else { return false }
      state.underWay += 1
      return true
    }
    return isTaken ? ServerSlot { [self] in release() } : nil
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
          if state.underWay < state.limit {
            state.underWay += 1
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
    let granted = state.withLock { state in
      state.underWay -= 1
      return Self.grant(&state)
    }
    for continuation in granted { continuation.resume() }
  }

  /// Who may go now.
  private static func grant(_ state: inout State) -> [CheckedContinuation<Void, any Error>] {
    let count = min(state.waiting.count, max(0, state.limit - state.underWay))
    let granted = state.waiting.prefix(count).map(\.continuation)
    state.waiting.removeFirst(count)
    state.underWay += count
    return granted
  }
}

/// A slot of a server's capacity, for as long as it is held.
final class ServerSlot: Sendable {
  private let giveBack: @Sendable () -> Void

  init(giveBack: @escaping @Sendable () -> Void) { self.giveBack = giveBack }

  deinit { giveBack() }
}

/// The capacities of the servers a program talks to, one for each address.
public final class ServerCapacities: Sendable {
  private let requestsMax: Int
  private let known = Mutex<[String: ServerCapacity]>([:])

  /// Capacities of so many requests at a time, at least 1.
  public init(requestsMax: Int = HTTPPolicy().concurrentRequestsMax) { self.requestsMax = max(1, requestsMax) }

  /// The capacity of the server at an address; the path says nothing about the server.
  ///
  /// - Throws: ``RegistryError/Code/configuration`` when the address cannot be right.
  public func capacity(of url: String) throws -> ServerCapacity {
    let server = try ServerAddress(url).authority.lowercased()
    return known.withLock { known in
      if let found = known[server] { return found }
      let fresh = ServerCapacity(requestsMax: requestsMax)
      known[server] = fresh
      return fresh
    }
  }
}
