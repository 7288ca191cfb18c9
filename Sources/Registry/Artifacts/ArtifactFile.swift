/// One file below an ``ArtifactLocation``.
public struct ArtifactFile: Sendable, Hashable {
  /// The path relative to the location, its components separated by `/`; checked, so it cannot leave the
  /// location.
  public var path: String
  /// The size in bytes, when the listing says so. MLflow leaves it out for an empty file, too.
  public var size: Int64?

  /// A file.
  public init(path: String, size: Int64? = nil) {
    self.path = path
    self.size = size
  }
}
