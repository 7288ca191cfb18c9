/// A text that is told from every other by its bytes: a key of tags, parameters, metrics and aliases.
///
/// Swift's `String` holds "é" and "e\u{301}" for equal, registries do not, so that a dictionary by `String` would keep
/// one of two tags. As a key of a dictionary it becomes a key of a JSON object, through ``ExactJSON`` byte for byte.
public struct ExactText: Hashable, Comparable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// The text.
  public let text: String

  /// A text.
  public init(_ text: String) { self.text = text }

  /// A text written in source.
  public init(stringLiteral text: String) { self.text = text }

  /// The text.
  public var description: String { text }

  /// Byte for byte.
  public static func == (a: Self, b: Self) -> Bool { a.text.isExactly(b.text) }

  /// By UTF-8 bytes, as the ledger orders keys.
  public static func < (a: Self, b: Self) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }

  /// In step with `==`.
  public func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension ExactText: Codable {
  /// Reads a text.
  ///
  /// - Throws: a decoding error.
  public init(from decoder: any Decoder) throws { text = try decoder.singleValueContainer().decode(String.self) }

  /// Writes the text.
  ///
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}

extension ExactText: CodingKeyRepresentable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// The key as it travels through Foundation's coders; ``ExactJSON`` turns it into the text itself.
  public var codingKey: any CodingKey { Key(stringValue: SpelledKey.spell(text)) }

  /// Reads a key back, spelled or plain.
  public init?(codingKey: some CodingKey) {
    guard let text = SpelledKey.read(codingKey.stringValue) else { return nil }
    self.text = text
  }
}

/// A key spelled in hexadecimal digits, so that keys that Swift holds for equal are not, and sort by their bytes. The
/// control character in front tells it from every name that a type here gives to a field.
enum SpelledKey {
  static let mark: UInt8 = 1
  private static let digits = Array("0123456789abcdef".utf8)

  static func spell(_ text: String) -> String { String(decoding: [mark] + hexadecimal(text.utf8), as: UTF8.self) }

  static func hexadecimal(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
  }

  /// The text that a key stands for, or `nil` when it is misspelled.
  static func read(_ key: String) -> String? {
    guard key.utf8.first == mark else { return key }
    return text(hexadecimal: key.utf8.dropFirst())
  }

  static func text(hexadecimal: some Collection<UInt8>) -> String? {
    let values = hexadecimal.map { digits.firstIndex(of: $0) }
    guard values.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for place in stride(from: 0, to: values.count, by: 2) {
      guard let high = values[place], let low = values[place + 1] else { return nil }
      bytes.append(UInt8(high << 4 | low))
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
