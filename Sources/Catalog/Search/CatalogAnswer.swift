/// What was found.
public struct CatalogAnswer: Sendable {
  /// A value of a facet.
  public struct Count: Sendable, Hashable {
    /// The value.
    public let value: String
    /// How many entries have it that fit everything else that is asked for.
    public let count: Int
    /// Whether it is asked for.
    public let isWanted: Bool
  }

  /// How many entries fit.
  public let count: Int
  /// The values of each facet, the most frequent first.
  public let facets: [CatalogQuery.Facet: [Count]]

  private let parts: [CatalogSnapshot.Part]
  /// Where each entry is, in the order asked for: the part, and the place in it.
  private let places: [(part: Int32, entry: Int32)]

  init(
    facets: [CatalogQuery.Facet: [Count]] = [:], parts: [CatalogSnapshot.Part] = [],
    places: [(part: Int32, entry: Int32)] = []
  ) {
    count = places.count
    self.facets = facets
    self.parts = parts
    self.places = places
  }

  /// The entries in the order asked for.
  public var entries: [CatalogEntry] { entries(0..<count) }

  /// Some of the entries, by their places in the order asked for; as many of them as there are.
  public func entries(_ range: Range<Int>) -> [CatalogEntry] {
    places[range.clamped(to: 0..<count)].map { parts[Int($0.part)].entries[Int($0.entry)] }
  }
}
