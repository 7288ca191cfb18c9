/// A model of a workspace has its name in the marketplace, for ever.
public struct MarketplaceNameAssigned: Codable, Hashable, Sendable {
  /// The name in the marketplace.
  public var name: String
  /// The name as it is compared: NFC, case folded.
  public var folded: String
  /// The source workspace.
  public var workspace: String
  /// The incarnation that first asked for the name.
  public var model: String
  /// The name under which that incarnation was first seen.
  public var sourceName: String

  private enum CodingKeys: String, CodingKey {
    case name
    case folded
    case workspace
    case model
    case sourceName = "source_name"
  }

  /// Puts the fields together.
  public init(
    name: String, folded: String, workspace: String, model: String, sourceName: String
  ) {
    self.name = name
    self.folded = folded
    self.workspace = workspace
    self.model = model
    self.sourceName = sourceName
  }
}

/// Which marketplace version of a model is promoted was changed by us.
public struct MarketplacePromotionSet: Codable, Hashable, Sendable {
  /// Why a promotion changed.
  public enum Cause: String, Codable, Sendable {
    /// The source promotes a version not promoted here before.
    case promotion
    /// The source went back to a version promoted here earlier.
    case rollback
    /// The source promotes nothing, or the version was deleted there.
    case withdrawal
    /// What somebody changed by hand was put back.
    case drift
  }

  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The marketplace registry.
  public var target: String
  /// The model's name there.
  public var marketplaceName: String
  /// The marketplace version promoted before, if any.
  public var from: Int?
  /// The one promoted now, if any.
  public var to: Int?
  /// The source version of `to`.
  public var version: Int?
  /// Why.
  public var cause: Cause

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case target
    case marketplaceName = "marketplace_name"
    case from
    case to
    case version
    case cause
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, target: String, marketplaceName: String, from: Int? = nil, to: Int? = nil,
    version: Int? = nil, cause: Cause
  ) {
    self.model = model
    self.name = name
    self.target = target
    self.marketplaceName = marketplaceName
    self.from = from
    self.to = to
    self.version = version
    self.cause = cause
  }
}

/// Somebody changed the marketplace by hand.
public struct MarketplaceDriftFound: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The marketplace registry.
  public var target: String
  /// The model's name there.
  public var marketplaceName: String
  /// What kind of thing was changed: `promotion`.
  public var kind: String
  /// What is there.
  public var found: String
  /// What should be.
  public var expected: String

  private enum CodingKeys: String, CodingKey {
    case model
    case name
    case target
    case marketplaceName = "marketplace_name"
    case kind
    case found
    case expected
  }

  /// Puts the fields together.
  public init(
    model: String, name: String, target: String, marketplaceName: String, kind: String, found: String,
    expected: String
  ) {
    self.model = model
    self.name = name
    self.target = target
    self.marketplaceName = marketplaceName
    self.kind = kind
    self.found = found
    self.expected = expected
  }
}
