/// What is wrong with a value of the domain, in words for the person who wrote it.
public struct DomainError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Which rule was broken. Open: new rules may come.
  public struct Code: Hashable, Sendable {
    /// The code as programs see it.
    public let text: String
    /// A workspace id outside `[a-z0-9-]{1,63}`.
    public static let invalidWorkspaceID = Code(text: "invalid_workspace_id")
    /// A name template that cannot give legal, injective names.
    public static let invalidNameTemplate = Code(text: "invalid_name_template")
    /// A marketplace name that MLflow would refuse.
    public static let illegalName = Code(text: "illegal_name")
    /// An event whose data does not have the form its type promises.
    public static let malformedEvent = Code(text: "malformed_event")
  }

  /// Which rule was broken.
  public let code: Code
  /// What is wrong, which value, and what to do.
  public let message: String

  /// An error with its sentence.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The message.
  public var description: String { message }
}
