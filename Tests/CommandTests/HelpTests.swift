import ArgumentParser
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
