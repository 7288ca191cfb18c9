/// Why a text is not the JSON that the ledger takes, and where.
struct JSONFault: Error, Hashable {
  /// Where, in bytes of UTF-8 from 0.
  var byteOffset: Int
  /// The end of a sentence.
  var reason: String
  /// Whether it is JSON, but not what the ledger takes.
  var isRule = false
}

/// Checks that a text is one JSON object (RFC 8259) that every reader understands alike: no key twice, no NUL,
/// no half surrogate pairs, numbers and nesting within bounds. One pass over the bytes; Foundation's parser
/// would lose duplicate keys and the digits of numbers.
struct JSONCheck {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var at = 0
  private var depth = 0

  /// - Throws: ``JSONFault`` for the first fault.
  static func check(_ text: String) throws(JSONFault) {
    var text = text
    let result: Result<Void, JSONFault> = text.withUTF8 { bytes in
      guard bytes.count <= EventRules.dataBytesMax else {
        return .failure(
          JSONFault(
            byteOffset: EventRules.dataBytesMax,
            reason:
              "it has \(bytes.count) bytes, and \(EventRules.dataBytesMax) are the most (dataBytesMax)", isRule: true))
      }
      var check = JSONCheck(bytes: bytes)
      do throws(JSONFault) {
        try check.document()
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// The members of a text that is one JSON object, each with the bytes that its value stands in. What stands below is
  /// checked as ``check(_:)`` does, as so many levels less deep as it stands in what it is a form of.
  ///
  /// - Throws: ``JSONFault`` for the first fault.
  static func members(
    of text: [UInt8], levels: Int = 1
  ) throws(JSONFault) -> [(key: String, value: Range<Int>)] {
    try read(text, levels) { check throws(JSONFault) in try check.topMembers() }
  }

  /// The elements of a text that is one JSON array, each by the bytes that it stands in; checked as ``members(of:levels:)`` does.
  ///
  /// - Throws: ``JSONFault`` for the first fault.
  static func elements(of text: [UInt8], levels: Int = 1) throws(JSONFault) -> [Range<Int>] {
    try read(text, levels) { check throws(JSONFault) in try check.topElements() }
  }

  private static func read<T>(
    _ text: [UInt8], _ levels: Int, _ body: (inout JSONCheck) throws(JSONFault) -> T
  ) throws(JSONFault) -> T {
    let result: Result<T, JSONFault> = text.withUnsafeBufferPointer { bytes in
      var check = JSONCheck(bytes: bytes)
      check.depth = -levels
      do throws(JSONFault) {
        return .success(try body(&check))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private mutating func topMembers() throws(JSONFault) -> [(key: String, value: Range<Int>)] {
    skipSpace()
    guard peek == UInt8(ascii: "{") else { throw fault("it is not a JSON object") }
    try descend()
    var members: [(key: String, value: Range<Int>)] = []
    var keys: Set<[UInt8]> = []
    if try !endsAtOnce(UInt8(ascii: "}")) {
      repeat {
        skipSpace()
        let start = at
        guard peek == UInt8(ascii: "\"") else { throw fault("a key was expected") }
        let bytes = try string(keep: true)
        guard keys.insert(bytes).inserted else {
          throw fault("a key stands twice in one object", at: start, isRule: true)
        }
        let key = String(decoding: bytes, as: UTF8.self)
        skipSpace()
        guard take(UInt8(ascii: ":")) else { throw fault("a colon was expected") }
        skipSpace()
        let first = at
        try value()
        members.append((key, first..<at))
        skipSpace()
      } while take(UInt8(ascii: ","))
      guard take(UInt8(ascii: "}")) else { throw fault("a comma or the end of the object was expected") }
    }
    skipSpace()
    guard at == bytes.count else { throw fault("something follows the object") }
    return members
  }

  private mutating func topElements() throws(JSONFault) -> [Range<Int>] {
    skipSpace()
    guard peek == UInt8(ascii: "[") else { throw fault("it is not a JSON array") }
    try descend()
    var elements: [Range<Int>] = []
    if try !endsAtOnce(UInt8(ascii: "]")) {
      repeat {
        skipSpace()
        let first = at
        try value()
        elements.append(first..<at)
        skipSpace()
      } while take(UInt8(ascii: ","))
      guard take(UInt8(ascii: "]")) else { throw fault("a comma or the end of the array was expected") }
    }
    skipSpace()
    guard at == bytes.count else { throw fault("something follows the array") }
    return elements
  }

  /// Whether a text is a JSON number within the bounds of the ledger.
  static func isNumber(_ text: String) -> Bool {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      var check = JSONCheck(bytes: bytes)
      do throws(JSONFault) {
        try check.number()
        return check.at == bytes.count
      } catch {
        return false
      }
    }
  }

  private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  private mutating func document() throws(JSONFault) {
    skipSpace()
    guard peek == UInt8(ascii: "{") else { throw fault("it is not a JSON object") }
    try value()
    skipSpace()
    guard at == bytes.count else { throw fault("something follows the object") }
  }

  private mutating func value() throws(JSONFault) {
    guard let first = peek else { throw fault("it ends too early") }
    switch first {
    case UInt8(ascii: "{"): try object()
    case UInt8(ascii: "["): try array()
    case UInt8(ascii: "\""): _ = try string(keep: false)
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "n"): try word("null")
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
    default: throw fault("a value was expected")
    }
  }

  private mutating func object() throws(JSONFault) {
    try descend()
    if try endsAtOnce(UInt8(ascii: "}")) { return }
    // Encoders that sort their keys are the rule; then a look at the key before is enough.
    var sorted: [[UInt8]] = []
    var unsorted: Set<[UInt8]> = []
    repeat {
      skipSpace()
      let start = at
      guard peek == UInt8(ascii: "\"") else { throw fault("a key was expected") }
      let key = try string(keep: true)
      if unsorted.isEmpty, sorted.last.map({ $0.lexicographicallyPrecedes(key) }) ?? true {
        sorted.append(key)
      } else {
        if unsorted.isEmpty { unsorted = Set(sorted) }
        if !unsorted.insert(key).inserted { throw fault("a key stands twice in one object", at: start, isRule: true) }
      }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw fault("a colon was expected") }
      skipSpace()
      try value()
      skipSpace()
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw fault("a comma or the end of the object was expected") }
    depth -= 1
  }

  private mutating func array() throws(JSONFault) {
    try descend()
    if try endsAtOnce(UInt8(ascii: "]")) { return }
    repeat {
      skipSpace()
      try value()
      skipSpace()
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw fault("a comma or the end of the array was expected") }
    depth -= 1
  }

  private mutating func descend() throws(JSONFault) {
    guard depth < EventRules.dataDepthMax else {
      throw fault("it is nested deeper than \(EventRules.dataDepthMax) levels (dataDepthMax)", isRule: true)
    }
    depth += 1
    at += 1
  }

  private mutating func endsAtOnce(_ end: UInt8) throws(JSONFault) -> Bool {
    skipSpace()
    guard take(end) else { return false }
    depth -= 1
    return true
  }

  private mutating func word(_ word: StaticString) throws(JSONFault) {
    for offset in 0..<word.utf8CodeUnitCount {
      guard at < bytes.count, bytes[at] == word.utf8Start[offset] else { throw fault("a value was expected") }
      at += 1
    }
  }
}

// MARK: - Numbers and strings

extension JSONCheck {
  private mutating func number() throws(JSONFault) {
    let start = at
    _ = take(UInt8(ascii: "-"))
    var digits = 0
    if take(UInt8(ascii: "0")) { digits = 1 } else { digits = try self.digits() }
    if take(UInt8(ascii: ".")) { digits += try self.digits() }
    guard digits <= EventRules.numberDigitsMax else {
      throw fault(
        "a number has more than \(EventRules.numberDigitsMax) digits (numberDigitsMax)", at: start, isRule: true)
    }
    guard take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) else { return }
    if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
    var exponent = 0
    let first = at
    while let digit = peek, (0x30...0x39).contains(digit) {
      exponent = min(exponent * 10 + Int(digit - 0x30), EventRules.numberExponentMax + 1)
      at += 1
    }
    guard at > first else { throw fault("a digit was expected") }
    guard exponent <= EventRules.numberExponentMax else {
      throw fault(
        "a number has an exponent beyond \(EventRules.numberExponentMax) (numberExponentMax)", at: start, isRule: true)
    }
  }

  /// Passes one digit or more; returns how many.
  private mutating func digits() throws(JSONFault) -> Int {
    let start = at
    while let digit = peek, (0x30...0x39).contains(digit) { at += 1 }
    guard at > start else { throw fault("a digit was expected") }
    return at - start
  }

  /// Passes a string. Returns its characters, escapes resolved, if they are to be kept.
  private mutating func string(keep: Bool) throws(JSONFault) -> [UInt8] {
    at += 1
    var text: [UInt8] = []
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        at += 1
        return text
      case UInt8(ascii: "\\"):
        let scalar = try escape()
        if keep { text.append(contentsOf: Array(String(scalar).utf8)) }
      case 0..<0x20:
        throw fault("a control character stands in a string unescaped")
      default:
        if keep { text.append(byte) }
        at += 1
      }
    }
    throw fault("a string does not end")
  }

  private mutating func escape() throws(JSONFault) -> Character {
    let start = at
    at += 1
    guard let letter = peek else { throw fault("a string does not end") }
    at += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Character(Unicode.Scalar(letter))
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw fault("an escape is unknown", at: start)
    }
    var code = try hexadecimal()
    if (0xD800...0xDBFF).contains(code) {
      guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
        throw fault("a string holds half a surrogate pair", at: start, isRule: true)
      }
      let low = try hexadecimal()
      guard (0xDC00...0xDFFF).contains(low) else {
        throw fault("a string holds half a surrogate pair", at: start, isRule: true)
      }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard code != 0 else { throw fault("a string holds NUL", at: start, isRule: true) }
    guard let scalar = Unicode.Scalar(code) else {
      throw fault("a string holds half a surrogate pair", at: start, isRule: true)
    }
    return Character(scalar)
  }

  private mutating func hexadecimal() throws(JSONFault) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = peek.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
        throw fault("an escape needs four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      at += 1
    }
    return code
  }
}

// MARK: - Bytes

extension JSONCheck {
  private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard at < bytes.count, bytes[at] == byte else { return false }
    at += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at += 1 }
  }

  private func fault(_ reason: String, at offset: Int? = nil, isRule: Bool = false) -> JSONFault {
    JSONFault(byteOffset: offset ?? at, reason: reason, isRule: isRule)
  }
}
