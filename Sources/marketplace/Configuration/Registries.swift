import Foundation
import Marketplace
import Registry
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
}

extension Settings {
  /// A source workspace, ready to be worked on.
  func source(_ workspace: Configuration.Workspace) throws -> SourceWorkspace {
    let standard = (file.promoted ?? .init()).rule(otherwise: .standard)
    let rule = (workspace.promoted ?? .init()).rule(otherwise: standard)
    let registry = try open(
      Access(
        place: "workspace \(workspace.id)", registry: workspace.registry,
        mlflowWorkspace: workspace.mlflow_workspace, tokenFile: workspace.token_file,
        tokenEnvironment: workspace.token_env, username: workspace.username, passwordFile: workspace.password_file,
        passwordEnvironment: workspace.password_env))
    return SourceWorkspace(
      id: try WorkspaceID(workspace.id),
      connection: WorkspaceConnected(
        registry: workspace.registry, kind: "mlflow", mlflowWorkspace: workspace.mlflow_workspace, promoted: rule),
      registry: registry, tagsSource: workspace.tag_source ?? false)
  }

  /// The marketplace registry, if one is configured.
  func target() throws -> MarketplaceTarget? {
    guard let target = file.marketplace else { return nil }
    let registry = try open(
      Access(
        place: "marketplace", registry: target.registry, mlflowWorkspace: target.mlflow_workspace,
        tokenFile: target.token_file, tokenEnvironment: target.token_env, username: target.username,
        passwordFile: target.password_file, passwordEnvironment: target.password_env))
    return MarketplaceTarget(
      id: target.id ?? "marketplace", registry: registry,
      template: try target.name.map { try NameTemplate($0) } ?? .standard,
      stage: named(target.stage, otherwise: "Production"), alias: named(target.alias, otherwise: "champion"))
  }

  /// A stage or alias; written as an empty text, none is used.
  private func named(_ setting: String?, otherwise standard: String) -> String? {
    let name = setting ?? standard
    return name.isEmpty ? nil : name
  }

  private func open(_ access: Access) throws -> any ModelRegistry {
    do {
      var configuration = MLflowRegistry.Configuration(
        url: access.registry, credentials: try credentials(access), mlflowWorkspace: access.mlflowWorkspace)
      configuration.capacity = try capacities.capacity(of: access.registry)
      configuration.userAgent = "model-marketplace/\(ProgramVersion.text)"
      return try MLflowRegistry(configuration)
    } catch let error as RegistryError {
      throw Failure(.usage, "configuration_registry", "\(access.place): \(error)")
    }
  }

  private func credentials(_ access: Access) throws -> Credentials {
    let token = try secret(file: access.tokenFile, variable: access.tokenEnvironment, of: access, "token")
    if let token {
      // A token file may be renewed while we run, so it is read for every request that needs it.
      guard let path = access.tokenFile else { return .bearer(token) }
      return .bearer(refreshing: { try Settings.read(path, of: access.place, "token") })
    }
    guard let username = access.username else { return .none }
    let password = try secret(
      file: access.passwordFile, variable: access.passwordEnvironment, of: access, "password")
    guard let password else {
      throw Failure(
        .usage, "configuration_credentials",
        "\(access.place): username is set, so set password_file or password_env too.")
    }
    return .basic(user: username, password: password)
  }

  private func secret(file: String?, variable: String?, of access: Access, _ what: String) throws -> String? {
    if let file { return try Self.read(file, of: access.place, what) }
    guard let variable else { return nil }
    guard let value = environment[variable], !value.isEmpty else {
      throw Failure(
        .usage, "configuration_credentials",
        "\(access.place): the environment variable \(variable) for its \(what) is not set.")
    }
    return value
  }

  private static func read(_ path: String, of place: String, _ what: String) throws -> String {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw Failure(.usage, "configuration_credentials", "\(place): its \(what) file \(path) cannot be read.")
    }
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
