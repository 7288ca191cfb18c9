import Foundation
import Marketplace

/// Sees to it that one job at a time works on a model, across processes and machines. Locks end with the session that
/// took them, so that a killed job holds nothing.
actor ModelLocks {
  private static let pauseFirst = Duration.milliseconds(20)
  private static let pauseMax = Duration.seconds(1)

  private let sessions: any LockSessions
  private let pause: @Sendable (Duration) async throws -> Void
  private var session: (any LockSession)?
  private var sessionNumber = 0
  private var isOpening = false
  /// Those who go on once it is known whether a session could be opened.
  private var waiting: [CheckedContinuation<Void, Never>] = []
  /// Sessions' locks are re-entrant, so within this process a set keeps two tasks apart.
  private var held: Set<Int64> = []

  init(context: JobContext) {
    sessions = context.locks
    pause = context.pause
  }

  /// Runs `work` under the lock of `name`, or returns `nil` at once when somebody else holds it. The work is given
  /// the lock, to prove that it is still held before anything is recorded.
  func ifFree<T: Sendable>(_ name: String, _ work: @Sendable (HeldLock) async throws -> T) async throws -> T? {
    let key = Self.key(name)
    guard held.insert(key).inserted else { return nil }
    defer { held.remove(key) }
    guard let (session, number) = try await lock(key) else { return nil }
    do {
      let result = try await work(HeldLock(name: name, session: session))
      await unlock(key, of: session, number)
      return result
    } catch {
      await unlock(key, of: session, number)
      throw error
    }
  }

  /// Runs `work` under the lock of `name` as soon as it is free.
  func whenFree<T: Sendable>(_ name: String, _ work: @Sendable () async throws -> T) async throws -> T {
    var length = Self.pauseFirst
    while true {
      if let result = try await ifFree(name, { _ in try await work() }) { return result }
      try await pause(length)
      length = min(length * 2, Self.pauseMax)
    }
  }

  /// Ends the session.
  func close() async {
    let ended = session
    session = nil
    await ended?.close()
  }

  /// The session that took the lock; `nil` when another has it. A session found dead is replaced, once.
  private func lock(_ key: Int64) async throws -> (any LockSession, Int)? {
    let (first, number) = try await current()
    do {
      return try await first.tryLock(key) ? (first, number) : nil
    } catch let error as CancellationError {
      throw error
    } catch {
      await drop(number)
    }
    let (second, next) = try await current()
    return try await second.tryLock(key) ? (second, next) : nil
  }

  /// A session that cannot give a lock back is ended: what it holds, others of this run included, is then free, and
  /// their proofs fail.
  private func unlock(_ key: Int64, of session: any LockSession, _ number: Int) async {
    do {
      try await session.unlock(key)
    } catch {
      await drop(number)
    }
  }

  private func drop(_ number: Int) async {
    guard number == sessionNumber else { return }
    await close()
  }

  /// The session, opened by the first who needs one, for all that need it meanwhile: each is a connection.
  private func current() async throws -> (any LockSession, Int) {
    while isOpening { await withCheckedContinuation { waiting.append($0) } }
    if let session { return (session, sessionNumber) }
    isOpening = true
    defer {
      isOpening = false
      for each in waiting { each.resume() }
      waiting = []
    }
    let fresh = try await sessions.open()
    session = fresh
    sessionNumber += 1
    return (fresh, sessionNumber)
  }

  /// A lock's number: the first eight bytes of the name's id.
  static func key(_ name: String) -> Int64 {
    withUnsafeBytes(of: NameBasedUUID.make(["lock", name]).uuid) { $0.loadUnaligned(as: Int64.self) }
  }
}

/// A lock that was taken, and may since have been lost with its session.
struct HeldLock: Sendable {
  let name: String
  let session: any LockSession

  /// Makes sure that the lock is still held.
  ///
  /// - Throws: ``Trouble`` with ``Trouble/lockLostCode`` when it is not.
  func prove() async throws {
    guard try await session.stands() else { throw Trouble.lockLost(name) }
  }
}

extension Trouble {
  /// The code of work that another may have begun anew meanwhile.
  static let lockLostCode = "lock_lost"

  static func lockLost(_ name: String) -> Trouble {
    Trouble(
      lockLostCode,
      "The database connection that held the lock of \(name) was lost, so another run may be at the same work. "
        + "Nothing was recorded; the next run takes up what is there.", retriable: true)
  }
}
