import Foundation

/// The words of catalog entries, and where each stands: what search asks.
///
/// All of it is in memory: some hundred bytes a word and entry.
struct SearchIndex: Sendable {
  /// What a word weighs by the field that it stands in.
  private enum Weight {
    static let name: Float = 8
    static let workspace: Float = 4
    static let owner: Float = 3
    static let flavor: Float = 3
    static let tag: Float = 2
    static let description: Float = 2
    static let versionDescription: Float = 1
  }

  /// What it counts for how well it fits what was asked for.
  private enum Fit {
    static let whole: Float = 1
    static let beginning: Float = 0.7
    static let within: Float = 0.4
    static let near: Float = 0.25
  }

  /// Words so long may have one wrong byte, and twice as long two.
  static let nearBytesMin = 4

  private struct Posting {
    let entry: Int32
    let weight: Float
  }

  /// Every word once, each behind a line feed, and one at the end: whatever bytes are looked for are found in one pass.
  private let text: [UInt8]
  /// Where each word begins in it.
  private let starts: [Int]
  private let postings: [[Posting]]
  private let count: Int

  /// The words of entries, by their place among them.
  init(of entries: [CatalogEntry]) {
    var found: [[UInt8]: [Posting]] = [:]
    for (place, entry) in entries.enumerated() {
      var words: [[UInt8]: Float] = [:]
      func add(_ text: String?, _ weight: Float) {
        guard let text else { return }
        for word in SearchWords.of(text) { words[word] = max(words[word] ?? 0, weight) }
      }
      add(entry.marketplaceName, Weight.name)
      add(entry.name, Weight.name)
      add(entry.workspace, Weight.workspace)
      add(entry.owner, Weight.owner)
      for flavor in entry.flavors ?? [] { add(flavor, Weight.flavor) }
      add(entry.tags, Weight.tag)
      add(entry.description, Weight.description)
      add(entry.versionDescription, Weight.versionDescription)
      for (word, weight) in words { found[word, default: []].append(Posting(entry: Int32(place), weight: weight)) }
    }
    var (text, starts, postings) = ([UInt8(0x0a)], [Int](), [[Posting]]())
    for (word, places) in found.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      starts.append(text.count)
      text += word
      text.append(0x0a)
      postings.append(places)
    }
    (self.text, self.starts, self.postings, count) = (text, starts, postings, entries.count)
  }

  /// How well each entry fits, by its place: 0 where a word is missing.
  ///
  /// - Parameter words: as ``SearchWords/of(_:)`` gives them; all have to be there. Those that nothing holds may be near.
  func scores(of words: [(word: [UInt8], isNearEnough: Bool)]) -> [Float] {
    var total: [Float]?
    for (word, isNearEnough) in words {
      let scores = scores(of: word, isNearEnough)
      total =
        total.map { zip($0, scores).map { sum, score in sum > 0 && score > 0 ? sum + score : 0 } } ?? scores
    }
    return total ?? Array(repeating: 0, count: count)
  }

  /// Whether an entry holds a word, whole or within another.
  func holds(_ word: [UInt8]) -> Bool { !places(of: word).isEmpty }

  private func scores(of word: [UInt8], _ isNearEnough: Bool) -> [Float] {
    var scores = [Float](repeating: 0, count: count)
    func take(_ number: Int, _ fit: Float) {
      for posting in postings[number] {
        let place = Int(posting.entry)
        scores[place] = max(scores[place], posting.weight * fit)
      }
    }
    for (number, fit) in places(of: word) { take(number, fit) }
    guard isNearEnough, word.count >= Self.nearBytesMin else { return scores }
    let most = word.count >= 2 * Self.nearBytesMin ? 2 : 1
    for number in starts.indices where SearchWords.isNear(self.word(number), word, within: most) {
      take(number, Fit.near)
    }
    return scores
  }

  private func word(_ number: Int) -> ArraySlice<UInt8> {
    let end = number + 1 < starts.count ? starts[number + 1] - 1 : text.count - 1
    return text[starts[number]..<end]
  }

  /// The words that hold these bytes, and how well.
  private func places(of word: [UInt8]) -> [(number: Int, fit: Float)] {
    var found: [(Int, Float)] = []
    text.withUnsafeBytes { text in
      word.withUnsafeBytes { word in
        guard let base = text.baseAddress, let wanted = word.baseAddress, let first = word.first else { return }
        var place = 0
        // Where the first byte stands the rest is compared; words are short, and most places differ at once.
        while let hit = memchr(base + place, Int32(first), text.count - place) {
          let offset = UnsafeRawPointer(hit) - base
          guard offset + word.count < text.count else { return }
          guard memcmp(hit, wanted, word.count) == 0 else {
            place = offset + 1
            continue
          }
          let (isBeginning, isEnd) = (text[offset - 1] == 0x0a, text[offset + word.count] == 0x0a)
          found.append((number(at: offset), isBeginning ? (isEnd ? Fit.whole : Fit.beginning) : Fit.within))
          place = offset + word.count
        }
      }
    }
    return found
  }

  /// The word that a byte of the text belongs to.
  private func number(at offset: Int) -> Int {
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= offset { low = middle } else { high = middle }
    }
    return low
  }
}
