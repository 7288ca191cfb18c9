/// Lets so many through at once; others wait in their order. For what costs the database much.
actor Turnstile {
  private let max: Int
  private var inside = 0
  private var waiting: [(number: Int, continuation: CheckedContinuation<Void, any Error>)] = []
  private var next = 0

  init(max: Int) { self.max = max }

  /// Does something once it is its turn.
  ///
  /// - Throws: `CancellationError` while it waits; what `body` throws.
  func pass<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    try await enter()
    defer { leave() }
    return try await body()
  }

  private func enter() async throws {
    try Task.checkCancellation()
    guard inside == max else {
      inside += 1
      return
    }
    let number = next
    next += 1
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        if Task.isCancelled {
          continuation.resume(throwing: CancellationError())
        } else {
          waiting.append((number, continuation))
        }
      }
    } onCancel: {
      Task { await self.giveUp(number) }
    }
  }

  /// The turn goes to whoever waits longest.
  private func leave() {
    guard waiting.isEmpty else { return waiting.removeFirst().continuation.resume() }
    inside -= 1
  }

  private func giveUp(_ number: Int) {
    guard let place = waiting.firstIndex(where: { $0.number == number }) else { return }
    waiting.remove(at: place).continuation.resume(throwing: CancellationError())
  }
}

/// Of what bears the same name one goes on at a time; others wait in their order.
actor NamedTurns {
  private var turnstiles: [String: (turnstile: Turnstile, users: Int)] = [:]

  /// Does something once it is its turn.
  ///
  /// - Throws: `CancellationError` while it waits; what `body` throws.
  func pass<Result: Sendable>(_ name: String, _ body: @Sendable () async throws -> Result) async throws -> Result {
    let (turnstile, users) = turnstiles[name] ?? (Turnstile(max: 1), 0)
    turnstiles[name] = (turnstile, users + 1)
    defer {
      let left = turnstiles[name].map { $0.users - 1 } ?? 0
      turnstiles[name] = left == 0 ? nil : (turnstile, left)
    }
    return try await turnstile.pass(body)
  }
}
