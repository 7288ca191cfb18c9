import Testing

@testable import Marketplace

@Suite("JSON, byte for byte")
struct ExactJSONTests {
  /// Four keys that to Swift are two.
  static let keys: [ExactText] = ["\u{c5}", "\u{212b}", "A\u{30a}", "K", "\u{212a}"]

  @Test("keeps keys that Swift holds for equal, and sorts by bytes")
  func equivalentKeys() throws {
    let values = Dictionary(uniqueKeysWithValues: Self.keys.enumerated().map { ($1, $0) })
    #expect(values.count == 5)
    let json = try ExactJSON.encode(values)
    #expect(json == Array("{\"A\u{30a}\":2,\"K\":3,\"\u{c5}\":0,\"\u{212a}\":4,\"\u{212b}\":1}".utf8))
    #expect(try ExactJSON.decode([ExactText: Int].self, json) == values)
  }

  @Test(
    "reads and writes odd keys",
    arguments: [
      "", "\"", "\\", "a\"b\\c/d", "\u{1}", "\u{1}ff", "\u{1}zz", "\n", "🧬", "a:b", "{\"a\":1}", "\u{7f}", "é",
    ])
  func oddKeys(_ key: String) throws {
    let value: [ExactText: [ExactText: String]] = [ExactText(key): [ExactText(key): "\"\(key)\": "]]
    for isPretty in [false, true] {
      let json = try ExactJSON.encode(value, isPretty: isPretty)
      #expect(try ExactJSON.decode([ExactText: [ExactText: String]].self, json) == value)
    }
  }

  @Test("reads keys that others escaped, names of fields too")
  func escapedKeys() throws {
    let json = #"{"\u212b": 1, "\u00c5" : 2, "\u0041": 3}"#
    #expect(try ExactJSON.decode([ExactText: Int].self, Array(json.utf8)) == ["\u{212b}": 1, "\u{c5}": 2, "A": 3])
    struct Form: Decodable, Equatable { var name: String }
    let escaped = #"{"n\u0061me": "\u212b"}"#
    #expect(try ExactJSON.decode(Form.self, Array(escaped.utf8)).name.isExactly("\u{212b}"))
  }

  @Test("refuses what is not JSON", arguments: ["", "{", "{\"a", "{\"\\", "{\"\\ud800\":1}", "{\"a\":1,}x"])
  func malformed(_ json: String) {
    #expect(throws: (any Error).self) { try ExactJSON.decode([ExactText: Int].self, Array(json.utf8)) }
  }

  @Test("an event keeps two tags whose keys Swift holds for equal")
  func event() throws {
    let described = ModelDescribed.snapshot(
      model: ModelID(text: "m"), name: "n", description: nil, tags: ["\u{c5}": "one", "\u{212b}": "two"])
    let json = try DomainEvent.modelDescribed(described).json()
    #expect(
      json.utf8.elementsEqual(
        "{\"model\":\"m\",\"name\":\"n\",\"tags\":{\"\u{c5}\":\"one\",\"\u{212b}\":\"two\"}}".utf8))
    #expect(try DomainEvent(type: "ModelDescribed", json: json) == .modelDescribed(described))
  }
}
