/// Bounds of listings, each in items unless its name says otherwise.
public struct ListingBounds: Sendable, Hashable {
  /// Registered models asked for at a time; servers take at most 1000.
  public var modelsPerPage = 1000
  /// Versions asked for at a time.
  public var versionsPerPage = 1000
  /// Runs or logged models asked for at a time.
  public var runsPerPage = 1000
  /// Metric values asked for at a time; servers take at most 25,000.
  public var metricsPerPage = 25_000
  /// Pages of one listing.
  public var pagesMax = 10_000
  /// How often a listing that changes under the reader is read, the first time included.
  public var scansMax = 5
  /// The highest number of versions probed one by one, where a model's name cannot be put into a filter.
  public var probesMax = 10_000
  /// Files below one location.
  public var filesMax = 100_000
  /// Folders below one location.
  public var foldersMax = 20_000
  /// Folders within folders.
  public var depthMax = 32

  /// The defaults.
  public init() {}
}
