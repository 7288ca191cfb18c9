import ArgumentParser
import Foundation
import Marketplace
import Transfer

/// What the jobs' commands take.
struct JobArguments: ParsableArguments {
  @Argument(help: "Workspaces to work on; all configured ones when none is named.")
  var workspaces: [String] = []

  @Flag(name: .long, help: "Print what would be done; change nothing anywhere.")
  var dryRun = false

  @Flag(name: .long, help: "Try again now what failed for good earlier; otherwise that waits a week.")
  var retryFailed = false

  @Option(
    name: .long,
    help: "How many models one workspace may lose in this run. Without it up to 3, or a tenth of the workspace.")
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
    commandName: "sync", abstract: "Observe, export, import and follow: the main job, to be run every night.")
  @OptionGroup var options: GlobalOptions
  @OptionGroup var job: JobArguments

  func run() async throws {
    try await JobRun(name: "sync", steps: .all, options: options, arguments: job).run()
  }
}

/// `marketplace observe`
struct ObserveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "observe", abstract: "Read the registries and append what changed.")
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
    discussion: "Works from the latest observation; run 'observe' first, or use 'sync'.")
  @OptionGroup var options: GlobalOptions
  @OptionGroup var job: JobArguments

  func run() async throws {
    try await JobRun(name: "export", steps: .export, options: options, arguments: job).run()
  }
}

/// `marketplace import`
struct ImportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Import what is current into the marketplace, and keep what it promotes in step.",
    discussion: "Works from the latest observation and its exports, however old they are.")
  @OptionGroup var options: GlobalOptions
  @OptionGroup var job: JobArguments

  func run() async throws {
    try await JobRun(name: "import", steps: .import, options: options, arguments: job).run()
  }
}
