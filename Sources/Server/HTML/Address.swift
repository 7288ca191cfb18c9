import Foundation
import HTTPTypes

/// An address within the service: a path, and what is asked of it.
struct Address: Sendable, Hashable {
  var path: String
  var query: [(name: String, value: String)]

  init(_ path: String, _ query: [(String, String)] = []) {
    self.path = path
    self.query = query.map { (name: $0.0, value: $0.1) }
  }

  /// As it stands in a link.
  var text: String {
    guard !query.isEmpty else { return path }
    return path + "?" + query.map { "\(Self.encoded($0.name))=\(Self.encoded($0.value))" }.joined(separator: "&")
  }

  /// The same with one thing asked that was not, or otherwise.
  func with(_ name: String, _ value: String?) -> Address {
    var address = self
    address.query.removeAll { $0.name == name }
    if let value, !value.isEmpty { address.query.append((name: name, value: value)) }
    return address
  }

  /// The same with one value of a name more, or if it was there without it.
  func toggling(_ name: String, _ value: String) -> Address {
    var address = self
    let count = address.query.count
    address.query.removeAll { $0.name == name && $0.value == value }
    if address.query.count == count { address.query.append((name: name, value: value)) }
    return address
  }

  static func == (a: Address, b: Address) -> Bool { a.text == b.text }
  func hash(into hasher: inout Hasher) { hasher.combine(text) }

  /// Every byte that is no letter, digit, or one of `-._~` by its number (RFC 3986 §2.3).
  static func encoded(_ text: some StringProtocol) -> String {
    text.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        String(UnicodeScalar(byte))
      default: String(format: "%%%02X", byte)
      }
    }.joined()
  }

  /// The text that was encoded, with a plus sign for a space where forms write it so; `nil` for what was not.
  static func decoded(_ text: some StringProtocol, plusIsSpace: Bool) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "+") where plusIsSpace: bytes.append(0x20)
      case UInt8(ascii: "%"):
        let digits = String(decoding: rest.prefix(2), as: UTF8.self)
        guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit), let value = UInt8(digits, radix: 16) else {
          return nil
        }
        bytes.append(value)
        rest = rest.dropFirst(2)
      default: bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }
}

/// What is asked in an address, as forms and links write it.
struct RequestQuery: Sendable {
  /// So many things may be asked at once.
  static let pairsMax = 200

  let pairs: [(name: String, value: String)]

  /// - Throws: ``Problem`` for what is not encoded as it should be, or too much.
  init(_ text: String?) throws {
    let parts = (text ?? "").split(separator: "&")
    guard parts.count <= Self.pairsMax else {
      throw Problem(
        .badRequest, "query_too_long", "An address may ask \(Self.pairsMax) things, and this one asks \(parts.count).")
    }
    pairs = try parts.map { part in
      let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = Address.decoded(sides[0], plusIsSpace: true),
        let value = Address.decoded(sides.count > 1 ? sides[1] : "", plusIsSpace: true), !value.contains("\0")
      else {
        throw Problem(
          .badRequest, "query_malformed",
          "'\(part)' is not encoded as an address is: percent signs, two hex digits, UTF-8.")
      }
      return (name: name, value: value)
    }
    for name in Self.once { try expectOnce(name) }
  }

  /// What is asked once: of several, all but one would be passed over.
  private static let once = [
    "as_of", "q", "page", "order", "cursor", "limit", "from", "to", "a", "b", "before", "format", "model",
  ]

  /// - Throws: ``Problem`` where a name stands there more than once.
  func expectOnce(_ name: String) throws {
    guard pairs.count(where: { $0.name == name }) > 1 else { return }
    throw Problem(.badRequest, "asked_twice", "\(name) stands there more than once: it has one value.", field: name)
  }

  /// The value of a name; `nil` where there is none, or nothing in it.
  subscript(_ name: String) -> String? {
    pairs.first { $0.name == name }.flatMap { $0.value.isEmpty ? nil : $0.value }
  }

  /// All values of a name.
  func all(_ name: String) -> [String] { pairs.filter { $0.name == name && !$0.value.isEmpty }.map(\.value) }

  /// A whole number within bounds.
  ///
  /// - Throws: ``Problem`` for anything else.
  func number(_ name: String, within range: ClosedRange<Int64>) throws -> Int64? {
    guard let text = pairs.first(where: { $0.name == name })?.value else { return nil }
    guard let number = Int64(text), range.contains(number) else {
      throw Problem(
        .badRequest, "bad_parameter",
        "\(name) is '\(text)': a whole number from \(range.lowerBound) to \(range.upperBound) is wanted.",
        field: name)
    }
    return number
  }
}
