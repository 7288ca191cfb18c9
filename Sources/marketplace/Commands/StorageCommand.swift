import ArgumentParser

/// `marketplace storage`
struct StorageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "storage", abstract: "Look after the external storage: is it whole, and what does nobody need.",
    discussion: """
      For example:
        marketplace storage check --read-data
        marketplace storage gc
      """,
    subcommands: [StorageCheckCommand.self, StorageCollectCommand.self])
}
