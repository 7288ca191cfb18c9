import ArgumentParser

/// `marketplace completion`
struct CompletionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completion", abstract: "Print a completion script for your shell.",
    discussion: "For example: marketplace completion bash > /etc/bash_completion.d/marketplace")

  @Argument(help: "bash, zsh or fish.")
  var shell: String

  func run() throws {
    guard let shell = CompletionShell(rawValue: shell) else {
      throw ValidationError("'\(shell)' is not a shell known here: use bash, zsh or fish.")
    }
    Console.data(MarketplaceCommand.completionScript(for: shell))
  }
}
