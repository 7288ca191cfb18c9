/// A place below a run or a logged model of a Databricks workspace. Pure.
///
/// `dbfs:/databricks/mlflow-tracking/<experiment>/<run>/artifacts[/path]` or
/// `dbfs:/databricks/mlflow-tracking/<experiment>/logged_models/<id>/artifacts[/path]`, as MLflow's own client has it
/// (mlflow/store/artifact/databricks_artifact_repo.py, 3.17). No bucket is named by it: the workspace alone knows where
/// the bytes lie, and signs addresses for them.
struct DatabricksPlace: Sendable, Hashable {
  /// Whose files they are; the folder in it is empty.
  var owner: SignedOwner
  /// The folder within the owner's artifacts; empty for all of them.
  var folder: String
  /// The whole address, without slashes at its end.
  var uri: String

  private static let root = ["databricks", "mlflow-tracking"]

  /// The place that an address names; `nil` when it is of another form.
  init?(_ text: String) {
    guard let rest = text.after("dbfs:/") else { return nil }
    // Both `dbfs:/` and `dbfs:///` name no other workspace; two slashes would.
    if rest.hasPrefix("/"), !rest.hasPrefix("//") { return nil }
    var path = String(rest.drop { $0 == "/" })
    while path.hasSuffix("/") { path.removeLast() }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.starts(with: Self.root), parts.count >= 5, !parts[2].isEmpty else { return nil }
    let isModel = parts[3] == "logged_models"
    let id = isModel ? parts[4] : parts[3]
    guard isModel ? id.hasPrefix("m-") : MLflowRegistry.isRunID(id) else { return nil }
    let place = isModel ? 5 : 4
    guard parts.count > place, parts[place] == "artifacts" else { return nil }
    owner = isModel ? .model(id: id) : .run(id: id, folder: "")
    folder = parts[(place + 1)...].joined(separator: "/")
    uri = "dbfs:/" + path
  }

  /// The place of a location; `nil` when it is none of a Databricks workspace.
  init?(_ location: ArtifactLocation) {
    guard let root = location.root, var place = Self(root) else { return nil }
    // What a run's own root is, the workspace knows best.
    if case .run(let id, let path, _) = location {
      place.owner = .run(id: id, folder: "")
      place.folder = path
    }
    self = place
  }

  /// Where it is, as a location.
  var location: ArtifactLocation {
    switch owner {
    case .run(let id, _): .run(id: id, path: folder, root: uri)
    case .model(let id): folder.isEmpty ? .loggedModel(id: id, root: uri) : .proxy(root: uri)
    }
  }

  /// The path of a file or folder within the owner's artifacts.
  func path(_ within: String) -> String {
    [folder, within].filter { !$0.isEmpty }.joined(separator: "/")
  }

  /// Why another address of Databricks' file system is not read.
  static func reason(_ text: String) -> String {
    let rest = text.after("dbfs:/") ?? ""
    if rest.hasPrefix("/"), !rest.hasPrefix("//") {
      return "its files lie in a Databricks workspace that the address names by a profile of somebody's own"
    }
    let path = rest.drop { $0 == "/" }
    if path.hasPrefix("databricks/mlflow-registry/") {
      return "its files lie in the registry's own folder of Databricks, which this client does not read"
    }
    return
      "its files lie in Databricks' own file system, outside the artifacts of every run, and for those alone a workspace "
      + "signs addresses"
  }
}
