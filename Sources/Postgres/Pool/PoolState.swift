/// Who holds which connection, and who waits: pure decisions, no I/O.
///
/// Waiters are served in the order they came. The most recently used idle connection goes out first. Beside those that
/// are there, another is opened only for who has waited for a while: what a connection plans for its first append costs
/// more than a short wait for one that has its plans.
struct PoolState<Connection, Waiter> {
  enum Acquire {
    case take(Connection)
    case wait(opensConnection: Bool)
    case closed
  }

  enum Lease {
    case take(Connection)
    case open
    case wait
  }

  enum Offer {
    case resume(Waiter, Connection)
    case park
    case close(Connection)
  }

  let connectionsMax: Int
  private(set) var isClosed = false
  private var idle: [Connection] = []
  private var waiters: [(id: Int, waiter: Waiter)] = []
  private var nextID = 0
  /// Open or being opened, idle or in use.
  private(set) var count = 0
  private var opening = 0

  init(connectionsMax: Int) { self.connectionsMax = max(1, connectionsMax) }

  var waitersCount: Int { waiters.count }
  var idleCount: Int { idle.count }

  /// Takes an idle connection, unless someone waits already.
  mutating func takeIdle() -> Connection? {
    guard !isClosed, waiters.isEmpty else { return nil }
    return idle.popLast()
  }

  /// A connection for long. The last idle one stays where it is, for it has its plans; a lease needs none.
  mutating func lease() -> Lease {
    guard !isClosed, waiters.isEmpty else { return .wait }
    if idle.count > 1 { return .take(idle.removeFirst()) }
    guard count < connectionsMax else { return .wait }
    count += 1
    return .open
  }

  mutating func reserveID() -> Int {
    nextID += 1
    return nextID
  }

  mutating func acquire(_ id: Int, _ waiter: Waiter) -> Acquire {
    if isClosed { return .closed }
    if let connection = takeIdle() { return .take(connection) }
    waiters.append((id, waiter))
    return .wait(opensConnection: count == 0 && startOpening())
  }

  /// Somebody has waited for a while.
  ///
  /// - Returns: whether another connection has to be opened.
  mutating func waitedLong(_ id: Int) -> Bool {
    waiters.contains { $0.id == id } && startOpening()
  }

  /// Takes a waiter out that was cancelled or has waited too long.
  mutating func removeWaiter(_ id: Int) -> Waiter? {
    guard let index = waiters.firstIndex(where: { $0.id == id }) else { return nil }
    return waiters.remove(at: index).waiter
  }

  /// A connection has been opened.
  mutating func opened(_ connection: Connection) -> Offer {
    opening -= 1
    return offer(connection)
  }

  /// A connection could not be opened: the first waiter gets to know, the next one gets an attempt of its own.
  mutating func openFailed() -> (waiter: Waiter?, opensConnection: Bool) {
    opening -= 1
    count -= 1
    let waiter = waiters.isEmpty ? nil : waiters.removeFirst().waiter
    return (waiter, startOpening())
  }

  /// A good connection comes back.
  mutating func offer(_ connection: Connection) -> Offer {
    if isClosed {
      count -= 1
      return .close(connection)
    }
    if !waiters.isEmpty { return .resume(waiters.removeFirst().waiter, connection) }
    idle.append(connection)
    return .park
  }

  /// A broken connection is gone.
  ///
  /// - Returns: whether another one has to be opened for those who wait.
  mutating func discarded() -> Bool {
    count -= 1
    return startOpening()
  }

  /// Takes out all idle connections, because one of them was found dead.
  mutating func evictIdle() -> [Connection] {
    defer { idle.removeAll() }
    count -= idle.count
    return idle
  }

  mutating func close() -> (waiters: [Waiter], idle: [Connection]) {
    isClosed = true
    defer { waiters.removeAll() }
    return (waiters.map(\.waiter), evictIdle())
  }

  private mutating func startOpening() -> Bool {
    guard !isClosed, count < connectionsMax, opening < waiters.count else { return false }
    count += 1
    opening += 1
    return true
  }
}
