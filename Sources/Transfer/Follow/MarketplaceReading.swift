import Marketplace
import Registry

/// One whole reading of the marketplace registry: what it is seen to promote.
struct MarketplaceReading: Sendable {
  let target: MarketplaceTarget
  let cursors: ObservationCursors
  private let models: [[UInt8]: RegisteredModel]
  /// The listing as it was, for the cursors.
  let listed: [RegisteredModel]

  /// Reads the registry's listing.
  static func read(_ target: MarketplaceTarget, context: JobContext) async throws -> MarketplaceReading {
    let cursors = try await ObservationCursors.load("marketplace/\(target.id)", from: context.memory)
    return MarketplaceReading(target, cursors, listed: try await target.registry.registeredModels())
  }

  private init(_ target: MarketplaceTarget, _ cursors: ObservationCursors, listed: [RegisteredModel]) {
    self.target = target
    self.cursors = cursors
    self.listed = listed
    models = Dictionary(listed.map { (Array($0.name.utf8), $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The registry read once more, beside the same cursors.
  func again() async throws -> MarketplaceReading {
    MarketplaceReading(target, cursors, listed: try await target.registry.registeredModels())
  }

  /// Whether a model is listed, and as it was when it was last looked at.
  func isUnchanged(_ name: String) -> Bool { models[Array(name.utf8)].map(cursors.isUnchanged) ?? false }

  /// What the registry promotes of a model, from the listing alone where that is enough: a model that has not
  /// changed since its versions were last listed hides none in the promotion stage.
  ///
  /// - Returns: `nil` when the listing does not hold the model.
  func promotion(of name: String) async throws -> ObservedPromotion? {
    guard let model = models[Array(name.utf8)] else { return nil }
    return try await Self.promotion(of: model, isKnown: cursors.isUnchanged(model), in: target)
  }

  /// What a registry promotes of a model, asked anew, or `nil` when it says that the model does not exist.
  static func promotion(of name: String, in target: MarketplaceTarget) async throws -> ObservedPromotion? {
    guard let model = try await target.registry.registeredModel(named: name) else { return nil }
    return try await promotion(of: model, isKnown: false, in: target)
  }

  private static func promotion(
    of model: RegisteredModel, isKnown: Bool, in target: MarketplaceTarget
  ) async throws -> ObservedPromotion {
    let alias = target.alias.flatMap { model.aliases[$0] }
    guard let stage = target.stage else { return ObservedPromotion(staged: [], alias: alias) }
    let versions = isKnown ? model.latestVersions : try await target.registry.modelVersions(of: model.name)
    return ObservedPromotion(staged: Set(versions.filter { $0.stage == stage }.map(\.version)), alias: alias)
  }
}
