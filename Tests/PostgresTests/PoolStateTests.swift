import Testing

@testable import Postgres

@Suite struct PoolStateTests {
  private typealias State = PoolState<String, Int>

  private func waits(_ acquire: State.Acquire) -> Bool? {
    if case .wait(let opensConnection) = acquire { opensConnection } else { nil }
  }

  @Test("waiters are served in the order they came, also when one has left")
  func order() {
    var state = State(connectionsMax: 1)
    let result8 = state.acquire(state.reserveID(), 10)
    #expect(waits(result8) == true)
    let second = state.reserveID()
    _ = state.acquire(second, 20)
    let result9 = state.acquire(state.reserveID(), 30)
    #expect(waits(result9) == false)
    let result1 = state.removeWaiter(second)
    #expect(result1 == 20)
    let result2 = state.removeWaiter(second)
    #expect(result2 == nil)
    guard case .resume(10, "a") = state.opened("a") else {
      Issue.record("the first waiter comes first")
      return
    }
    guard case .resume(30, "a") = state.offer("a") else {
      Issue.record("the third waiter comes next")
      return
    }
    guard case .park = state.offer("a") else {
      Issue.record("nobody waits any more")
      return
    }
    let result3 = state.takeIdle()
    #expect(result3 == "a")
    #expect(state.count == 1)
  }

  @Test("a failed attempt to connect fails one waiter, and the next one gets an attempt of its own")
  func openFailed() {
    var state = State(connectionsMax: 1)
    _ = state.acquire(state.reserveID(), 1)
    _ = state.acquire(state.reserveID(), 2)
    let (waiter, opens) = state.openFailed()
    #expect(waiter == 1)
    #expect(opens)
    let result4 = state.openFailed()
    #expect(result4 == (2, false))
    #expect(state.count == 0)
  }

  @Test("a broken connection is replaced only when someone waits")
  func discarded() {
    var state = State(connectionsMax: 2)
    _ = state.acquire(state.reserveID(), 1)
    _ = state.opened("a")
    let result5 = state.discarded()
    #expect(!result5)
    #expect(state.count == 0)
    _ = state.acquire(state.reserveID(), 1)
    _ = state.opened("a")
    _ = state.acquire(state.reserveID(), 2)
    _ = state.opened("b")
    _ = state.acquire(state.reserveID(), 3)
    let result6 = state.discarded()
    #expect(result6)
    #expect(state.count == 2)
  }

  @Test("a connection that comes back to a closed pool is closed")
  func closed() {
    var state = State(connectionsMax: 2)
    _ = state.acquire(state.reserveID(), 1)
    _ = state.opened("a")
    let result7 = state.close()
    #expect(result7 == ([], []))
    guard case .close("a") = state.offer("a") else {
      Issue.record("it is not kept")
      return
    }
    #expect(state.count == 0)
    guard case .closed = state.acquire(state.reserveID(), 2) else {
      Issue.record("nobody is let in")
      return
    }
  }
}
