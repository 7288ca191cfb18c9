import Foundation
import Postgres

/// The whole catalog at one moment, in memory and ready to be searched.
public struct CatalogSnapshot: Sendable {
  /// The entries of one workspace.
  public struct Part: Sendable {
    /// By name.
    public let entries: [CatalogEntry]
    let index: SearchIndex
    let facets: [CatalogQuery.Facet: FacetColumn]
    /// What entries are ordered by where nothing else tells them apart: names by their bytes, the same on every machine.
    let names: [[UInt8]]

    /// Entries of one workspace.
    public init(_ entries: [CatalogEntry]) {
      self.entries = entries
      index = SearchIndex(of: entries)
      facets = Dictionary(
        uniqueKeysWithValues: CatalogQuery.Facet.allCases.map { ($0, FacetColumn($0, of: entries)) })
      names = entries.map {
        Array($0.title.utf8) + [0] + Array($0.workspace.utf8) + [0] + Array($0.model.uuidString.utf8)
      }
    }
  }

  private let parts: [Part]
  /// The place of each entry when all are ordered by name, by its part and place there.
  private let ranks: [[Int32]]

  /// The catalog of some workspaces.
  public init(_ parts: [Part]) {
    self.parts = parts
    var ranks = parts.map { [Int32](repeating: 0, count: $0.entries.count) }
    let all = parts.indices.flatMap { part in parts[part].entries.indices.map { (part: part, entry: $0) } }
      .sorted { parts[$0.part].names[$0.entry].lexicographicallyPrecedes(parts[$1.part].names[$1.entry]) }
    for (rank, place) in all.enumerated() { ranks[place.part][place.entry] = Int32(rank) }
    self.ranks = ranks
  }

  /// The catalog of these entries.
  public init(_ entries: [CatalogEntry]) {
    self.init(Dictionary(grouping: entries, by: \.workspace).sorted { $0.key < $1.key }.map { Part($0.value) })
  }

  /// How many entries there are.
  public var count: Int { parts.reduce(0) { $0 + $1.entries.count } }

  /// An entry that fits, and what it is ordered by: the greater key first, then the lesser rank.
  private struct Found {
    let part, entry, rank: Int32
    let key: Double
  }

  /// What fits a question.
  ///
  /// Takes time in proportion to the number of entries and of different words.
  public func answer(_ query: CatalogQuery) -> CatalogAnswer {
    // What some workspace holds is what is meant, and nothing near it.
    let words = SearchWords.of(query.text).prefix(CatalogQuery.wordsMax).map { word in
      (word: word, isNearEnough: !parts.contains { $0.index.holds(word) })
    }
    // Text without a word, such as a lone percent sign, is held by nothing.
    guard !words.isEmpty || query.text.allSatisfy(\.isWhitespace) else { return CatalogAnswer() }
    var found: [Found] = []
    var counts: [CatalogQuery.Facet: [String: Int]] = [:]
    for (number, part) in parts.enumerated() {
      let scores = words.isEmpty ? nil : part.index.scores(of: words)
      var tallies = CatalogQuery.Facet.allCases.compactMap { facet in
        part.facets[facet].map { Tally(facet, $0, wanted: query.wanted[facet]) }
      }
      for place in part.entries.indices {
        let score = scores?[place] ?? 1
        guard score > 0 else { continue }
        let misses = tallies.indices.filter { !tallies[$0].lets(place) }
        // A facet counts what all others let through, so that its other values can be chosen.
        if misses.isEmpty {
          for facet in tallies.indices { tallies[facet].count(place) }
          found.append(
            Found(
              part: Int32(number), entry: Int32(place), rank: ranks[number][place],
              key: Self.key(part.entries[place], score, query.order)))
        } else if misses.count == 1 {
          tallies[misses[0]].count(place)
        }
      }
      for tally in tallies { counts[tally.facet, default: [:]].merge(tally.counts, uniquingKeysWith: +) }
    }
    found.sort { $0.key == $1.key ? $0.rank < $1.rank : $0.key > $1.key }
    return CatalogAnswer(
      facets: Self.facets(counts, query), parts: parts, places: found.map { (part: $0.part, entry: $0.entry) })
  }

  private static func key(_ entry: CatalogEntry, _ score: Float, _ order: CatalogQuery.Order) -> Double {
    switch order {
    case .relevance: Double(score)
    case .name: 0
    // Exact up to the year 2255.
    case .newest: Double(entry.since.microseconds)
    case .largest: Double(entry.export?.bytes ?? -1)
    }
  }

  /// The values of one facet in one workspace, counted by their numbers.
  private struct Tally {
    let facet: CatalogQuery.Facet
    private let column: FacetColumn
    /// Whether each value is asked for; nil where none is.
    private let wanted: [Bool]?
    private var counted: [Int]

    init(_ facet: CatalogQuery.Facet, _ column: FacetColumn, wanted: Set<String>?) {
      self.facet = facet
      self.column = column
      self.wanted = wanted.map { wanted in column.values.map(wanted.contains) }
      counted = Array(repeating: 0, count: column.values.count)
    }

    /// Whether an entry has what is asked for.
    func lets(_ entry: Int) -> Bool {
      guard let wanted else { return true }
      return column.numbers(of: entry).contains { wanted[Int($0)] }
    }

    mutating func count(_ entry: Int) {
      for number in column.numbers(of: entry) { counted[Int(number)] += 1 }
    }

    var counts: [String: Int] {
      Dictionary(zip(column.values, counted).filter { $0.1 > 0 }, uniquingKeysWith: +)
    }
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
