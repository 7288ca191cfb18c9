import Foundation

/// The whole catalog at one moment, in memory and ready to be searched.
public struct CatalogSnapshot: Sendable {
  /// The entries of one workspace.
  public struct Part: Sendable {
    /// By name.
    public let entries: [CatalogEntry]
    let index: SearchIndex

    /// Entries of one workspace.
    public init(_ entries: [CatalogEntry]) {
      self.entries = entries
      index = SearchIndex(of: entries)
    }
  }

  private let parts: [Part]

  /// The catalog of some workspaces.
  public init(_ parts: [Part]) { self.parts = parts }

  /// The catalog of these entries.
  public init(_ entries: [CatalogEntry]) {
    self.init(Dictionary(grouping: entries, by: \.workspace).sorted { $0.key < $1.key }.map { Part($0.value) })
  }

  /// How many entries there are.
  public var count: Int { parts.reduce(0) { $0 + $1.entries.count } }

  /// What fits a question.
  ///
  /// Takes time in proportion to the number of entries and of different words.
  public func answer(_ query: CatalogQuery) -> CatalogAnswer {
    // What some workspace holds is what is meant, and nothing near it.
    let words = SearchWords.of(query.text).prefix(CatalogQuery.wordsMax).map { word in
      (word: word, isNearEnough: !parts.contains { $0.index.holds(word) })
    }
    // Text without a word, such as a lone percent sign, is held by nothing.
    guard !words.isEmpty || query.text.allSatisfy(\.isWhitespace) else {
      return CatalogAnswer(entries: [], facets: [:])
    }
    var found: [(entry: CatalogEntry, score: Float)] = []
    var counts: [CatalogQuery.Facet: [String: Int]] = [:]
    for part in parts {
      let scores = words.isEmpty ? nil : part.index.scores(of: words)
      for (place, entry) in part.entries.enumerated() {
        let score = scores?[place] ?? 1
        guard score > 0 else { continue }
        let misses = query.wanted.filter { facet, values in !facet.values(of: entry).contains(where: values.contains) }
        // A facet counts what all others let through, so that its other values can be chosen.
        for facet in CatalogQuery.Facet.allCases where misses.isEmpty || (misses.count == 1 && misses[facet] != nil) {
          for value in facet.values(of: entry) { counts[facet, default: [:]][value, default: 0] += 1 }
        }
        if misses.isEmpty { found.append((entry, score)) }
      }
    }
    return CatalogAnswer(entries: Self.sorted(found, by: query.order), facets: Self.facets(counts, query))
  }

  private static func facets(
    _ counts: [CatalogQuery.Facet: [String: Int]], _ query: CatalogQuery
  ) -> [CatalogQuery.Facet: [CatalogAnswer.Count]] {
    var facets: [CatalogQuery.Facet: [CatalogAnswer.Count]] = [:]
    for facet in CatalogQuery.Facet.allCases {
      let wanted = query.wanted[facet] ?? []
      // What is asked for stays to be seen, so that it can be given up.
      let all = (counts[facet] ?? [:]).merging(wanted.map { ($0, 0) }) { count, _ in count }
      facets[facet] = all.map { .init(value: $0.key, count: $0.value, isWanted: wanted.contains($0.key)) }
        .sorted { ($1.count, $0.value) < ($0.count, $1.value) }
    }
    return facets
  }

  private static func sorted(
    _ found: [(entry: CatalogEntry, score: Float)], by order: CatalogQuery.Order
  ) -> [CatalogEntry] {
    // Names are compared by bytes: the same on every machine.
    func isBefore(_ a: CatalogEntry, _ b: CatalogEntry) -> Bool {
      (a.title, a.workspace, a.model.uuidString) < (b.title, b.workspace, b.model.uuidString)
    }
    switch order {
    case .relevance:
      return found.sorted { $0.score == $1.score ? isBefore($0.entry, $1.entry) : $0.score > $1.score }.map(\.entry)
    case .name: return found.map(\.entry).sorted(by: isBefore)
    case .newest:
      return found.map(\.entry).sorted { $0.since == $1.since ? isBefore($0, $1) : $0.since > $1.since }
    case .largest:
      return found.map(\.entry).sorted { a, b in
        let (a1, b1) = (a.export?.bytes ?? -1, b.export?.bytes ?? -1)
        return a1 == b1 ? isBefore(a, b) : a1 > b1
      }
    }
  }
}

extension CatalogEntry {
  /// What it is called: its name in the marketplace, and until it has one that of workspace and model.
  public var title: String { marketplaceName ?? "\(workspace)/\(name ?? "?")" }
}

extension Catalog {
  /// The whole catalog, to be searched.
  public func snapshot(asOf: AsOf = .now) async throws -> CatalogSnapshot {
    CatalogSnapshot(try await list(asOf: asOf))
  }
}
