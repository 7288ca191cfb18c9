import ArgumentParser
import Foundation
import Marketplace
import Transfer

/// What every job's command takes.
struct JobArguments: ParsableArguments {
  @Argument(help: "Workspaces to work on; all configured ones when none is named.")
  var workspaces: [String] = []

  @Flag(name: .long, help: "Print what would be done; change nothing anywhere.")
  var dryRun = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Begin nothing new when so much time has passed since the start, --jitter included; what runs is finished. Exit code 3 when something is left. Such as 45m or 1h30m.",
      valueName: "duration"))
  var deadline: Span?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Wait a random time up to this before starting, so that many jobs do not start at once.", valueName: "duration"))
  var jitter: Span?

  func validate() throws {
    if let deadline, let jitter, jitter.seconds >= deadline.seconds {
      throw ValidationError("--jitter \(jitter.text) may use up all of --deadline \(deadline.text): make it shorter.")
    }
  }
}

/// For commands that export or import.
struct RetryOption: ParsableArguments {
  @Flag(name: .long, help: "Try again now what failed for good earlier; otherwise that waits a week.")
  var retryFailed = false
}

/// For commands that withdraw.
struct WithdrawalOption: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "How many models one workspace may lose in this run, 0 for none. Without it up to 3, or a tenth of the workspace.",
      valueName: "count"))
  var maxWithdrawals: Int?

  func validate() throws {
    if let maxWithdrawals, maxWithdrawals < 0 {
      throw ValidationError("--max-withdrawals must be 0 or more.")
    }
  }
}

/// `marketplace sync`
struct SyncCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync", abstract: "Observe, export, import and follow: the main job, to be run every night.",
    discussion: """
      For example:
        marketplace sync
        marketplace sync dev01 --dry-run
        marketplace sync --jitter 10m --deadline 3h --output json
      """)
  @OptionGroup var options: GlobalOptions
  @OptionGroup var job: JobArguments
  @OptionGroup var retry: RetryOption
  @OptionGroup var withdrawal: WithdrawalOption

  func run() async throws {
    try await JobRun(
      name: "sync", steps: .all, options: options, arguments: job, retryFailed: retry.retryFailed,
      maxWithdrawals: withdrawal.maxWithdrawals
    ).run()
  }
}

/// `marketplace observe`
struct ObserveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "observe", abstract: "Read the registries and append what changed.",
    discussion: """
      For example:
        marketplace observe
        marketplace observe dev01 dev02 --dry-run
      """)
  @OptionGroup var options: GlobalOptions
  @OptionGroup var job: JobArguments

  func run() async throws {
    try await JobRun(name: "observe", steps: .observe, options: options, arguments: job).run()
  }
}

/// `marketplace export`
struct ExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Copy current versions to external storage.",
    discussion: """
      Works from the latest observation; run 'observe' first, or use 'sync'. For example:
        marketplace export dev01
        marketplace export dev01 --retry-failed
      """)
  @OptionGroup var options: GlobalOptions
  @OptionGroup var job: JobArguments
  @OptionGroup var retry: RetryOption

  func run() async throws {
    try await JobRun(
      name: "export", steps: .export, options: options, arguments: job, retryFailed: retry.retryFailed
    ).run()
  }
}

/// `marketplace import`
struct ImportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Import what is current into the marketplace, and keep what it promotes in step.",
    discussion: """
      Works from the latest observation and its exports, however old they are, and asks no source. For example:
        marketplace import
        marketplace import dev01 --max-withdrawals 12
      """)
  @OptionGroup var options: GlobalOptions
  @OptionGroup var job: JobArguments
  @OptionGroup var retry: RetryOption
  @OptionGroup var withdrawal: WithdrawalOption

  func run() async throws {
    try await JobRun(
      name: "import", steps: .import, options: options, arguments: job, retryFailed: retry.retryFailed,
      maxWithdrawals: withdrawal.maxWithdrawals
    ).run()
  }
}
