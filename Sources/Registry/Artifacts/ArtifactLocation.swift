/// Where files are. A `root` is a path below the artifact proxy or, for what lies outside it, an address such as
/// `s3://bucket/path`.
public enum ArtifactLocation: Sendable, Hashable {
  /// The files of a logged model. `root` is the whole of their place.
  case loggedModel(id: String, root: String)
  /// A run's artifacts at `path` within the run (empty: all of them). `root` is the whole place, `path`
  /// included.
  case run(id: String, path: String, root: String)
  /// A place that belongs to no known run or logged model.
  case proxy(root: String)
  /// Files this registry cannot hand out, and why in words for an operator.
  case unsupported(uri: String, reason: String)

  /// The place; `nil` for what is unsupported.
  public var root: String? {
    switch self {
    case .loggedModel(_, let root), .run(_, _, let root), .proxy(let root): root
    case .unsupported: nil
    }
  }
}
