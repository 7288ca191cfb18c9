import Foundation
import Ledger
import Marketplace
import Registry
import Transfer

/// The real job over simulated ports.
final class SimulatedJob: @unchecked Sendable {
  // Unchecked: the scheduler keeps everything on one thread.
  let process: SimulatedProcess
  let options: JobOptions
  let steps: SyncJob.Steps
  private let only: WorkspaceID?
  /// The workspaces that it is to work on.
  private(set) var configured: Set<WorkspaceID> = []
  private(set) var isDone = false
  private(set) var report: JobReport?
  private(set) var collection: CollectionReport?
  private(set) var failure: String?
  /// The age from which on what nobody needs goes, where the job is to collect that and not to synchronize.
  private let collectedAge: Duration?

  init(process: SimulatedProcess, options: JobOptions, steps: SyncJob.Steps, only: WorkspaceID?) {
    self.process = process
    self.options = options
    self.steps = steps
    self.only = only
    collectedAge = nil
  }

  init(process: SimulatedProcess, options: JobOptions, collectsOlderThan age: Duration) {
    self.process = process
    self.options = options
    steps = []
    only = nil
    collectedAge = age
  }

  func start() {
    let work = work()
    for (id, workspace) in process.world.checker.workspaces {
      let available = workspace.models.values.count { $0.available != nil }
      process.conduct.available[id] = available...available
    }
    Task(executorPreference: process.world.scheduler) { [self] in
      do {
        try await work()
      } catch {
        failure = "\(error)"
        process.world.note("\(process.run.uuidString.prefix(4)) failed: \(error)")
      }
      isDone = true
    }
  }

  private func work() -> @Sendable () async throws -> Void {
    guard let collectedAge else {
      let job = syncJob()
      return { self.report = try await job.run() }
    }
    let workspaces = process.world.log.workspaces.keys.sorted().compactMap { try? WorkspaceID($0) }
    let job = StorageCollection(
      context: context(), workspaces: workspaces, olderThan: collectedAge, deletes: !options.isDryRun)
    return { self.collection = try await job.run() }
  }

  private func context() -> JobContext {
    let world = process.world
    let process = process
    return JobContext(
      ledger: SimulatedLog(process: process), memory: SimulatedMemory(process: process),
      locks: SimulatedLocks(process: process), storage: SimulatedStorage(process: process), run: process.run,
      now: { world.clock }, randomID: { world.dice.uuid() }, options: options,
      progress: { progress in
        switch progress {
        case .observing(let id): process.conduct.told.insert(id.text)
        case .exporting: process.conduct.toldStored += 1
        case .importing: process.conduct.toldSent += 1
        case .checking: break
        }
      },
      isStopping: { process.isStopping },
      pause: { length in
        process.conduct.pauses.append(length)
        await world.scheduler.turn(of: process.run)
        world.tick()
        if process.isDead { throw ProcessDied() }
      })
  }

  private func syncJob() -> SyncJob {
    let world = process.world
    let process = process
    let configured = world.sources.filter(\.isConfigured)
    self.configured = Set(configured.filter { only == nil || $0.id == only }.map(\.id))
    let workspaces = configured.filter { only == nil || $0.id == only }.map { site in
      SourceWorkspace(
        id: site.id, connection: WorkspaceConnected(registry: "sim:\(site.id)", kind: "mlflow", promoted: site.rule),
        registry: SimulatedRegistry(state: site.registry, process: process), tagsSource: site.tagsSource)
    }
    let target = MarketplaceTarget(
      id: "marketplace", registry: SimulatedRegistry(state: world.marketplace, process: process),
      template: world.nameTemplate(),
      stage: world.plan.stage, alias: world.plan.alias)
    return SyncJob(
      context: context(), workspaces: workspaces, target: target, steps: steps, configured: Set(configured.map(\.id)))
  }
}
