import Foundation

/// JSON as the ledger and exports keep it: keys sorted by their bytes, slashes as they are, and no two keys held for
/// one.
///
/// Foundation's coders keep objects in dictionaries by `String`, in which canonically equivalent keys are one key. So
/// keys that are not plain ASCII pass through them spelled (see ``ExactText``): they are rewritten in the bytes, after
/// writing and before reading.
public enum ExactJSON {
  /// One line, or many with `isPretty`.
  ///
  /// - Throws: what the encoder throws for a value that JSON cannot hold.
  public static func encode(_ value: some Encodable, isPretty: Bool = false) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
    return rewritingKeys(Array(try encoder.encode(value)), restored)
  }

  /// Reads a value.
  ///
  /// - Throws: a decoding error.
  public static func decode<Value: Decodable>(_ form: Value.Type, _ json: [UInt8]) throws -> Value {
    try JSONDecoder().decode(form, from: Data(rewritingKeys(json, spelled)))
  }

  private static let quote = UInt8(ascii: "\"")
  private static let backslash = UInt8(ascii: "\\")

  /// Hands the inside of each key to `rewrite` and puts what it returns in its place; `nil` leaves it.
  private static func rewritingKeys(_ json: [UInt8], _ rewrite: (ArraySlice<UInt8>) -> [UInt8]?) -> [UInt8] {
    var result: [UInt8] = []
    var copied = 0
    var place = 0
    while let open = json[place...].firstIndex(of: quote) {
      var end = open + 1
      while end < json.count, json[end] != quote { end += json[end] == backslash ? 2 : 1 }
      // Not JSON; the decoder will say so.
      guard end < json.count else { break }
      place = end + 1
      let next = json[place...].first { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }
      guard next == UInt8(ascii: ":"), let key = rewrite(json[(open + 1)..<end]) else { continue }
      result += json[copied...open]
      result += key
      copied = end
    }
    return copied == 0 ? json : result + json[copied...]
  }

  /// How the encoder writes the mark of a spelled key.
  private static let mark = Array("\\u0001".utf8)

  private static func restored(_ key: ArraySlice<UInt8>) -> [UInt8]? {
    guard key.starts(with: mark), let text = SpelledKey.text(hexadecimal: key.dropFirst(mark.count)) else { return nil }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    guard let written = try? encoder.encode(text) else { return nil }
    return Array(written.dropFirst().dropLast())
  }

  private static func spelled(_ key: ArraySlice<UInt8>) -> [UInt8]? {
    guard !key.allSatisfy(isPlain) else { return nil }
    let quoted = Data([quote] + key + [quote])
    guard let text = try? JSONDecoder().decode(String.self, from: quoted) else { return nil }
    // Plain ASCII may be written with escapes, too, and is then the name of a field all the same.
    return text.utf8.allSatisfy(isPlain) ? Array(text.utf8) : mark + SpelledKey.hexadecimal(text.utf8)
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    (0x20..<0x7F).contains(byte) && byte != quote && byte != backslash
  }
}
