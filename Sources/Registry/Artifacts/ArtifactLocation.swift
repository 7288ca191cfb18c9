/// Where files are.
public enum ArtifactLocation: Sendable, Hashable {
  /// The files of a logged model. `root` is its path below the artifact proxy.
  case loggedModel(id: String, root: String)
  /// A run's artifacts at `path` within the run (empty: all of them). `root` is the whole path below the
  /// proxy.
  case run(id: String, path: String, root: String)
  /// A path below the artifact proxy that belongs to no known run or logged model.
  case proxy(root: String)
  /// Files this registry cannot hand out, and why in words for an operator.
  case unsupported(uri: String, reason: String)

  /// The path below the artifact proxy; `nil` for what is unsupported.
  public var root: String? {
    switch self {
    case .loggedModel(_, let root), .run(_, _, let root), .proxy(let root): root
    case .unsupported: nil
    }
  }
}
