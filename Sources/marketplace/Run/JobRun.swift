import Foundation
import Ledger
import Marketplace
import Registry
import Transfer

/// One run of a job from the command line: set up, run, report, exit code.
struct JobRun {
  let name: String
  let steps: SyncJob.Steps
  let options: GlobalOptions
  let arguments: JobArguments

  func run() async throws {
    let settings = try Settings(options)
    let configured = try settings.workspaces(named: arguments.workspaces)
    guard !configured.isEmpty else {
      throw Failure(
        .usage, "no_workspaces",
        "No workspaces are configured\(settings.path.map { " in \($0)" } ?? ""). 'marketplace init' writes a configuration to begin with."
      )
    }
    let sources = try configured.map(settings.source)
    let named = Set(try settings.workspaces(named: []).map { try WorkspaceID($0.id) })
    let target = try settings.target()
    if steps == .import, target == nil {
      throw Failure(.usage, "no_marketplace", "The configuration names no marketplace to import into.")
    }
    let interruption = Interruption()
    let progress = ProgressLine(isQuiet: options.quiet)
    let began = ContinuousClock.now
    let report = try await Workplace.use(settings, options: options) { place in
      let context = JobContext(
        ledger: place.ledger, pool: place.pool, storage: try settings.storage(), run: RunID.make(),
        now: { Int64(Date().timeIntervalSince1970 * 1_000) }, randomID: { UUID() }, options: jobOptions(settings),
        progress: { progress.note($0) }, isStopping: { interruption.isStopping })
      let job = SyncJob(
        context: context, workspaces: sources, target: target, steps: steps, configured: named)
      let report = try await job.run()
      // The run's events get their place in the global order; nothing is appended by it.
      if !arguments.dryRun { try await place.sealIfAllowed() }
      return report
    }
    progress.finish()
    let took = began.duration(to: .now)
    let requests = (sources.map(\.registry) + [target?.registry].compactMap(\.self))
      .compactMap { $0 as? MLflowRegistry }.reduce(0) { $0 + $1.requestCount }
    let output = JobOutput(
      name: name, report: report, isDryRun: arguments.dryRun, requests: requests,
      seconds: Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18,
      interrupted: interruption.status)
    switch options.output {
    case .table: output.printTable()
    case .json: try JSONOutput.print(output.json)
    }
    if output.status != .done { throw JobEnded(status: output.status) }
  }

  private func jobOptions(_ settings: Settings) -> JobOptions {
    var options = JobOptions()
    options.isDryRun = arguments.dryRun
    options.retryFailed = arguments.retryFailed
    options.withdrawals = WithdrawalLimit(permitted: arguments.maxWithdrawals)
    if let workspaces = settings.file.concurrency?.workspaces { options.workspacesConcurrent = workspaces }
    if let models = settings.file.concurrency?.models { options.modelsConcurrent = models }
    return options
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
