/// A tag of a registered model, version, run, experiment or logged model.
public struct Tag: Sendable, Hashable, Codable {
  /// The tag's key.
  public var key: String
  /// The tag's value; empty when the registry omits it.
  public var value: String

  /// A tag.
  public init(_ key: String, _ value: String) {
    self.key = key
    self.value = value
  }
}

/// A parameter of a run or a logged model. Values are text, whatever they mean.
public struct Param: Sendable, Hashable, Codable {
  /// The parameter's name.
  public var key: String
  /// The parameter's value; empty when the registry omits it.
  public var value: String

  /// A parameter.
  public init(_ key: String, _ value: String) {
    self.key = key
    self.value = value
  }
}

extension [Tag] {
  /// The value under a key, compared byte by byte.
  public subscript(key: String) -> String? {
    first { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }
}

extension [Param] {
  /// The value under a key, compared byte by byte.
  public subscript(key: String) -> String? {
    first { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }
}
