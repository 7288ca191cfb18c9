import Foundation
import Ledger
import Marketplace
import Registry
import Transfer

/// One run of a job from the command line: set up, wait, run, report, exit code.
struct JobRun {
  let name: String
  let steps: SyncJob.Steps
  let options: GlobalOptions
  let arguments: JobArguments
  var retryFailed = false
  var maxWithdrawals: Int?

  func run() async throws {
    let began = ContinuousClock.now
    let settings = try Settings(options)
    let plan = try Plan(settings, steps: steps, named: arguments.workspaces)
    let keys = try settings.auditKeysIfAny(signs: true)
    let interruption = Interruption()
    let run = RunID.make()
    try await wait(for: run, interruption)
    let deadline = arguments.deadline.map { began + $0.duration }
    let isStopping: @Sendable () -> Bool = {
      interruption.isStopping || deadline.map { ContinuousClock.now >= $0 } ?? false
    }
    let progress = ProgressLine(isQuiet: options.quiet)
    let started = ContinuousClock.now
    let published = Deferred()
    var report = try await Workplace.use(settings, options: options) { place in
      let context = JobContext(
        ledger: place.ledger, pool: place.pool, storage: try settings.storage(), run: run,
        now: { Int64(Date().timeIntervalSince1970 * 1_000) }, randomID: { UUID() }, options: jobOptions(settings),
        progress: { progress.note($0) }, isStopping: isStopping)
      let job = SyncJob(
        context: context, workspaces: plan.sources, target: plan.target, steps: steps, configured: plan.named)
      let report = try await job.run()
      // The run's events get their place in the global order; nothing is appended by it.
      // What was done is told, even if the log cannot be published.
      if !arguments.dryRun { await published.note { try await place.seal(settings, keys) } }
      return report
    }
    progress.finish()
    plan.complete(&report)
    let took = started.duration(to: .now)
    let output = JobOutput(
      name: name, report: report, isDryRun: arguments.dryRun, requests: plan.requests,
      seconds: Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18,
      interrupted: interruption.status, deadline: deadline.map { $0 <= .now } == true ? arguments.deadline : nil)
    switch options.output {
    case .table: output.printTable()
    case .json: try JSONOutput.print(output.json)
    }
    if let failure = await published.failure, output.status == .done || ExitStatus(of: failure) == .integrity {
      throw failure
    }
    if output.status != .done { throw JobEnded(status: output.status) }
  }

  /// The jittered start. Nothing is open meanwhile.
  private func wait(for run: UUID, _ interruption: Interruption) async throws {
    guard let longest = arguments.jitter else { return }
    let delay = StartDelay(upTo: longest, run: run)
    if !options.quiet {
      Console.remark("  waiting \(Sentence.seconds(delay.seconds)) of at most \(longest.text) before the start")
    }
    await interruption.wait(for: .seconds(delay.seconds))
    if let status = interruption.status {
      throw Failure(status, status.code, "Interrupted while waiting for the start. Nothing was begun.")
    }
  }

  private func jobOptions(_ settings: Settings) -> JobOptions {
    var options = JobOptions()
    options.isDryRun = arguments.dryRun
    options.retryFailed = retryFailed
    options.withdrawals = WithdrawalLimit(permitted: maxWithdrawals)
    if let workspaces = settings.file.concurrency?.workspaces { options.workspacesConcurrent = workspaces }
    if let models = settings.file.concurrency?.models { options.modelsConcurrent = models }
    return options
  }
}

/// Work whose failure is told after something else.
private actor Deferred {
  private(set) var failure: (any Error)?

  func note(_ work: @Sendable () async throws -> Void) async {
    do { try await work() } catch { failure = error }
  }
}

extension JobRun {
  /// What a run works on.
  struct Plan: Sendable {
    let sources: [SourceWorkspace]
    let target: MarketplaceTarget?
    /// All that the configuration names.
    let named: Set<WorkspaceID>
    /// Workspaces that cannot be worked on at all, told in their place of the order.
    private let closed: [WorkspaceID: RegistryError]
    private let order: [WorkspaceID]

    init(_ settings: Settings, steps: SyncJob.Steps, named names: [String]) throws {
      let all = try settings.workspaces(named: [])
      guard !all.isEmpty else {
        throw Failure(
          .usage, "no_workspaces",
          "No workspaces are configured\(settings.path.map { " in \($0)" } ?? ""). 'marketplace init' writes a configuration to begin with."
        )
      }
      let configured = try settings.workspaces(named: names).map(settings.source)
      target = try settings.target()
      if steps == .import, target == nil {
        throw Failure(.usage, "no_marketplace", "The configuration names no marketplace to import into.")
      }
      named = Set(try all.map { try WorkspaceID($0.id) })
      order = configured.map(\.source.id)
      // Observing records that a registry cannot be read, and importing asks none. Exporting alone would tell
      // the same of each model.
      let isExport = steps == .export
      closed = Dictionary(
        configured.compactMap { source in isExport ? source.trouble.map { (source.source.id, $0) } : nil },
        uniquingKeysWith: { first, _ in first })
      sources = configured.filter { !isExport || $0.trouble == nil }.map(\.source)
    }

    /// Puts in what the job was not asked to do.
    func complete(_ report: inout JobReport) {
      guard !closed.isEmpty else { return }
      let closed = closed.map { id, error in
        var report = WorkspaceReport(workspace: id)
        report.trouble = Trouble(error.code.description.replacing("-", with: "_"), "\(error)", retriable: true)
        return report
      }
      let places = Dictionary(order.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
      report.workspaces = (report.workspaces + closed).sorted {
        (places[$0.workspace] ?? .max, $0.workspace) < (places[$1.workspace] ?? .max, $1.workspace)
      }
    }

    /// Requests sent to all registries so far.
    var requests: Int {
      (sources.map(\.registry) + [target?.registry].compactMap(\.self))
        .compactMap { $0 as? MLflowRegistry }.reduce(0) { $0 + $1.requestCount }
    }
  }
}

/// Ends the program with a status after everything has been told already.
struct JobEnded: Error {
  let status: ExitStatus
}

/// Ids of runs: UUID version 7 (RFC 9562), so that they sort by time.
enum RunID {
  static func make() -> UUID {
    var bytes = withUnsafeBytes(of: UUID().uuid) { Array($0) }
    let milliseconds = UInt64(Date().timeIntervalSince1970 * 1_000)
    for index in 0..<6 { bytes[index] = UInt8(truncatingIfNeeded: milliseconds >> UInt64(8 * (5 - index))) }
    bytes[6] = (bytes[6] & 0x0f) | 0x70
    bytes[8] = (bytes[8] & 0x3f) | 0x80
    return bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
  }
}
