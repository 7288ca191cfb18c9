/// A registered model: a name under which versions are kept.
public struct RegisteredModel: Sendable, Hashable {
  /// The name, unique in its registry (in its MLflow workspace).
  public var name: String
  /// When it was created, milliseconds since 1970.
  public var created: Int64
  /// When it last changed, milliseconds since 1970. Stage changes, deletions, renames, new versions and its
  /// own description move it; aliases and tags do not.
  public var lastUpdated: Int64
  /// The description; empty when there is none.
  public var description: String
  /// The tags in the registry's order.
  public var tags: [Tag]
  /// The version each alias points at. A version named here need not exist among ``latestVersions``.
  public var aliases: [String: Int]
  /// The highest version of each stage that holds any, in the registry's order.
  public var latestVersions: [ModelVersion]
  /// The answer it was read from, byte for byte (`{"registered_model": …}`); `nil` when it came from a
  /// listing.
  public var body: [UInt8]?

  /// A registered model.
  public init(
    name: String, created: Int64, lastUpdated: Int64, description: String = "", tags: [Tag] = [],
    aliases: [String: Int] = [:], latestVersions: [ModelVersion] = [], body: [UInt8]? = nil
  ) {
    self.name = name
    self.created = created
    self.lastUpdated = lastUpdated
    self.description = description
    self.tags = tags
    self.aliases = aliases
    self.latestVersions = latestVersions
    self.body = body
  }
}
