import NIOHTTP1
import Synchronization
import Testing

@testable import Registry

@Suite("What one server gets at a time")
struct ServerCapacityTests {
  @Test("a sign of too much to do halves the number once, and good answers bring it back")
  func halvesAndRecovers() {
    let capacity = ServerCapacity(requestsMax: 6)
    let sentTogether = capacity.reductions
    capacity.struggled(sentAfter: sentTogether)
    capacity.struggled(sentAfter: sentTogether)
    #expect(capacity.limit == 3)
    capacity.struggled(sentAfter: capacity.reductions)
    capacity.struggled(sentAfter: capacity.reductions)
    capacity.struggled(sentAfter: capacity.reductions)
    #expect(capacity.limit == 1)
    var answers = 0
    while capacity.limit < 6 {
      capacity.answered()
      answers += 1
    }
    #expect(answers == 8 * (1 + 2 + 3 + 4 + 5))
    for _ in 0..<1_000 { capacity.answered() }
    #expect(capacity.limit == 6)
  }

  @Test("as many run at a time as allowed and no more, over all who share the server", .timeLimit(.minutes(10)))
  func bound() async throws {
    let capacities = ServerCapacities(requestsMax: 3)
    let first = try capacities.capacity(of: "http://mlflow.example:5000/a")
    let second = try capacities.capacity(of: "http://MLFLOW.example:5000")
    #expect(first === second)
    #expect(try capacities.capacity(of: "http://mlflow.example:5001") !== first)
    let most = Most(awaited: 3)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<60 {
        let capacity = number % 2 == 0 ? first : second
        group.addTask { try await capacity.withSlot { await most.visit() } }
      }
      try await group.waitForAll()
    }
    #expect(most.peak == 3)
  }

  @Test("a server that asks for a pause gets it from everybody who asks it")
  func pause() async throws {
    let capacity = ServerCapacity(requestsMax: 6)
    let pauses = RecordedPauses()
    try await ScriptedServer.with { _, number in
      number == 1 ? .json("{}", status: .tooManyRequests, headers: [("retry-after", "7")]) : .json("{}")
    } _: { server in
      let told = try MLflowRegistry.at(server, pauses: pauses) { $0.capacity = capacity }
      #expect(try await told.registeredModels().isEmpty)
      #expect(pauses.all.count == 1)
      // The clock of the test stands still.
      let other = try MLflowRegistry.at(server, pauses: pauses) { $0.capacity = capacity }
      #expect(try await other.registeredModels().isEmpty)
      #expect(pauses.all.count == 2 && pauses.all.allSatisfy { $0 >= .seconds(7) && $0 < .seconds(8) })
    }
    #expect(capacity.pause(at: 7) == nil)
    #expect(capacity.pause(at: 5) == .seconds(2))
  }

  @Test("as many connections are made as requests are let through", .timeLimit(.minutes(1)))
  func connections() async throws {
    let requests = 3 * HTTPPolicy().concurrentRequestsMax
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(ending: .silent)
    } _: { server in
      let registry = try MLflowRegistry.at(server) { $0.capacity = ServerCapacity(requestsMax: requests) }
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<requests { group.addTask { _ = try? await registry.registeredModels() } }
        while server.requests.count < requests, !Task.isCancelled { await Task.yield() }
        group.cancelAll()
      }
      #expect(server.requests.count == requests)
    }
  }

  /// How many were inside at a time. The first to come stay until as many as awaited are inside, so that chance cannot
  /// lead them through one by one.
  private final class Most: Sendable {
    private let awaited: Int
    private let counts = Mutex((now: 0, peak: 0))
    var peak: Int { counts.withLock(\.peak) }

    init(awaited: Int) {
      self.awaited = awaited
    }

    func visit() async {
      counts.withLock { counts in
        counts.now += 1
        counts.peak = max(counts.peak, counts.now)
      }
      repeat { await Task.yield() } while peak < awaited
      counts.withLock { $0.now -= 1 }
    }
  }

  @Test("MLflow out of database connections is overloaded: asked again, and for less")
  func outOfConnections() async throws {
    let refusal = """
      {"error_code":"BAD_REQUEST","message":"QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00 (Background on this error at: https://sqlalche.me/e/20/3o7r)"}
      """
    let capacity = ServerCapacity(requestsMax: 6)
    try await ScriptedServer.with { _, number in
      number == 1 ? .json(refusal, status: .badRequest) : .json("{}")
    } _: { server in
      let registry = try MLflowRegistry.at(server) { $0.capacity = capacity }
      #expect(try await registry.registeredModels().isEmpty)
      #expect(server.requests.count == 2)
    }
    #expect(capacity.limit == 3)
    try await ScriptedServer.with { _, _ in
      .json(refusal, status: .badRequest)
    } _: { server in
      let error = await registryError {
        try await MLflowRegistry.at(server).createModelVersion(NewModelVersion(name: "m", source: "s"))
      }
      #expect(error?.code == .overloaded)
      #expect(error?.retriable == true)
      // Creating is not idempotent, so it is left to the next run, which looks first.
      #expect(server.requests.count == 1)
    }
  }
}
