/// The id of a workspace: one source registry, or the marketplace as a whole.
public struct WorkspaceID: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The longest id, in characters. It is a DNS label, so that an id can name a host or a directory.
  public static let charactersMax = 63

  /// Holds what concerns the marketplace as a whole; no source workspace may bear it.
  public static let marketplace = WorkspaceID(unchecked: "marketplace")

  /// The id as it is written in configuration, in the ledger and in storage paths.
  public let text: String

  /// Accepts `[a-z0-9-]{1,63}`.
  ///
  /// - Throws: ``DomainError`` naming the id and the rule.
  public init(_ text: String) throws {
    let allowed = text.utf8.allSatisfy { byte in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
    }
    guard allowed, (1...Self.charactersMax).contains(text.utf8.count) else {
      throw DomainError(
        .invalidWorkspaceID,
        "'\(text)' is not a workspace id: use 1 to \(Self.charactersMax) of a–z, 0–9 and '-'.")
    }
    self.text = text
  }

  private init(unchecked text: String) { self.text = text }

  /// The text.
  public var description: String { text }

  /// By UTF-8 bytes, as the ledger orders them.
  public static func < (a: Self, b: Self) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
}
