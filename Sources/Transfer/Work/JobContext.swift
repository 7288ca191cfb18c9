public import Foundation
public import Ledger
public import Marketplace
public import Postgres
public import Registry
public import Storage

/// What a job works with. Clock and randomness come in from outside, so that a whole world can be simulated.
public struct JobContext: Sendable {
  /// The ledger, to read history from and append to.
  public private(set) var ledger: any EventLog
  /// The caches and claims beside the ledger.
  public let memory: any JobMemory
  /// Where locks are held.
  public let locks: any LockSessions
  /// Where exports lie.
  public let storage: any ExternalStorage
  /// The id of this run of the job.
  public let run: UUID
  /// Our clock, in milliseconds since 1970.
  public let now: @Sendable () -> Int64
  /// A random id.
  public let randomID: @Sendable () -> UUID
  /// What the operator asked for.
  public let options: JobOptions
  /// Hears of what is going on.
  public let progress: @Sendable (JobProgress) -> Void
  /// Whether the operator asked to finish: nothing new is begun then.
  public let isStopping: @Sendable () -> Bool
  /// Waits by our clock.
  public let pause: @Sendable (Duration) async throws -> Void
  /// The lock under which the work is done, where there is one.
  private var lock: HeldLock?

  /// Puts the parts together over a database.
  public init(
    ledger: Ledger, pool: PostgresPool, storage: any ExternalStorage, run: UUID,
    now: @escaping @Sendable () -> Int64, randomID: @escaping @Sendable () -> UUID, options: JobOptions,
    progress: @escaping @Sendable (JobProgress) -> Void, isStopping: @escaping @Sendable () -> Bool
  ) {
    self.init(
      ledger: ledger, memory: PostgresMemory(pool), locks: PostgresLockSessions(pool), storage: storage, run: run,
      now: now, randomID: randomID, options: options, progress: progress, isStopping: isStopping,
      pause: { try await Task.sleep(for: $0) })
  }

  /// Puts the parts together.
  public init(
    ledger: any EventLog, memory: any JobMemory, locks: any LockSessions, storage: any ExternalStorage, run: UUID,
    now: @escaping @Sendable () -> Int64, randomID: @escaping @Sendable () -> UUID, options: JobOptions,
    progress: @escaping @Sendable (JobProgress) -> Void, isStopping: @escaping @Sendable () -> Bool,
    pause: @escaping @Sendable (Duration) async throws -> Void
  ) {
    self.ledger = ledger
    self.memory = memory
    self.locks = locks
    self.storage = storage
    self.run = run
    self.now = now
    self.randomID = randomID
    self.options = options
    self.progress = progress
    self.isStopping = isStopping
    self.pause = pause
  }

  /// Where in a list this run begins, to be taken as a remainder: several that start together begin in different places and
  /// do not crowd, and nothing is always the last before a deadline.
  var place: Int {
    let id = run.uuid
    return [id.12, id.13, id.14, id.15].reduce(0) { $0 << 8 | Int($1) }
  }

  /// The same, but for a ledger that takes events only while `lock` is held.
  func holding(_ lock: HeldLock) -> JobContext {
    var context = self
    context.ledger = FencedLog(log: ledger, lock: lock)
    context.lock = lock
    return context
  }

  /// Asks whether the lock of ``holding(_:)`` is still held, before something is done that nobody could take back.
  ///
  /// - Throws: ``Trouble`` with ``Trouble/lockLostCode`` when it is lost.
  func proveLock() async throws { try await lock?.prove() }
}

/// What the operator asked a job for.
public struct JobOptions: Sendable {
  /// Print the plan, change nothing.
  public var isDryRun = false
  /// Try permanent failures again now.
  public var retryFailed = false
  /// How many models a workspace may lose in this run; `nil` for the ordinary limit.
  public var withdrawals = WithdrawalLimit(permitted: nil)
  /// Workspaces worked on side by side.
  public var workspacesConcurrent = 4
  /// Models of one workspace transferred, or promoted and withdrawn, side by side.
  public var modelsConcurrent = 4
  /// The versions of all models are listed at once where at least so many models, and half of all, have to be looked at:
  /// below, a server is asked for less when it is asked for each.
  public var modelsListedAtOnceMin = 8

  /// The ordinary ones.
  public init() {}
}

/// What a job is doing, for a progress line.
public enum JobProgress: Sendable {
  /// A workspace's registry is being read.
  case observing(WorkspaceID)
  /// A version's files are on their way to storage.
  case exporting(WorkspaceID, model: String, version: Int, bytes: Int64)
  /// A version's files are on their way into the marketplace.
  case importing(WorkspaceID, model: String, version: Int, bytes: Int64)
  /// A version's export is being read where it lies.
  case checking(WorkspaceID, model: String, version: Int, bytes: Int64)
}

/// One source registry to work on.
public struct SourceWorkspace: Sendable {
  /// Its id.
  public let id: WorkspaceID
  /// The connection as it is to stand in the ledger; `nil` where its settings are not fit to be recorded.
  public let connection: WorkspaceConnected?
  /// The registry itself.
  public let registry: any ModelRegistry
  /// Whether a tag on the source version tells its owner where it stands in the marketplace.
  public let tagsSource: Bool

  /// Puts the parts together.
  public init(id: WorkspaceID, connection: WorkspaceConnected?, registry: any ModelRegistry, tagsSource: Bool) {
    self.id = id
    self.connection = connection
    self.registry = registry
    self.tagsSource = tagsSource
  }
}

/// The curated registry that imports go to.
public struct MarketplaceTarget: Sendable {
  /// The name under which the ledger knows it.
  public let id: String
  /// The registry itself.
  public let registry: any ModelRegistry
  /// How models are named there.
  public let template: NameTemplate
  /// The stage that means promoted there, if stages do.
  public let stage: String?
  /// The alias that means promoted there, if aliases do.
  public let alias: String?

  /// Puts the parts together.
  public init(
    id: String, registry: any ModelRegistry, template: NameTemplate, stage: String?, alias: String?
  ) {
    self.id = id
    self.registry = registry
    self.template = template
    self.stage = stage
    self.alias = alias
  }

  /// What the registry should be seen to promote.
  func expected(_ version: Int?) -> ObservedPromotion {
    .expected(version, stage: stage != nil, alias: alias != nil)
  }
}
