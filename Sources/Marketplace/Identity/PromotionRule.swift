/// What a workspace counts as promoted, in order of precedence.
///
/// Aliases come before stages: stages are deprecated in MLflow and absent in Unity Catalog, and moving an
/// alias back is a rollback even while the stages stay as they are.
public struct PromotionRule: Codable, Hashable, Sendable {
  /// Which promoted versions are exported and imported.
  public enum Versions: String, Codable, Hashable, Sendable, CaseIterable {
    /// The one that the source means.
    case current
    /// Every one; the marketplace still promotes only the one that the source means.
    case all
  }

  /// Aliases that mean production; the first that is set wins.
  public var aliases: [String]
  /// Stages that mean production; the highest version in the first stage that holds any wins.
  public var stages: [String]
  /// Which promoted versions are exported and imported.
  public var versions: Versions

  /// A rule; both lists may be empty, then nothing is promoted.
  public init(aliases: [String], stages: [String], versions: Versions = .current) {
    self.aliases = aliases
    self.stages = stages
    self.versions = versions
  }

  private enum CodingKeys: String, CodingKey {
    case aliases, stages, versions
  }

  /// Reads a rule; where nothing is said of versions, the current one is meant.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    aliases = try fields.decode([String].self, forKey: .aliases)
    stages = try fields.decode([String].self, forKey: .stages)
    versions = try fields.decodeIfPresent(Versions.self, forKey: .versions) ?? .current
  }

  /// Writes a rule; what goes without saying is left out.
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(aliases, forKey: .aliases)
    try fields.encode(stages, forKey: .stages)
    if versions != .current { try fields.encode(versions, forKey: .versions) }
  }

  /// What holds when the configuration says nothing: stage `Production`, alias `champion`.
  public static let standard = PromotionRule(aliases: ["champion"], stages: ["Production"])
}
