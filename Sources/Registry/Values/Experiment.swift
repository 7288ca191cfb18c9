/// An experiment: a named folder of runs.
public struct Experiment: Sendable, Hashable {
  /// The identifier.
  public var id: String
  /// The name, unique in its registry (in its MLflow workspace).
  public var name: String
  /// Where artifacts of its runs go.
  public var artifactLocation: String
  /// `active` or `deleted`.
  public var lifecycleStage: String
  /// When it was created, milliseconds since 1970.
  public var created: Int64?
  /// When it last changed, milliseconds since 1970.
  public var lastUpdated: Int64?
  /// The tags in the registry's order.
  public var tags: [Tag]
  /// The answer it was read from, byte for byte (`{"experiment": …}`).
  public var body: [UInt8]?

  /// Whether it has been marked deleted.
  public var isDeleted: Bool { lifecycleStage == "deleted" }

  /// An experiment.
  public init(
    id: String, name: String, artifactLocation: String = "", lifecycleStage: String = "active",
    created: Int64? = nil, lastUpdated: Int64? = nil, tags: [Tag] = [], body: [UInt8]? = nil
  ) {
    self.id = id
    self.name = name
    self.artifactLocation = artifactLocation
    self.lifecycleStage = lifecycleStage
    self.created = created
    self.lastUpdated = lastUpdated
    self.tags = tags
    self.body = body
  }
}
