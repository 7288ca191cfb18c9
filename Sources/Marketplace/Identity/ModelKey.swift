/// How a registry tells its models apart at one moment: by name, and by creation time when a name is used again.
public struct ModelKey: Hashable, Sendable {
  /// As bytes: Swift holds two spellings of "é" for equal, registries do not.
  private let name: [UInt8]
  private let created: Int64

  /// The key of a model.
  ///
  /// - Parameter created: its creation time, in milliseconds since 1970.
  public init(_ name: String, _ created: Int64) {
    self.name = Array(name.utf8)
    self.created = created
  }
}

extension ModelState {
  /// How the registry knows it now.
  public var key: ModelKey { ModelKey(name, created) }
}

extension ObservedModel {
  /// How the registry knows it.
  public var key: ModelKey { ModelKey(name, created) }
}
