import ArgumentParser

/// `marketplace completion`
struct CompletionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completion", abstract: "Print a completion script for your shell.",
    discussion: "For example: marketplace completion bash > /etc/bash_completion.d/marketplace")

  /// The shells that a script can be made for.
  enum Shell: String, ExpressibleByArgument, CaseIterable {
    case bash
    case zsh
    case fish
  }

  @Argument(help: "The shell.")
  var shell: Shell

  func run() throws {
    guard let shell = CompletionShell(rawValue: shell.rawValue) else { return }
    Console.data(MarketplaceCommand.completionScript(for: shell))
  }
}
