import ArgumentParser
import Catalog
import Foundation
import Ledger
import Marketplace
import Postgres

/// `marketplace workspace`
struct WorkspaceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workspace", abstract: "The workspaces: who was read when, and letting one go.",
    discussion: "For example: marketplace workspace list",
    subcommands: [List.self, Disconnect.self], defaultSubcommand: List.self)

  /// `marketplace workspace list`
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Every workspace ever connected.",
      discussion: "For example: marketplace workspace list --output json")
    @OptionGroup var options: GlobalOptions

    private struct JSON: Encodable {
      var schema = "marketplace.workspace.list/1"
      var workspaces: [Entry]

      struct Entry: Encodable {
        var id, state: String
        var registry, mlflow_workspace, observed_to, unreadable_since, reason, message: String?
        var models, versions: Int?
        var promoted_aliases, promoted_stages: [String]
        var attended: Bool
      }
    }

    func run() async throws {
      let settings = try Settings(options)
      let configured = Set(try settings.workspaces(named: []).map(\.id))
      let all = try await Workplace.use(settings, options: options) { place in
        try await Catalog(place.pool).workspaces().filter { $0.registry != nil }
      }
      switch options.output {
      case .json:
        try JSONOutput.print(
          JSON(
            workspaces: all.map { entry in
              .init(
                id: entry.workspace, state: entry.state, registry: entry.registry,
                mlflow_workspace: entry.mlflowWorkspace, observed_to: entry.observedTo?.rfc3339,
                unreadable_since: entry.unreadableSince?.rfc3339, reason: entry.reason, message: entry.message,
                models: entry.models, versions: entry.versions, promoted_aliases: entry.promotedAliases,
                promoted_stages: entry.promotedStages, attended: configured.contains(entry.workspace))
            }))
      case .table:
        var table = Table(["WORKSPACE", "STATE", "MODELS", "VERSIONS", "LAST READ", "REGISTRY"])
        for entry in all {
          let isAttended = configured.contains(entry.workspace) || entry.state == "disconnected"
          let state =
            entry.unreadableSince.map { "not readable since \(Sentence.time($0))" }
            ?? (entry.state == "observed" ? "connected" : entry.state)
          table.add([
            entry.workspace, isAttended ? state : "\(state), unattended", entry.models.map { "\($0)" } ?? "–",
            entry.versions.map { "\($0)" } ?? "–", entry.observedTo.map(Sentence.time) ?? "never",
            entry.registry ?? "–",
          ])
        }
        table.print()
        if all.isEmpty {
          Console.remark("  no workspace has been connected; 'marketplace sync' connects those configured")
        }
      }
    }
  }

  /// `marketplace workspace disconnect`
  struct Disconnect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "disconnect", abstract: "Stop following a workspace: its models are withdrawn at the next sync.",
      discussion: """
        A workspace that is merely left out of the configuration keeps its models. This says that it is gone for \
        good. Its history stays; connecting it again is done by configuring it again. For example:
          marketplace workspace disconnect dev03 --reason 'closed in March'
        """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The workspace.") var workspace: String
    @Option(help: "Why, for the record.") var reason: String?

    private struct JSON: Encodable {
      var schema = "marketplace.workspace.disconnect/1"
      var workspace: String
      var sequence: Int64
    }

    func run() async throws {
      let settings = try Settings(options)
      let id = try WorkspaceID(workspace)
      if (settings.file.workspaces ?? []).contains(where: { $0.id == workspace }) {
        throw Failure(
          .conflict, "still_configured",
          "\(workspace) is still configured, so the next sync would connect it again. Take it out of "
            + "\(settings.path ?? "the configuration") first.")
      }
      let sequence = try await Workplace.use(settings, options: options) { place in
        guard
          try await Catalog(place.pool).workspaces().contains(where: {
            $0.workspace == workspace && $0.registry != nil && $0.state != "disconnected"
          })
        else {
          throw Failure(
            .usage, "not_connected", "\(workspace) is not connected. 'marketplace workspace list' shows what is.")
        }
        let data = DomainEvent.workspaceDisconnected(WorkspaceDisconnected(reason: reason))
        let event = NewEvent(
          stream: "workspace", expectedVersion: nil, id: UUID(), type: data.type, occurredAt: nil,
          data: try data.json(), cause: nil)
        return try await place.ledger.append([event], to: id.text, run: nil).sequences[0]
      }
      switch options.output {
      case .json: try JSONOutput.print(JSON(workspace: workspace, sequence: sequence))
      case .table:
        Console.data("  \(workspace) is disconnected (\(workspace)/\(sequence)); the next sync withdraws its models")
      }
    }
  }
}
