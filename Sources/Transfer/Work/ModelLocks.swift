import Foundation
import Marketplace
import Postgres

/// Sees to it that one job at a time works on a model, across processes and machines, by PostgreSQL's session
/// advisory locks: they end with the connection, so that a killed job holds nothing.
actor ModelLocks {
  private static let pauseFirst = Duration.milliseconds(20)
  private static let pauseMax = Duration.seconds(1)

  private let pool: PostgresPool
  private var lease: SessionLease?
  /// Session locks are re-entrant, so within this process a set keeps two tasks apart.
  private var held: Set<Int64> = []

  init(pool: PostgresPool) { self.pool = pool }

  /// Runs `work` under the lock of `name`, or returns `nil` at once when somebody else holds it.
  func ifFree<T: Sendable>(_ name: String, _ work: @Sendable () async throws -> T) async throws -> T? {
    let key = Self.key(name)
    guard held.insert(key).inserted else { return nil }
    do {
      guard try await lock(key) else {
        held.remove(key)
        return nil
      }
      let result = try await work()
      try await unlock(key)
      return result
    } catch {
      try? await unlock(key)
      throw error
    }
  }

  /// Runs `work` under the lock of `name` as soon as it is free.
  func whenFree<T: Sendable>(_ name: String, _ work: @Sendable () async throws -> T) async throws -> T {
    var pause = Self.pauseFirst
    while true {
      if let result = try await ifFree(name, work) { return result }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, Self.pauseMax)
    }
  }

  /// Gives the connection back.
  func close() async {
    await lease?.release()
    lease = nil
  }

  private func lock(_ key: Int64) async throws -> Bool {
    let lease = try await session()
    return try await lease.withSession { session in
      try session.query("select pg_try_advisory_lock($1) as locked", [key])[0].bool("locked")
    }
  }

  private func unlock(_ key: Int64) async throws {
    held.remove(key)
    guard let lease else { return }
    try await lease.withSession { session in
      _ = try session.query("select pg_advisory_unlock($1)", [key])
    }
  }

  private func session() async throws -> SessionLease {
    if let lease { return lease }
    let fresh = try await pool.lease()
    if let lease {
      await fresh.release()
      return lease
    }
    lease = fresh
    return fresh
  }

  /// A lock's number: the first eight bytes of the name's id.
  private static func key(_ name: String) -> Int64 {
    withUnsafeBytes(of: NameBasedUUID.make(["lock", name]).uuid) { $0.loadUnaligned(as: Int64.self) }
  }
}
