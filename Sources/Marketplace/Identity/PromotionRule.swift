/// What a workspace counts as promoted, in order of precedence.
///
/// Aliases come before stages: stages are deprecated in MLflow and absent in Unity Catalog, and moving an
/// alias back is a rollback even while the stages stay as they are.
public struct PromotionRule: Codable, Hashable, Sendable {
  /// Aliases that mean production; the first that is set wins.
  public var aliases: [String]
  /// Stages that mean production; the highest version in the first stage that holds any wins.
  public var stages: [String]

  /// A rule; both lists may be empty, then nothing is promoted.
  public init(aliases: [String], stages: [String]) {
    self.aliases = aliases
    self.stages = stages
  }

  /// What holds when the configuration says nothing: stage `Production`, alias `champion`.
  public static let standard = PromotionRule(aliases: ["champion"], stages: ["Production"])
}
