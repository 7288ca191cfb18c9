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
  /// The aliases in the registry's order. A version named here need not exist among ``latestVersions``.
  public var aliases: [Alias]
  /// The highest version of each stage that holds any, in the registry's order.
  public var latestVersions: [ModelVersion]
  /// The answer it was read from, byte for byte (`{"registered_model": …}`); `nil` when it came from a
  /// listing.
  public var body: [UInt8]?

  /// A registered model.
  public init(
    name: String, created: Int64, lastUpdated: Int64, description: String = "", tags: [Tag] = [],
    aliases: [Alias] = [], latestVersions: [ModelVersion] = [], body: [UInt8]? = nil
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

/// An alias of a registered model and the version that it names.
public struct Alias: Sendable, Hashable {
  /// The alias.
  public var name: String
  /// The version's number.
  public var version: Int

  /// An alias.
  public init(_ name: String, _ version: Int) {
    self.name = name
    self.version = version
  }
}

extension [Alias] {
  /// The version that an alias names, compared byte by byte.
  public subscript(name: String) -> Int? {
    first { $0.name.utf8.elementsEqual(name.utf8) }?.version
  }
}
