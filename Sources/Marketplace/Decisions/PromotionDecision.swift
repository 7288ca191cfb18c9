/// A change of what the marketplace promotes of one model.
public struct PromotionChange: Hashable, Sendable {
  /// The model as history knows it.
  public let model: ModelState
  /// The marketplace version promoted until now.
  public let from: Int?
  /// The one to promote, or `nil` to withdraw.
  public let to: Int?
  /// The source version of `to`.
  public let version: Int?
  /// Why.
  public let cause: MarketplacePromotionSet.Cause

  /// The event that says so, decided on the model's stream.
  public func event(target: String, name: String) -> DomainEvent {
    .marketplacePromotionSet(
      MarketplacePromotionSet(
        model: model.id.text, name: model.name, target: target, marketplaceName: name, from: from, to: to,
        version: version, cause: cause))
  }
}

/// What a marketplace registry is seen to promote of a model.
public struct ObservedPromotion: Hashable, Sendable {
  /// The versions in the marketplace's promotion stage.
  public var staged: Set<Int>
  /// The version its promotion alias names.
  public var alias: Int?

  /// What was seen.
  public init(staged: Set<Int>, alias: Int?) {
    self.staged = staged
    self.alias = alias
  }

  /// What should be seen when `version` is promoted, through both or one of stage and alias.
  public static func expected(_ version: Int?, stage: Bool, alias: Bool) -> ObservedPromotion {
    ObservedPromotion(staged: stage ? Set([version].compactMap(\.self)) : [], alias: alias ? version : nil)
  }

  /// In words, for an event.
  public var text: String {
    let staged = staged.sorted().map { "v\($0)" }.joined(separator: ", ")
    return "stage: \(staged.isEmpty ? "none" : staged); alias: \(alias.map { "v\($0)" } ?? "none")"
  }
}

extension WorkspaceState {
  /// How `target` has to change to promote what the source means, or `nil` when it does already.
  ///
  /// A predecessor stays until its successor is imported, so that an ordinary promotion never empties the
  /// marketplace; it goes at once only when the source promotes nothing any more or has deleted it. A model that came
  /// back while another goes on under its name promotes nothing.
  public func promotionChange(of model: ModelState, target: String) -> PromotionChange? {
    guard let marketplace = model.marketplace[target] else { return nil }
    let wanted = wantedVersion(of: model, marketplace: marketplace, target: target)
    guard wanted != marketplace.available else { return nil }
    let cause: MarketplacePromotionSet.Cause =
      if let wanted {
        marketplace.available != nil && marketplace.everPromoted.contains(wanted) ? .rollback : .promotion
      } else {
        .withdrawal
      }
    return PromotionChange(
      model: model, from: marketplace.available, to: wanted,
      version: wanted.flatMap { marketplace.sourceVersions[$0] }, cause: cause)
  }

  private func wantedVersion(of model: ModelState, marketplace: MarketplaceState, target: String) -> Int? {
    guard let current = current(of: model), heir(of: model, to: marketplace.name) == nil else { return nil }
    if let live = current.imports[target]?.live { return live.marketplaceVersion }
    guard let available = marketplace.available, let number = marketplace.sourceVersions[available],
      let predecessor = model.versions[number], !predecessor.isDeleted,
      predecessor.imports[target]?.live?.marketplaceVersion == available
    else { return nil }
    return available
  }

  /// The incarnation that goes on under the marketplace name of `model` and is promoted there, or is about to be:
  /// a model that was deleted and created again. `nil` while `model` itself is to be promoted.
  public func successor(of model: ModelState, target: String) -> ModelState? {
    guard let marketplace = model.marketplace[target], !isToBePromoted(model, target: target) else { return nil }
    return models.values.sorted { $0.id < $1.id }.first { other in
      guard other.id != model.id, let state = other.marketplace[target] else { return false }
      return state.name.isExactly(marketplace.name) && isToBePromoted(other, target: target)
    }
  }

  /// Whether what the registry promotes under the marketplace name of `model` is to be compared with what was set for it:
  /// no other incarnation is promoted there, is about to be, or stays so as long as its withdrawal is held back.
  public func answersForName(_ model: ModelState, target: String) -> Bool {
    guard let marketplace = model.marketplace[target], successor(of: model, target: target) == nil else { return false }
    return marketplace.available != nil
      || !models(bearing: marketplace.name).contains { $0.id != model.id && $0.marketplace[target]?.available != nil }
  }

  private func isToBePromoted(_ model: ModelState, target: String) -> Bool {
    if let change = promotionChange(of: model, target: target) { return change.to != nil }
    return model.marketplace[target]?.available != nil
  }

  /// The changes of the whole workspace, by model id.
  public func promotionChanges(target: String) -> [PromotionChange] {
    models.values.sorted { $0.id < $1.id }.compactMap { promotionChange(of: $0, target: target) }
  }
}

/// The guard against emptying the marketplace on one run's word.
public struct WithdrawalLimit: Hashable, Sendable {
  /// So many withdrawals need no permission.
  public static let withdrawalsFree = 3
  /// Nor does so small a share of the workspace's available models: a tenth.
  public static let shareFree = 0.1

  /// What the operator allowed, if anything.
  public let permitted: Int?

  /// A limit; `nil` for the ordinary one.
  public init(permitted: Int?) { self.permitted = permitted }

  /// Whether a run may withdraw `count` of the workspace's `available` models.
  public func allows(_ count: Int, of available: Int) -> Bool {
    if let permitted { return count <= permitted }
    return count <= Self.withdrawalsFree || Double(count) <= Double(available) * Self.shareFree
  }

  /// Why so many may not be withdrawn, as the end of a sentence that says how many there are.
  public var words: String {
    guard let permitted else { return "more than \(Self.withdrawalsFree) and more than a tenth of them" }
    return "and this run may withdraw \(permitted == 0 ? "none" : "\(permitted)")"
  }
}
