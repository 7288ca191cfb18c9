import Artifacts
import Foundation
import Marketplace
import Registry
import Storage
import Transfer

/// What a registry's access settings have in common, workspace or marketplace.
private struct Access {
  var place: String
  var registry: String
  var mlflowWorkspace: String?
  var tokenFile: String?
  var tokenEnvironment: String?
  var username: String?
  var passwordFile: String?
  var passwordEnvironment: String?
  var artifacts: [ArtifactSettings]?
  var artifactHosts: [String]?
}

/// A registry as it is configured, or what keeps it from being used.
struct ConfiguredRegistry {
  /// Never connects to anything, and fails with `trouble`, where there is some.
  var registry: any ModelRegistry
  var trouble: RegistryError?

  /// Whether the address itself, or what goes with it, cannot be right: then it is not fit to be recorded either,
  /// since it may hold a password.
  var isMalformed: Bool { trouble?.code == .configuration }
}

/// A source workspace, and what keeps its registry from being used.
struct ConfiguredSource {
  var source: SourceWorkspace
  var trouble: RegistryError?
}

extension Settings {
  /// A source workspace, ready to be worked on.
  ///
  /// What is wrong with its address or its credentials is its own trouble: its registry fails with it, and no other
  /// workspace's.
  ///
  /// - Throws: ``DomainError`` for an id that is none.
  func source(_ workspace: Configuration.Workspace) throws -> ConfiguredSource {
    let standard = (file.promoted ?? .init()).rule(otherwise: .standard)
    let rule = (workspace.promoted ?? .init()).rule(otherwise: standard)
    let opened = try open(
      Access(
        place: "workspace \(workspace.id)", registry: workspace.registry,
        mlflowWorkspace: workspace.mlflow_workspace, tokenFile: workspace.token_file,
        tokenEnvironment: workspace.token_env, username: workspace.username, passwordFile: workspace.password_file,
        passwordEnvironment: workspace.password_env, artifacts: workspace.artifacts,
        artifactHosts: workspace.artifact_hosts))
    let connection = WorkspaceConnected(
      registry: workspace.registry, kind: "mlflow", mlflowWorkspace: workspace.mlflow_workspace, promoted: rule)
    return ConfiguredSource(
      source: SourceWorkspace(
        id: try WorkspaceID(workspace.id), connection: opened.isMalformed ? nil : connection,
        registry: opened.registry, tagsSource: workspace.tag_source ?? false),
      trouble: opened.trouble)
  }

  /// The marketplace registry, if one is configured. As with a source, wrong credentials are told by its first call.
  ///
  /// - Throws: ``DomainError`` for a name template that cannot be used.
  func target() throws -> MarketplaceTarget? {
    guard let target = file.marketplace else { return nil }
    let opened = try open(
      Access(
        place: "marketplace", registry: target.registry, mlflowWorkspace: target.mlflow_workspace,
        tokenFile: target.token_file, tokenEnvironment: target.token_env, username: target.username,
        passwordFile: target.password_file, passwordEnvironment: target.password_env,
        artifacts: target.artifacts, artifactHosts: target.artifact_hosts))
    return MarketplaceTarget(
      id: target.id ?? "marketplace", registry: opened.registry,
      template: try target.name.map { try NameTemplate($0) } ?? .standard,
      stage: named(target.stage, otherwise: "Production"), alias: named(target.alias, otherwise: "champion"))
  }

  /// A stage or alias; written as an empty text, none is used.
  private func named(_ setting: String?, otherwise standard: String) -> String? {
    let name = setting ?? standard
    return name.isEmpty ? nil : name
  }

  private func open(_ access: Access) throws -> ConfiguredRegistry {
    do {
      var configuration = MLflowRegistry.Configuration(
        url: access.registry, credentials: try credentials(access), mlflowWorkspace: access.mlflowWorkspace)
      configuration.capacity = try capacities.capacity(of: access.registry)
      configuration.windows = windows
      configuration.stores = try buckets(access.artifacts, place: access.place).map(BucketStore.init)
      configuration.signed = SignedURLs(try signed.get())
      configuration.artifactHosts = access.artifactHosts ?? []
      configuration.userAgent = "model-marketplace/\(ProgramVersion.text)"
      return ConfiguredRegistry(registry: try MLflowRegistry(configuration))
    } catch let error as RegistryError {
      return ConfiguredRegistry(registry: try Self.closed(error), trouble: error)
    } catch let error as StorageError {
      // A bucket that cannot be meant is this registry's trouble, and no other's.
      let trouble = RegistryError(
        .notAuthenticated, operation: "reading 'artifacts' of \(access.place)", message: error.description)
      return ConfiguredRegistry(registry: try Self.closed(trouble), trouble: trouble)
    }
  }

  /// A registry whose every call fails with what is wrong with its settings. Credentials are asked for before
  /// anything is sent, and RFC 6761 reserves the name, so nothing is connected to.
  private static func closed(_ error: RegistryError) throws -> any ModelRegistry {
    try MLflowRegistry(
      MLflowRegistry.Configuration(url: "http://closed.invalid", credentials: .bearer(refreshing: { throw error })))
  }

  private func credentials(_ access: Access) throws -> Credentials {
    if let file = access.tokenFile {
      let path = self.path(ofSecret: file)
      _ = try Self.read(path, of: access.place, "token")
      // A token file may be renewed while we run, so it is read for every request that needs it.
      return .bearer(refreshing: { try Settings.read(path, of: access.place, "token") })
    }
    if let token = try secret(file: nil, variable: access.tokenEnvironment, of: access.place, "token") {
      return .bearer(token)
    }
    guard let username = access.username else { return .none }
    let password = try secret(
      file: access.passwordFile, variable: access.passwordEnvironment, of: access.place, "password")
    guard let password else {
      throw Self.refuse(
        access.place, "username is set, and neither password_file nor password_env", "Set one of them.")
    }
    return .basic(user: username, password: password)
  }

  private func secret(file: String?, variable: String?, of place: String, _ what: String) throws -> String? {
    if let file { return try Self.read(path(ofSecret: file), of: place, what) }
    guard let variable else { return nil }
    guard let value = environment[variable], !value.isEmpty else {
      throw Self.refuse(
        place, "the environment variable \(variable) for its \(what) is not set",
        "Set it where the command is started, or name a file.")
    }
    return value
  }

  /// What the registry of a workspace signs its webhooks with: one secret a line, so that it can be changed without a gap. None
  /// where no webhook is taken.
  ///
  /// - Throws: `RegistryError` for a secret that cannot be read.
  func webhookSecrets(of workspace: Configuration.Workspace) throws -> [String] {
    let text = try secret(
      file: workspace.webhook_secret_file, variable: workspace.webhook_secret_env, of: "workspace \(workspace.id)",
      "webhook secret")
    return (text ?? "").split(whereSeparator: \.isNewline).map(String.init)
  }

  /// A relative path is one in the directory where a service manager puts credentials, where there is one.
  private func path(ofSecret file: String) -> String {
    guard !file.hasPrefix("/"), let directory = environment["CREDENTIALS_DIRECTORY"], !directory.isEmpty else {
      return file
    }
    return directory + "/" + file
  }

  private static func read(_ path: String, of place: String, _ what: String) throws -> String {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw refuse(place, "its \(what) file \(path) cannot be read", "Check the path, and who may read it.")
    }
    let secret = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !secret.isEmpty else {
      throw refuse(place, "its \(what) file \(path) is empty", "Put the \(what) there.")
    }
    return secret
  }

  private static func refuse(_ place: String, _ message: String, _ advice: String) -> RegistryError {
    RegistryError(.notAuthenticated, operation: "reading the credentials of \(place)", message: message, advice: advice)
  }
}
