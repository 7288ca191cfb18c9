import ArgumentParser
import Foundation
import Marketplace
import Transfer

/// `marketplace storage gc`
struct StorageCollectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gc", abstract: "Find what nobody needs on storage, and remove it when told to.",
    discussion: """
      Without --delete nothing is changed. What goes: exports that no event names, exports that were given up and have \
      a successor, and uploads that were never finished. Superseded exports stay, since a rollback may need them. \
      For example:
        marketplace storage gc
        marketplace storage gc --older-than 30d --delete
      """)
  @OptionGroup var options: GlobalOptions

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Leave alone what is younger than this; 7d if not given, at least 1d.", valueName: "duration"))
  var olderThan: Span?

  @Flag(name: .long, help: "Remove it; otherwise it is only listed.")
  var delete = false

  private var age: Duration { olderThan?.duration ?? StorageCollection.ageStandard }

  func validate() throws {
    guard age >= StorageCollection.ageMin else {
      throw ValidationError(
        "--older-than must be at least \(StorageCollection.ageMin.components.seconds / 86_400)d: what is younger may be "
          + "somebody's work.")
    }
  }

  func run() async throws {
    let settings = try Settings(options)
    let interruption = Interruption()
    let isTable = options.output == .table
    let now = Int64(Date().timeIntervalSince1970 * 1_000)
    let report = try await Workplace.use(settings, options: options) { place in
      let context = try place.jobContext(
        settings, isDryRun: !delete, progress: { _ in }, isStopping: { interruption.isStopping })
      return try await StorageCollection(
        context: context, workspaces: try await place.workspaceIDs(), olderThan: age, deletes: delete
      ).run { item in
        if isTable { Console.data(CollectionOutput.line(item, at: now)) }
      }
    }
    let output = CollectionOutput(report: report, status: Self.status(of: report, interruption.status), now: now)
    switch options.output {
    case .json: try JSONOutput.print(output.json)
    case .table: output.printSummary()
    }
    if output.status != .done { throw JobEnded(status: output.status) }
  }

  static func status(of report: CollectionReport, _ interrupted: ExitStatus?) -> ExitStatus {
    if let interrupted { return interrupted }
    if report.counts[.failed] ?? 0 > 0 { return .someFailed }
    return report.counts[.busy] ?? 0 > 0 ? .held : .done
  }
}
