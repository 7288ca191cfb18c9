/// How a model's name in the marketplace is made from its workspace and its name at the source.
public struct NameTemplate: Hashable, Sendable {
  /// MLflow keeps model names in a column of 256 characters.
  public static let nameCharactersMax = 256
  /// `{workspace}.{model}`: a workspace id holds no dot, so the first dot ends it.
  public static let standard = NameTemplate(unchecked: "{workspace}.{model}")

  /// The template as it was written.
  public let text: String

  /// Accepts a template that names both `{workspace}` and `{model}` once.
  ///
  /// - Throws: ``DomainError``: without both, two workspaces' models of one name would be one.
  public init(_ text: String) throws {
    for placeholder in ["{workspace}", "{model}"]
    where text.split(separator: placeholder, omittingEmptySubsequences: false).count != 2 {
      throw DomainError(
        .invalidNameTemplate,
        "The name template '\(text)' must hold {workspace} and {model} once each, such as {workspace}.{model}."
      )
    }
    self.text = text
  }

  private init(unchecked text: String) { self.text = text }

  /// The name of a model.
  ///
  /// - Throws: ``DomainError`` when MLflow would refuse it.
  public func name(workspace: WorkspaceID, model: String) throws -> MarketplaceName {
    // The model's name goes in last, so that a model called "{workspace}" is left as it is.
    let prefix = text.replacing("{workspace}", with: workspace.text, maxReplacements: 1)
    let name = prefix.replacing("{model}", with: model, maxReplacements: 1)
    guard name.unicodeScalars.count <= Self.nameCharactersMax else {
      throw DomainError(
        .illegalName,
        "'\(name.prefix(80))…' has \(name.unicodeScalars.count) characters; a registered model's name has at most "
          + "\(Self.nameCharactersMax). Rename the model at its source.")
    }
    let illegal = name.unicodeScalars.first { $0 == "/" || $0 == ":" || $0.value < 0x20 || $0.value == 0x7f }
    if let illegal {
      throw DomainError(
        .illegalName,
        "'\(name)' holds U+\(String(illegal.value, radix: 16, uppercase: true)), which a registered model's name "
          + "may not. Rename the model at its source.")
    }
    return MarketplaceName(name)
  }
}
