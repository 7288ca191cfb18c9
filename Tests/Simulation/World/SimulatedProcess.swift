import Foundation
import Postgres
import Registry
import Storage
import Transfer

/// The process died: nothing of it may reach the world any more, and nothing it still does in memory counts.
struct ProcessDied: Error {}

/// Which port a call goes through; each fails in its own words.
enum Port: String {
  case registry, storage, log, memory, locks

  func failure(_ name: StaticString) -> any Error {
    switch self {
    case .registry:
      RegistryError(.unreachable, operation: "\(name)", message: "the connection broke", retriable: true)
    case .storage:
      StorageError(.failed, key: "\(name)", "could not be reached.")
    case .log, .memory, .locks:
      PostgresError(.connectionLost, "The connection broke during \(name).")
    }
  }
}

/// One execution of a job, from its start to its end or its death.
final class SimulatedProcess: @unchecked Sendable {
  // Unchecked: the scheduler keeps everything on one thread.
  let world: World
  let run: UUID
  let began: Int64
  /// The world's steps before it.
  let stepsBefore: Int
  /// Whether ports fail and processes die. Once faults have stopped, they do not.
  let isExposed: Bool
  /// A job finishes early after so many calls.
  let stopsAfter: Int
  private(set) var isDead = false
  private(set) var calls = 0
  /// Writes to a registry, to storage or to what lies beside the log.
  var writes = 0
  var sessions: [LockState.Session] = []
  let options: JobOptions
  /// The age in milliseconds below which it may collect nothing, where it collects.
  var collectsOlderThan: Int64?
  /// What it was seen to do, for those who check what it says of itself.
  var conduct = Conduct()

  init(_ world: World, run: UUID, options: JobOptions, isExposed: Bool, stopsAfter: Int = .max) {
    self.world = world
    self.run = run
    self.options = options
    self.isExposed = isExposed
    self.stopsAfter = stopsAfter
    began = world.clock
    stepsBefore = world.steps
  }

  var isStopping: Bool { calls > stopsAfter }

  /// One call of a port: waits for its turn, and then happens, fails, happens unheard, or is the last.
  ///
  /// - Parameters:
  ///   - lastOnceIn: where processes die at all, one of so many is the last for sure, by these dice.
  ///   - late: keeps the request for later then, since it is still on its way.
  func call<Answer>(
    _ port: Port, _ name: StaticString, at place: @autoclosure () -> String = "", writes isWrite: Bool = false,
    lastOnceIn: Int = 0, by dice: ReferenceWritableKeyPath<World, Dice> = \.apart, late: (() -> Void)? = nil,
    _ effect: () throws -> Answer
  ) async throws -> Answer {
    await world.scheduler.turn(of: run)
    guard !isDead else { throw ProcessDied() }
    calls += 1
    world.tick()
    let isLast = isExposed && world.plan.diesOnceIn > 0 && world[keyPath: dice].once(in: lastOnceIn)
    let fate = isLast ? late == nil ? .deathAfter : .deathBefore : fate(isWrite: isWrite)
    if isLast { world.count("process killed") }
    world.note("\(run.uuidString.prefix(4)) \(port) \(name) \(place())\(fate == .fine ? "" : " \(fate)")")
    if port != .registry, fate != .fine { conduct.failedShared += 1 }
    if fate != .fine {
      world.foundAnew = [:]
      conduct.isBroken = true
    }
    if isWrite, fate == .fine || fate == .answerLost || fate == .deathAfter { writes += 1 }
    switch fate {
    case .fine: return try effect()
    case .fails: throw port.failure(name)
    case .answerLost:
      _ = try effect()
      throw port.failure(name)
    case .deathBefore:
      if isLast { late?() }
      die()
      throw ProcessDied()
    case .deathAfter:
      _ = try? effect()
      die()
      throw ProcessDied()
    }
  }

  /// After something was done that is worth a look when it stays half: where processes die at all, one in so many does.
  func mayDie(onceIn count: Int) throws {
    guard isExposed, world.plan.diesOnceIn > 0, world.attic.once(in: count) else { return }
    world.count("process killed")
    world.note("\(run.uuidString.prefix(4)) is killed")
    world.foundAnew = [:]
    conduct.isBroken = true
    die()
    throw ProcessDied()
  }

  private enum Fate { case fine, fails, answerLost, deathBefore, deathAfter }

  private func fate(isWrite: Bool) -> Fate {
    guard isExposed else { return .fine }
    let plan = world.plan
    loseLocks()
    if world.dice.once(in: plan.diesOnceIn) {
      world.count("process killed")
      return world.dice.once(in: 2) ? .deathBefore : .deathAfter
    }
    guard world.dice.once(in: plan.failsOnceIn) else { return .fine }
    if isWrite, world.dice.once(in: plan.answerLostOnceIn) {
      world.count("answer lost")
      return .answerLost
    }
    world.count("call failed")
    return .fails
  }

  private func loseLocks() {
    guard !sessions.isEmpty, world.dice.once(in: world.plan.lockLostOnceIn) else { return }
    world.count("lock session lost")
    conduct.isBroken = true
    conduct.failedShared += 1
    endSessions()
  }

  /// As by SIGKILL: its locks are free at once.
  func die() {
    isDead = true
    endSessions()
  }

  func endSessions() {
    for session in sessions { world.locks.end(session) }
    sessions = []
  }
}
