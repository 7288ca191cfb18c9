import ArgumentParser
import Foundation

/// Where the program starts. Exit codes are told here, so that a usage error is 2 and not the parser's own number.
@main
enum Main {
  static func main() async {
    let arguments = LeadingOptions.moved(Array(CommandLine.arguments.dropFirst()))
    do {
      var command = try MarketplaceCommand.parseAsRoot(arguments)
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      let status = ExitStatus(of: error)
      tell(error, status: status, arguments: arguments)
      exit(status.rawValue)
    }
  }

  /// An error is told on standard error, and for a program that asked for JSON as an object on standard output too.
  private static func tell(_ error: any Error, status: ExitStatus, arguments: [String]) {
    if status == .done {
      print(MarketplaceCommand.message(for: error))
      return
    }
    // A job's end has been told already, with everything it did.
    if error is JobEnded { return }
    let isOurs = error is Failure || status != .usage
    let message = isOurs ? Failure(error).message : MarketplaceCommand.message(for: error)
    if JSONOutput.isAsked(for: arguments) {
      try? JSONOutput.print(JSONOutput.Problem(code: Failure(error).code, message: message, exit_code: status.rawValue))
    }
    Console.write(isOurs ? "Error: \(message)\n" : MarketplaceCommand.fullMessage(for: error) + "\n")
  }
}

/// The command line.
struct MarketplaceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "marketplace",
    abstract: "The system of record for machine-learning models: observe, export, import, and know what was when.",
    discussion: """
      For example, to begin with:
        marketplace init                # writes a commented marketplace.yaml
        marketplace doctor              # says what is wrong with the set-up
        marketplace sync --dry-run      # says what would be done

      Exit codes: 0 done, 1 failed, 2 usage, 3 some items failed, 4 not allowed, 5 a dependency is unavailable, \
      6 another run holds it, 7 conflict, 8 integrity, 9 policy refused, 130/143 interrupted and consistent.
      """,
    version: "marketplace \(ProgramVersion.text)",
    subcommands: [
      InitCommand.self, MigrateCommand.self, DoctorCommand.self, SyncCommand.self, ObserveCommand.self,
      ExportCommand.self, ImportCommand.self, StatusCommand.self, WorkspaceCommand.self, CatalogCommand.self,
      EventsCommand.self, ReplayCommand.self, ProjectionsCommand.self, CheckCommand.self, StorageCommand.self,
      AuditCommand.self, PublishCommand.self, ServeCommand.self, TokenCommand.self, DatabaseCommand.self,
      CompletionCommand.self,
    ])
}

/// The program's own version.
enum ProgramVersion {
  static let text = "0.1.0"
}
