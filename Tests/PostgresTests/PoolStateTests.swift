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
    let second = state.reserveID()
    _ = state.acquire(second, 2)
    _ = state.waitedLong(second)
    _ = state.opened("b")
    _ = state.acquire(state.reserveID(), 3)
    let result6 = state.discarded()
    #expect(result6)
    #expect(state.count == 2)
  }

  @Test("another connection is opened only for who has waited long and waits still")
  func waitedLong() {
    var state = State(connectionsMax: 2)
    let first = state.reserveID()
    #expect(waits(state.acquire(first, 1)) == true)
    _ = state.opened("a")
    let (second, third) = (state.reserveID(), state.reserveID())
    let secondWaits = waits(state.acquire(second, 2))
    #expect(secondWaits == false)
    _ = state.acquire(third, 3)
    let opens = state.waitedLong(second)
    #expect(opens)
    let opensBeyondTheBound = state.waitedLong(third)
    #expect(!opensBeyondTheBound)
    guard case .resume(2, "b") = state.opened("b"), case .resume(3, "a") = state.offer("a") else {
      Issue.record("both are served, in the order they came")
      return
    }
    let opensForNobody = state.waitedLong(third)
    #expect(!opensForNobody)
    #expect(state.count == 2)
  }

  @Test("a lease leaves the last idle connection to the work")
  func lease() {
    var state = State(connectionsMax: 2)
    _ = state.acquire(state.reserveID(), 1)
    _ = state.opened("a")
    _ = state.offer("a")
    guard case .open = state.lease() else {
      Issue.record("a connection of its own is opened")
      return
    }
    #expect(state.count == 2)
    #expect(state.idleCount == 1)
    _ = state.offer("b")
    guard case .take("a") = state.lease() else {
      Issue.record("of two idle ones the one that was used longer ago")
      return
    }
    guard case .wait = state.lease() else {
      Issue.record("there are as many as there may be, and the last idle one is not given")
      return
    }
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
