/// Which names the marketplace has given away: the fold of the streams `name/…`.
///
/// A name belongs to a workspace's model *name at first sight*. So a model that was deleted and created again
/// goes on under its predecessor's marketplace name, while two living models never share one.
public struct AssignedNames: Hashable, Sendable {
  private var byFolded: [String: MarketplaceNameAssigned] = [:]

  /// No name given yet.
  public init() {}

  /// Folds an assignment in. The first of a stream wins; the ledger's expected version sees to it.
  public mutating func apply(_ event: MarketplaceNameAssigned) {
    if byFolded[event.folded] == nil { byFolded[event.folded] = event }
  }

  /// What a model that needs a name gets.
  public enum Outcome: Hashable, Sendable {
    /// It has this name.
    case assigned(MarketplaceName)
    /// It may have it: this event claims it.
    case claim(MarketplaceName, ProposedEvent)
    /// Somebody else has it; the sentence names both.
    case collision(String)
  }

  /// The name for `model` of `state`'s workspace.
  ///
  /// It is made from the name at first sight and survives a rename. A model that could not have that name may be
  /// renamed at its source, as it is told, and then gets one from its new name.
  ///
  /// - Throws: ``DomainError`` when the template gives a name that MLflow would refuse.
  public func outcome(for model: ModelState, in state: WorkspaceState, template: NameTemplate) throws
    -> Outcome
  {
    let own = byFolded.values.first { $0.workspace == state.workspace.text && $0.model == model.id.text }
    // A model that goes on under its predecessor's name has claimed none, and keeps what it was imported under.
    if let name = own?.name ?? model.marketplace.values.map(\.name).min() {
      return kept(MarketplaceName(name), by: model, in: state)
    }
    guard !model.name.isExactly(model.firstName) else {
      return try outcome(for: model, called: model.name, in: state, template: template)
    }
    do {
      let outcome = try outcome(for: model, called: model.firstName, in: state, template: template)
      guard case .collision = outcome else { return outcome }
    } catch let error as DomainError where error.code == .illegalName {
      // A name that MLflow refuses is mended by a rename too.
    }
    return try outcome(for: model, called: model.name, in: state, template: template)
  }

  /// The name that a model has, unless another goes on under it.
  private func kept(_ name: MarketplaceName, by model: ModelState, in state: WorkspaceState) -> Outcome {
    guard let heir = state.heir(of: model, to: name.text) else { return .assigned(name) }
    return .collision(heir.keeps(name.text, from: model))
  }

  private func outcome(
    for model: ModelState, called sourceName: String, in state: WorkspaceState, template: NameTemplate
  ) throws -> Outcome {
    let workspace = state.workspace
    let earlier = byFolded.values.first { $0.workspace == workspace.text && $0.sourceName.isExactly(sourceName) }
    let name =
      try earlier.map { MarketplaceName($0.name) } ?? template.name(workspace: workspace, model: sourceName)
    guard let owner = byFolded[name.folded] else {
      let event = MarketplaceNameAssigned(
        name: name.text, folded: name.folded, workspace: workspace.text, model: model.id.text,
        sourceName: sourceName)
      let id = NameBasedUUID.make(["name", name.folded, workspace.text, sourceName])
      return .claim(
        name,
        ProposedEvent(
          stream: name.stream, expectedVersion: 0, id: id, event: .marketplaceNameAssigned(event)))
    }
    guard owner.workspace == workspace.text, owner.sourceName.isExactly(sourceName) else {
      return .collision(
        "The marketplace name '\(name.text)' of \(workspace)'s model '\(sourceName)' is taken by "
          + "\(owner.workspace)'s model '\(owner.sourceName)' as '\(owner.name)': the two differ only in case or "
          + "in how accents are written. Rename this one at its source and run again with --retry-failed.")
    }
    // Of the living models that could bear the name, the one that got it or was seen first has it. One that comes after
    // this model must not hide another that comes before.
    let before = state.models.values.filter {
      $0.id != model.id && !$0.live.isEmpty && couldBear(name, $0, owner: owner, sourceName: sourceName)
        && ($0.id.text == owner.model || !$0.marketplace.isEmpty || $0.firstSeen < model.firstSeen)
    }
    if let first = before.min(by: { $0.firstSeen < $1.firstSeen }) {
      return .collision(
        "The marketplace name '\(name.text)' stays with the model now called '\(first.name)', which was "
          + "'\(sourceName)' when it got that name. Rename the new model '\(model.name)' at its source."
      )
    }
    return .assigned(MarketplaceName(owner.name))
  }

  /// Whether a model has the name, or might be given it: it was first seen under the source's name or bears it now, and
  /// was imported under no other.
  private func couldBear(
    _ name: MarketplaceName, _ model: ModelState, owner: MarketplaceNameAssigned, sourceName: String
  ) -> Bool {
    if model.id.text == owner.model { return true }
    guard model.marketplace.isEmpty else {
      return model.marketplace.values.contains { MarketplaceName($0.name).folded == name.folded }
    }
    return model.firstName.isExactly(sourceName) || model.name.isExactly(sourceName)
  }
}

extension ModelState {
  /// Why `model`, which had the name before, does not get it back from this one, and what to do.
  public func keeps(_ name: String, from model: ModelState) -> String {
    "The marketplace name '\(name)' went from '\(model.name)', when that was deleted, to the model now called "
      + "'\(self.name)', which still has it. Delete one of the two at its source, or copy the versions of "
      + "'\(model.name)' into a new model."
  }
}
