import ArgumentParser
import Foundation
import Marketplace
import Storage
import Transfer

/// `n/m` on the command line. The parser takes an optional value that cannot be read for none at all, so it is read here
/// and judged when all is parsed.
struct DataShareArgument: ExpressibleByArgument, CustomStringConvertible {
  /// The share; `nil` when the text is none.
  let share: DataShare?
  let description: String

  init(_ share: DataShare) {
    self.share = share
    description = "\(share)"
  }

  init(argument: String) {
    share = DataShare(argument)
    description = argument
  }
}

/// `marketplace storage check`
struct StorageCheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Test whether storage still holds every export as it was made.",
    discussion: """
      Changes nothing. Exit code 8 when something is damaged, 3 when some files could not be read. For example:
        marketplace storage check
        marketplace storage check --read-data
        marketplace storage check --read-data=$(($(date +%s) / 86400 % 31 + 1))/31
      """)
  @OptionGroup var options: GlobalOptions

  @Option(
    name: .long, defaultAsFlag: DataShareArgument(.whole), parsing: .next,
    help: ArgumentHelp(
      "Read and hash every byte, not only manifests and sizes: of all exports, or of the n-th of m parts of them.",
      valueName: "n/m"))
  var readData: DataShareArgument? = nil

  @Flag(name: .long, help: "Look also at exports of versions whose number another version of the source has now.")
  var all = false

  func validate() throws {
    if let readData, readData.share == nil {
      throw ValidationError(
        "--read-data takes n/m, such as 2/7: n from 1 to m, m at most \(DataShare.countMax); not '\(readData)'.")
    }
  }

  func run() async throws {
    let settings = try Settings(options)
    let interruption = Interruption()
    let progress = ProgressLine(isQuiet: options.quiet)
    let isTable = options.output == .table
    let report = try await Workplace.use(settings, options: options) { place in
      let workspaces = try await place.workspaceIDs().filter { $0 != .marketplace }
      let context = try place.jobContext(
        settings, isDryRun: true, progress: { progress.note($0) }, isStopping: { interruption.isStopping })
      return try await StorageCheck(
        context: context, workspaces: workspaces, data: readData?.share, includesReplaced: all
      ).run { finding in
        guard isTable else { return }
        progress.finish()
        Console.data("  \(finding.code.rawValue)  \(Sentence.printable(finding.message))")
      }
    }
    progress.finish()
    let status = Self.status(of: report, interruption.status)
    let output = StorageCheckOutput(report: report, data: readData?.share, status: status)
    switch options.output {
    case .json: try JSONOutput.print(output.json)
    case .table: output.printSummary()
    }
    if status != .done { throw JobEnded(status: status) }
  }

  /// Damage is told before anything else.
  static func status(of report: StorageCheckReport, _ interrupted: ExitStatus?) -> ExitStatus {
    if report.damages > 0 { return .integrity }
    if let error = report.ended { return ExitStatus(of: error) }
    if let interrupted { return interrupted }
    return report.unread > 0 ? .someFailed : .done
  }
}
