/// Why a question about the catalog has no answer.
public struct CatalogError: Error, Sendable, CustomStringConvertible {
  /// What went wrong, for a program.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// The stable name.
    public let description: String

    /// A position that is not sealed, or a schema that cannot be made.
    public static let refused = Self(description: "refused")
    /// The position asked for has not been sealed: its answer would be another one tomorrow.
    public static let positionNotSealed = Self(description: "position-not-sealed")
  }

  /// SQLSTATE with which the as-of functions refuse a position.
  static let positionNotSealedState = "22023"

  /// What went wrong, for a program.
  public let code: Code
  /// What went wrong, for a person.
  public let message: String
  /// What to do.
  public let hint: String?

  init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  /// The message and the hint.
  public var description: String { hint.map { "\(message) \($0)" } ?? message }
}
