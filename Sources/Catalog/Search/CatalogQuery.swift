/// What somebody looks for in the catalog.
public struct CatalogQuery: Sendable, Hashable {
  /// Words that are looked at; more are left out.
  public static let wordsMax = 16

  /// Words, all of which an entry has to hold: whole, their beginnings, parts of them, or nearly.
  public var text: String
  /// What entries have to have, by facet; one of several values of a facet is enough.
  public var wanted: [Facet: Set<String>]
  /// How they are ordered.
  public var order: Order

  /// What entries are counted by.
  public enum Facet: String, Sendable, Hashable, CaseIterable {
    /// The source workspace.
    case workspace
    /// How what the source means and what can be loaded stand to each other.
    case state
    /// What it can be loaded as.
    case flavor
    /// Who owns it.
    case owner
  }

  /// An order of entries.
  public enum Order: String, Sendable, Hashable, CaseIterable {
    /// What fits best first; by name where no words are asked for.
    case relevance
    /// By name in the marketplace.
    case name
    /// What changed last first.
    case newest
    /// What has the most bytes first.
    case largest
  }

  /// A question; without anything, for everything.
  public init(text: String = "", wanted: [Facet: Set<String>] = [:], order: Order = .relevance) {
    self.text = text
    self.wanted = wanted.filter { !$0.value.isEmpty }
    self.order = order
  }
}

extension CatalogQuery.Facet {
  /// The values that an entry has.
  func values(of entry: CatalogEntry) -> [String] {
    switch self {
    case .workspace: [entry.workspace]
    case .state: [entry.state.rawValue]
    case .flavor: entry.flavors ?? []
    case .owner: entry.owner.map { [$0] } ?? []
    }
  }
}
