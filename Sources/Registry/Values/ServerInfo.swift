/// What a registry's server is and can do.
public struct ServerInfo: Sendable, Hashable {
  /// What `GET /version` answered, such as `3.17.2`; `databricks` for a Databricks workspace, which tells none.
  public var version: String
  /// The first number of ``version``.
  public var major: Int
  /// Whether MLflow workspaces are enabled; always `false` before 3.10.
  public var workspacesEnabled: Bool
  /// Whether the artifact proxy takes uploads in parts.
  public var multipartUploadsEnabled: Bool
  /// Whether the artifact proxy hands out signed addresses.
  public var multipartDownloadsEnabled: Bool
  /// Whether it hands out signed addresses for artifacts of runs that lie outside its proxy.
  public var signsRunArtifacts = false
  /// Whether it hands out signed addresses to write files of logged models that lie outside its proxy.
  public var signsModelArtifacts = false

  /// Whether it is a Databricks workspace.
  public var isDatabricks: Bool { version == Self.databricks.version }

  /// Whether logged models exist there.
  public var hasLoggedModels: Bool { major >= 3 }

  /// A server's abilities.
  public init(
    version: String, major: Int, workspacesEnabled: Bool = false, multipartUploadsEnabled: Bool = false,
    multipartDownloadsEnabled: Bool = false
  ) {
    self.version = version
    self.major = major
    self.workspacesEnabled = workspacesEnabled
    self.multipartUploadsEnabled = multipartUploadsEnabled
    self.multipartDownloadsEnabled = multipartDownloadsEnabled
  }
}
