import Foundation

/// Text as search sees it: words of letters and digits, without case and accents.
enum SearchWords {
  /// Bytes of a word that count; the rest of a longer one is not looked at.
  static let wordBytesMax = 64

  /// The words of a text, in their order.
  static func of(_ text: String) -> [[UInt8]] {
    var words: [[UInt8]] = []
    var word: [UInt8] = []
    func finish() {
      if !word.isEmpty { words.append(word) }
      word = []
    }
    for byte in folded(text) {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
        if word.count < wordBytesMax { word.append(byte) }
      default: finish()
      }
    }
    finish()
    return words
  }

  /// Lower case, letters without their accents, and whatever is neither letter nor digit as a space.
  private static func folded(_ text: String) -> [UInt8] {
    let isASCII = text.utf8.allSatisfy { $0 < 0x80 }
    guard !isASCII else { return text.utf8.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 } }
    let plain = text.folding(options: [.caseInsensitive, .diacriticInsensitive, .widthInsensitive], locale: nil)
    var bytes: [UInt8] = []
    for scalar in plain.unicodeScalars {
      let isWord = scalar.properties.isAlphabetic || scalar.properties.numericType != nil
      bytes += isWord ? Array(String(scalar).lowercased().utf8) : [0x20]
    }
    return bytes
  }

  /// Whether one word becomes the other by at most so many bytes more, less, changed, or swapped with their neighbour
  /// (Damerau and Levenshtein's distance, restricted to neighbours).
  static func isNear(_ a: ArraySlice<UInt8>, _ b: [UInt8], within most: Int) -> Bool {
    guard abs(a.count - b.count) <= most else { return false }
    let a = Array(a)
    var (before, last) = ([Int](), Array(0...b.count))
    for (row, byte) in a.enumerated() {
      var next = [row + 1]
      next.reserveCapacity(b.count + 1)
      var least = row + 1
      for (column, other) in b.enumerated() {
        var cost = min(last[column + 1] + 1, next[column] + 1, last[column] + (byte == other ? 0 : 1))
        if row > 0, column > 0, byte == b[column - 1], a[row - 1] == other { cost = min(cost, before[column - 1] + 1) }
        next.append(cost)
        least = min(least, cost)
      }
      guard least <= most else { return false }
      (before, last) = (last, next)
    }
    return last[b.count] <= most
  }
}
