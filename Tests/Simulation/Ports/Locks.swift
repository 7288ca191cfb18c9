import Postgres
import Transfer

/// Session advisory locks: re-entrant in a session, gone with it.
final class LockState {
  final class Session {
    var isAlive = true
    var held: [Int64: Int] = [:]
  }

  private var owners: [Int64: Session] = [:]

  func tryLock(_ key: Int64, _ session: Session) -> Bool {
    if let owner = owners[key], owner !== session { return false }
    owners[key] = session
    session.held[key, default: 0] += 1
    return true
  }

  func unlock(_ key: Int64, _ session: Session) {
    guard let count = session.held[key] else { return }
    session.held[key] = count > 1 ? count - 1 : nil
    if count == 1 { owners[key] = nil }
  }

  func end(_ session: Session) {
    session.isAlive = false
    for key in session.held.keys { owners[key] = nil }
    session.held = [:]
  }
}

struct SimulatedLocks: LockSessions {
  let process: SimulatedProcess

  func open() async throws -> any LockSession {
    let session = LockState.Session()
    try await process.call(.locks, "open a session") { process.sessions.append(session) }
    return SimulatedLockSession(process: process, session: session)
  }
}

struct SimulatedLockSession: LockSession, @unchecked Sendable {
  // Unchecked: the scheduler keeps everything on one thread.
  let process: SimulatedProcess
  let session: LockState.Session

  func tryLock(_ key: Int64) async throws -> Bool {
    try await process.call(.locks, "lock") {
      try alive()
      let isTaken = process.world.locks.tryLock(key, session)
      if !isTaken { process.conduct.refused.insert(key) }
      return isTaken
    }
  }

  func unlock(_ key: Int64) async throws {
    try await process.call(.locks, "unlock") {
      try alive()
      process.world.locks.unlock(key, session)
    }
  }

  func stands() async throws -> Bool { try await process.call(.locks, "prove the lock") { session.isAlive } }

  func close() async {
    await process.world.scheduler.turn(of: process.run)
    process.sessions.removeAll { $0 === session }
    process.world.locks.end(session)
  }

  private func alive() throws {
    guard session.isAlive else { throw PostgresError(.connectionLost, "The session is gone.") }
  }
}
