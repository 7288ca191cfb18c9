/// The place of a file in a store: components joined by `/`. A key cannot leave the store.
public struct StorageKey: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The components, none empty, `.` or `..`, none with `/` or NUL.
  public let components: [String]

  /// A key from its components.
  ///
  /// - Throws: ``StorageError`` with `.illegalKey`, naming the component and the rule it breaks.
  public init(_ components: [String]) throws {
    for component in components {
      let bytes = component.utf8.count
      guard (1...StorageLimits.componentBytesMax).contains(bytes), component != ".", component != "..",
        !component.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "/") })
      else {
        throw StorageError(
          .illegalKey, key: String(components.joined(separator: "/").prefix(200)),
          "holds a component that is empty, '.', '..', longer than \(StorageLimits.componentBytesMax) bytes, or "
            + "that contains '/' or NUL: '\(component.prefix(80))'.")
      }
    }
    let total = components.reduce(components.count - 1) { $0 + $1.utf8.count }
    guard !components.isEmpty, total <= StorageLimits.keyBytesMax else {
      throw StorageError(
        .illegalKey, key: String(components.joined(separator: "/").prefix(200)),
        "has \(total) bytes; a key has 1 to \(StorageLimits.keyBytesMax).")
    }
    self.components = components
  }

  /// A key below this one, from a relative path such as an artifact's.
  ///
  /// - Throws: ``StorageError`` with `.illegalKey` when the path could leave its place.
  public func appending(_ path: String) throws -> StorageKey {
    try StorageKey(components + path.split(separator: "/", omittingEmptySubsequences: false).map(String.init))
  }

  /// The components joined by `/`.
  public var path: String { components.joined(separator: "/") }

  /// The path.
  public var description: String { path }

  /// By the bytes of the path.
  public static func < (a: Self, b: Self) -> Bool { a.path.utf8.lexicographicallyPrecedes(b.path.utf8) }

  /// Byte for byte: a store tells "é" from "e\u{301}", Swift's `String` does not.
  public static func == (a: Self, b: Self) -> Bool { a.path.utf8.elementsEqual(b.path.utf8) }

  /// In step with `==`.
  public func hash(into hasher: inout Hasher) {
    for byte in path.utf8 { hasher.combine(byte) }
  }
}
