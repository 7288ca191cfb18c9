import ArgumentParser
import Foundation

/// `marketplace init`
struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Write a commented configuration to begin with.",
    discussion: "An existing file is left as it is. For example: marketplace init /etc/marketplace/marketplace.yaml")

  @Argument(help: "Where to write it.")
  var path = "marketplace.yaml"

  func run() throws {
    guard !FileManager.default.fileExists(atPath: path) else {
      throw Failure(
        .conflict, "init_exists",
        "\(path) exists already and is left as it is. Name another file: marketplace init other.yaml")
    }
    do {
      try Data(Self.template.utf8).write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
    } catch {
      throw Failure(.failed, "init_failed", "\(path) cannot be written: \(error.localizedDescription)")
    }
    Console.remark("  wrote \(path): name your registries in it, then run 'marketplace doctor'")
  }

  static let template = """
    # Configuration of the Model Marketplace. Environment variables (MARKETPLACE_DATABASE, MARKETPLACE_DATA,
    # MARKETPLACE_STORAGE) override this file, flags override both. No secret stands here: name files or variables.

    # The ledger's PostgreSQL (15 or newer), as any libpq connection string. Left out, the program starts a private
    # PostgreSQL under `data`, reached over a unix socket only.
    # database: postgresql:///marketplace

    # What the program keeps for itself.
    # data: /var/lib/marketplace

    # Where exports lie. Every machine that exports or imports must see the same folder.
    storage: file:///srv/marketplace

    # What counts as promoted, unless a workspace says otherwise. The first alias that is set wins; then the highest
    # version in the first stage that holds any.
    promoted: {aliases: [champion], stages: [Production]}

    # The source registries. Ids are yours to choose: a–z, 0–9 and '-'. They never change.
    workspaces:
      - id: dev01
        registry: http://127.0.0.1:5001
      # - id: dev02
      #   registry: https://mlflow.example.org
      #   promoted: {aliases: [production]}
      #   token_file: /run/secrets/dev02          # or token_env: DEV02_TOKEN
      # - id: dev03
      #   registry: http://127.0.0.1:5003
      #   mlflow_workspace: team-c                # MLflow 3.10 and newer, started with --enable-workspaces
      #   username: marketplace
      #   password_file: /run/secrets/dev03
      #   tag_source: true                        # tag imported versions with their marketplace name
      #   artifacts:                              # where its server does not stand in front of them
      #     - {uri: "s3://team-c/mlflow", credentials: {profile: team-c}}

    # The curated registry. `stage` and `alias` mark what is promoted there; write "" to use only one of them.
    marketplace:
      registry: http://127.0.0.1:5000
      name: "{workspace}.{model}"
      # stage: Production
      # alias: champion

    # How much is done side by side.
    # concurrency: {workspaces: 4, models: 4, requests: 6}

    """
}
