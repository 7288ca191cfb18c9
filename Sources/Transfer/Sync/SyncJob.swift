import Foundation
import Ledger
public import Marketplace
import Registry

/// The main job: observe, export, import and follow, for any number of workspaces, each alone or together.
public struct SyncJob: Sendable {
  /// The parts of the job that may run alone.
  public struct Steps: OptionSet, Sendable {
    /// The raw bits.
    public let rawValue: Int
    /// From bits.
    public init(rawValue: Int) { self.rawValue = rawValue }
    /// Read the registries and append what changed.
    public static let observe = Steps(rawValue: 1)
    /// Copy current versions to storage.
    public static let export = Steps(rawValue: 2)
    /// Make exports versions of the marketplace, and keep what it promotes in step.
    public static let `import` = Steps(rawValue: 4)
    /// All of them.
    public static let all: Steps = [.observe, .export, .import]
  }

  let context: JobContext
  let workspaces: [SourceWorkspace]
  let target: MarketplaceTarget?
  let steps: Steps
  let configured: Set<WorkspaceID>

  /// A job over these workspaces. Without a target nothing is imported.
  ///
  /// - Parameter configured: all that the configuration names, where the job is to work on some of them only: none of
  ///   them is unattended.
  public init(
    context: JobContext, workspaces: [SourceWorkspace], target: MarketplaceTarget?, steps: Steps,
    configured: Set<WorkspaceID> = []
  ) {
    self.configured = configured
    self.context = context
    self.workspaces = workspaces
    self.target = target
    self.steps = steps
  }

  /// Runs the job. One workspace's trouble is in its report and stops no other's.
  ///
  /// - Throws: what makes the whole run impossible: the database's errors, a store that is not there, and cancellation.
  public func run() async throws -> JobReport {
    var report = JobReport(run: context.run)
    if steps != .observe { try await StorageMarker.prove(context) }
    let locks = ModelLocks(context: context)
    do {
      var reading: MarketplaceReading?
      if let target, steps.contains(.import) {
        do {
          reading = try await MarketplaceReading.read(target, context: context)
        } catch {
          report.marketplaceTrouble = try Trouble(error)
        }
      }
      let names = NameRegister(context: context)
      let outcomes = try await concurrently(
        workspaces, limit: context.options.workspacesConcurrent, startingAt: context.place
      ) { [self, reading] workspace in
        try await contained(workspace.id) {
          try await WorkspaceJob(
            context: context, workspace: workspace, target: target, reading: reading, steps: steps, locks: locks,
            names: names
          ).run()
        }
      }
      report.workspaces = outcomes.map(\.report)
      if let reading {
        let disconnected = try await followDisconnected(reading, locks: locks)
        report.workspaces += disconnected.map(\.report).filter { !$0.items.isEmpty }
        try await remember(reading, outcomes + disconnected, locks: locks, report: &report)
      }
      report.unattended = try await unattended()
      report.wasInterrupted = context.isStopping()
    } catch {
      await locks.close()
      throw error
    }
    await locks.close()
    return report
  }

  /// Keeps one workspace's trouble with the ledger from ending the work in the others. Only the database itself and
  /// the operator end a run.
  private func contained(
    _ workspace: WorkspaceID, _ work: () async throws -> WorkspaceJob.Outcome
  ) async throws -> WorkspaceJob.Outcome {
    var outcome = WorkspaceJob.Outcome(report: WorkspaceReport(workspace: workspace))
    guard !context.isStopping() else {
      outcome.report.trouble = Trouble.notBegun
      return outcome
    }
    do {
      return try await work()
    } catch let error as LedgerError where error.isLostRace {
      outcome.report.trouble = Trouble(
        "contended", "Other runs kept changing \(workspace) at the same time: \(error). Run again.", retriable: true)
    } catch {
      outcome.report.trouble = try Trouble(error)
    }
    return outcome
  }

  /// A disconnected workspace promotes nothing. Its configuration may be gone, so whoever runs takes its models out of
  /// promotion, from history alone.
  private func followDisconnected(_ reading: MarketplaceReading, locks: ModelLocks) async throws
    -> [WorkspaceJob.Outcome]
  {
    let history = History(ledger: context.ledger, run: context.run)
    let follow = FollowJob(context: context, target: reading.target, reading: reading, locks: locks)
    var outcomes: [WorkspaceJob.Outcome] = []
    for workspace in try await unnamed(areDisconnected: true) {
      var state = try await history.load(workspace)
      guard state.isDisconnected else { continue }
      var outcome = WorkspaceJob.Outcome(report: WorkspaceReport(workspace: workspace))
      let lost = try await follow.findLost(state)
      outcome.note(lost)
      if lost.hasLost, !context.options.isDryRun { state = try await history.load(workspace, from: state) }
      outcome.note(try await follow.follow(state))
      outcome.state = state
      outcomes.append(outcome)
    }
    return outcomes
  }

  /// Connected workspaces that this configuration does not name.
  private func unattended() async throws -> [WorkspaceID] { try await unnamed(areDisconnected: false) }

  /// Workspaces that were connected at some time and that the configuration does not name.
  private func unnamed(areDisconnected: Bool) async throws -> [WorkspaceID] {
    let known = try await context.memory.workspaces(areDisconnected: areDisconnected)
    let named = configured.union(workspaces.map(\.id)).union([.marketplace])
    return known.filter { !named.contains($0) }
  }
}
