import ArgumentParser
import Foundation
import Testing

@testable import marketplace

@Suite("Help")
struct HelpTests {
  @Test("every command parses its own help, takes the global options and says what it is for")
  func everyCommand() throws {
    for (path, command) in Self.all(below: MarketplaceCommand.self, path: []) {
      let configuration = command.configuration
      #expect(!configuration.abstract.isEmpty, "\(path)")
      let isGroup = !configuration.subcommands.isEmpty
      let help = MarketplaceCommand.helpMessage(for: command)
      #expect(help.contains("USAGE: marketplace"), "\(path)")
      let isPlain = ["init", "completion"].contains(path.last)
      if !isGroup, !isPlain { #expect(help.contains("--config"), "\(path)") }
      // The example is one of this command, however its lines are broken.
      let words = help.split(whereSeparator: \.isWhitespace).joined(separator: " ").components(separatedBy: "USAGE")[0]
      let example = isGroup ? "marketplace \(path[0]) " : "marketplace \(path.joined(separator: " "))"
      #expect(words.contains("For example"), "\(path)")
      #expect(words.contains(example), "\(path)")
    }
  }

  @Test("an option is offered where it acts, and nowhere else")
  func jobOptions() {
    let jobs: [(any ParsableCommand.Type, retries: Bool, withdraws: Bool)] = [
      (SyncCommand.self, true, true), (ObserveCommand.self, false, false), (ExportCommand.self, true, false),
      (ImportCommand.self, true, true),
    ]
    for (command, retries, withdraws) in jobs {
      let help = MarketplaceCommand.helpMessage(for: command)
      #expect(help.contains("--retry-failed  ") == retries)
      #expect(help.contains("--max-withdrawals <count>\n") == withdraws)
      for option in ["--deadline", "--jitter", "--dry-run"] { #expect(help.contains("\n  \(option)")) }
    }
  }

  @Test("a completion script can be made for every shell", arguments: ["bash", "zsh", "fish"])
  func completion(shell: String) throws {
    let known = try #require(CompletionShell(rawValue: shell))
    let script = MarketplaceCommand.completionScript(for: known)
    #expect(script.contains("sync"))
  }

  private static func all(
    below command: any ParsableCommand.Type, path: [String]
  ) -> [([String], any ParsableCommand.Type)] {
    command.configuration.subcommands.flatMap { child in
      let name = path + [child.configuration.commandName ?? "\(child)"]
      return [(name, child)] + all(below: child, path: name)
    }
  }
}
