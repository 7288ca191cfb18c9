/// An element of an XML document: its name without namespace prefix, its text, its children.
struct XMLElement: Sendable, Hashable {
  var name: String
  /// The text directly within, white space included.
  var text = ""
  var children: [XMLElement] = []

  /// The first child of that name.
  func child(_ name: String) -> XMLElement? { children.first { $0.name == name } }
  /// The text of the first child of that name.
  func text(_ name: String) -> String? { child(name)?.text }
  /// All children of that name.
  func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }
}

/// Reads the XML that object stores speak (XML 1.0, UTF-8) into elements.
///
/// A document type declaration is refused, and with it every entity of one's own: no store sends one, and it is the
/// way to make a reader fetch files or eat all memory. Attributes are read and dropped.
struct XMLReader {
  /// Elements nest at most so deep.
  static let depthMax = 32

  /// Why a document is not XML, and where.
  struct Malformed: Error, Hashable, CustomStringConvertible {
    let reason: String
    let offset: Int
    var description: String { "\(reason) at byte \(offset)" }
  }

  private let bytes: [UInt8]
  private var place = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The root element.
  ///
  /// - Throws: ``Malformed``.
  static func read(_ bytes: [UInt8]) throws -> XMLElement {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw Malformed(reason: "not UTF-8", offset: 0)
    }
    var reader = XMLReader(bytes)
    if reader.take("\u{feff}") {}
    try reader.skipMisc()
    guard reader.peek == UInt8(ascii: "<") else { throw reader.malformed("no root element") }
    let root = try reader.element()
    try reader.skipMisc()
    guard reader.place == bytes.count else { throw reader.malformed("something after the root element") }
    return root
  }

  private var peek: UInt8? { place < bytes.count ? bytes[place] : nil }

  private func malformed(_ reason: String) -> Malformed { Malformed(reason: reason, offset: place) }

  private func isAt(_ text: String) -> Bool {
    bytes[place...].starts(with: text.utf8)
  }

  private mutating func take(_ text: String) -> Bool {
    guard isAt(text) else { return false }
    place += text.utf8.count
    return true
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 10 || byte == 13 }

  private mutating func skipSpace() {
    while let byte = peek, Self.isSpace(byte) { place += 1 }
  }

  /// Declarations, comments and processing instructions around the root.
  private mutating func skipMisc() throws {
    while true {
      skipSpace()
      if isAt("<!DOCTYPE") { throw malformed("a document type declaration, which is refused") }
      guard try skipRemark() else { return }
    }
  }

  private mutating func skipRemark() throws -> Bool {
    if take("<!--") {
      try skip(past: "-->")
    } else if take("<?") {
      try skip(past: "?>")
    } else {
      return false
    }
    return true
  }

  private mutating func skip(past end: String) throws {
    let marker = Array(end.utf8)
    while place + marker.count <= bytes.count {
      if bytes[place..<place + marker.count].elementsEqual(marker) {
        place += marker.count
        return
      }
      place += 1
    }
    throw malformed("'\(end)' is missing")
  }

  private mutating func name() throws -> String {
    let start = place
    while let byte = peek, !Self.isSpace(byte), !"/>=<&\"'".utf8.contains(byte) { place += 1 }
    guard place > start else { throw malformed("a name is missing") }
    return String(decoding: bytes[start..<place], as: UTF8.self)
  }

  /// An element and all within it, without recursion into the caller's stack: depth is counted.
  private mutating func element() throws -> XMLElement {
    var open: [(element: XMLElement, tag: String, text: [UInt8])] = []
    while true {
      if let done = try step(&open) { return done }
    }
  }

  /// Reads the next piece; gives the root once it is closed.
  private mutating func step(
    _ open: inout [(element: XMLElement, tag: String, text: [UInt8])]
  ) throws -> XMLElement? {
    guard let byte = peek else { throw malformed("the document ends within an element") }
    guard byte == UInt8(ascii: "<") else {
      guard !open.isEmpty else { throw malformed("text outside the root element") }
      try text(into: &open[open.count - 1].text)
      return nil
    }
    if !open.isEmpty, take("<![CDATA[") {
      let start = place
      try skip(past: "]]>")
      open[open.count - 1].text += bytes[start..<place - 3]
      return nil
    }
    if try skipRemark() { return nil }
    if take("</") {
      let tag = try name()
      skipSpace()
      guard take(">"), let closed = open.popLast(), closed.tag == tag else {
        throw malformed("'</\(tag.prefix(40))>' closes nothing that is open")
      }
      return close(closed, in: &open)
    }
    place += 1
    let tag = try name()
    guard open.count < Self.depthMax else { throw malformed("more than \(Self.depthMax) elements within another") }
    let local = tag.split(separator: ":").last.map(String.init) ?? tag
    let opened = (element: XMLElement(name: local), tag: tag, text: [UInt8]())
    if try attributes() { return close(opened, in: &open) }
    open.append(opened)
    return nil
  }

  private func close(
    _ closed: (element: XMLElement, tag: String, text: [UInt8]),
    in open: inout [(element: XMLElement, tag: String, text: [UInt8])]
  ) -> XMLElement? {
    var element = closed.element
    element.text = String(decoding: closed.text, as: UTF8.self)
    guard !open.isEmpty else { return element }
    open[open.count - 1].element.children.append(element)
    return nil
  }

  /// Reads to the end of a tag; whether it closes itself.
  private mutating func attributes() throws -> Bool {
    while true {
      skipSpace()
      if take("/>") { return true }
      if take(">") { return false }
      _ = try name()
      skipSpace()
      guard take("=") else { throw malformed("an attribute without '='") }
      skipSpace()
      guard let quote = peek, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
        throw malformed("an attribute without quotes")
      }
      place += 1
      while let byte = peek, byte != quote {
        guard byte != UInt8(ascii: "<") else { throw malformed("'<' in an attribute") }
        place += 1
      }
      guard peek == quote else { throw malformed("an attribute that does not end") }
      place += 1
    }
  }

  /// Text up to the next tag, entities resolved, line ends made one line feed (XML 1.0 §2.11).
  private mutating func text(into text: inout [UInt8]) throws {
    while let byte = peek, byte != UInt8(ascii: "<") {
      switch byte {
      case UInt8(ascii: "&"): try entity(into: &text)
      case 13:
        place += 1
        if peek != 10 { text.append(10) }
      default:
        text.append(byte)
        place += 1
      }
    }
  }

  private mutating func entity(into text: inout [UInt8]) throws {
    let start = place + 1
    guard let end = bytes[start..<min(bytes.count, start + 12)].firstIndex(of: UInt8(ascii: ";")) else {
      throw malformed("an '&' without ';'")
    }
    let name = String(decoding: bytes[start..<end], as: UTF8.self)
    switch name {
    case "lt": text.append(UInt8(ascii: "<"))
    case "gt": text.append(UInt8(ascii: ">"))
    case "amp": text.append(UInt8(ascii: "&"))
    case "quot": text.append(UInt8(ascii: "\""))
    case "apos": text.append(UInt8(ascii: "'"))
    default:
      let number = name.hasPrefix("#x") ? UInt32(name.dropFirst(2), radix: 16) : UInt32(name.dropFirst(1))
      guard name.hasPrefix("#"), let number, number > 0, let scalar = Unicode.Scalar(number) else {
        throw malformed("the unknown entity '&\(name);'")
      }
      text += Array(String(Character(scalar)).utf8)
    }
    place = end + 1
  }
}

/// Text as it may stand within an element.
enum XMLText {
  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
