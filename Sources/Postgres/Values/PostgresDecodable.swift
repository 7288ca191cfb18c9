import Foundation

/// One value as it came.
struct Cell {
  var bytes: UnsafeRawBufferPointer
  var type: PostgresType
  var isBinary: Bool

  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// A number in network order that fills the cell.
  func number<Number: FixedWidthInteger>(_ type: Number.Type) throws(DecodingFailure) -> Number {
    guard bytes.count == MemoryLayout<Number>.size else { throw .malformed }
    return Number(bigEndian: bytes.loadUnaligned(as: Number.self))
  }
}

/// Why a cell cannot be read. Says nothing of the value itself.
enum DecodingFailure: Error {
  case mismatch
  case malformed
  case outOfRange(String)

  func error(column: String, type: PostgresType, wanted: String) -> PostgresError {
    switch self {
    case .mismatch:
      PostgresError(
        .decoding, "Column \"\(column)\" is of type \(type), which cannot be read as \(wanted).",
        hint: "Read it as what it is, or cast it in the statement.")
    case .malformed:
      PostgresError(.decoding, "Column \"\(column)\" of type \(type) holds bytes that are no \(type).")
    case .outOfRange(let reason):
      PostgresError(.decoding, "Column \"\(column)\" of type \(type) cannot be read as \(wanted): \(reason).")
    }
  }
}

/// A Swift type that cells can be read as.
protocol PostgresDecodable {
  /// How an error names the type.
  static var postgresName: String { get }
  static func decode(_ cell: Cell) throws(DecodingFailure) -> Self
}

extension Int: PostgresDecodable {
  static var postgresName: String { "an integer" }

  static func decode(_ cell: Cell) throws(DecodingFailure) -> Int {
    guard [.int2, .int4, .int8, .oid].contains(cell.type) else { throw .mismatch }
    guard cell.isBinary else {
      guard let value = Int(cell.text) else { throw .malformed }
      return value
    }
    switch cell.type {
    case .int2: return Int(try cell.number(Int16.self))
    case .int4: return Int(try cell.number(Int32.self))
    case .oid: return Int(try cell.number(UInt32.self))
    default: return Int(try cell.number(Int64.self))
    }
  }
}

extension String: PostgresDecodable {
  static var postgresName: String { "text" }

  private static let types: Set<PostgresType> = [
    .text, .varchar, .bpchar, .char, .name, .json, .jsonb, .unknown,
  ]

  static func decode(_ cell: Cell) throws(DecodingFailure) -> String {
    guard types.contains(cell.type) || !cell.type.isReadInBinary else { throw .mismatch }
    guard cell.isBinary, cell.type == .jsonb else { return cell.text }
    // jsonb's binary form: a version, 1, and the text.
    guard cell.bytes.first == 1 else { throw .malformed }
    return String(decoding: cell.bytes.dropFirst(), as: UTF8.self)
  }
}

extension Bool: PostgresDecodable {
  static var postgresName: String { "a boolean" }

  static func decode(_ cell: Cell) throws(DecodingFailure) -> Bool {
    guard cell.type == .bool else { throw .mismatch }
    guard cell.bytes.count == 1 else { throw .malformed }
    return cell.bytes[0] == (cell.isBinary ? 1 : 0x74)  // t
  }
}

extension Double: PostgresDecodable {
  static var postgresName: String { "a floating-point number" }

  static func decode(_ cell: Cell) throws(DecodingFailure) -> Double {
    guard [.float4, .float8, .numeric].contains(cell.type) else { throw .mismatch }
    guard cell.isBinary else {
      // "Infinity", "-Infinity" and "NaN" are read too.
      guard let value = Double(cell.text) else { throw .malformed }
      return value
    }
    if cell.type == .float4 { return Double(Float(bitPattern: try cell.number(UInt32.self))) }
    return Double(bitPattern: try cell.number(UInt64.self))
  }
}

extension UUID: PostgresDecodable {
  static var postgresName: String { "a uuid" }

  static func decode(_ cell: Cell) throws(DecodingFailure) -> UUID {
    guard cell.type == .uuid else { throw .mismatch }
    guard cell.isBinary else {
      guard let value = UUID(uuidString: cell.text) else { throw .malformed }
      return value
    }
    guard cell.bytes.count == MemoryLayout<uuid_t>.size else { throw .malformed }
    return UUID(uuid: cell.bytes.loadUnaligned(as: uuid_t.self))
  }
}

extension Timestamp: PostgresDecodable {
  static var postgresName: String { "a time" }

  static func decode(_ cell: Cell) throws(DecodingFailure) -> Timestamp {
    guard cell.type == .timestamptz else { throw .mismatch }
    guard cell.isBinary else {
      guard let value = Timestamp(postgresText: cell.text) else {
        throw .outOfRange("it is infinite, or its year is not one of 0 to 9999")
      }
      return value
    }
    let value = try cell.number(Int64.self)
    guard value != .min, value != .max else { throw .outOfRange("it is infinite") }
    let (microseconds, overflows) = value.addingReportingOverflow(microsecondsTo2000)
    guard !overflows else { throw .outOfRange("it is too far away") }
    return Timestamp(microseconds: microseconds)
  }
}

/// bytea; `[UInt8]` itself is an array of elements.
struct Bytes: PostgresDecodable {
  var value: [UInt8]

  static var postgresName: String { "bytes" }

  static func decode(_ cell: Cell) throws(DecodingFailure) -> Bytes {
    guard cell.type == .bytea else { throw .mismatch }
    if cell.isBinary { return Bytes(value: [UInt8](cell.bytes)) }
    // bytea_output = hex: \x and two digits for each byte.
    guard cell.bytes.count % 2 == 0, cell.bytes.starts(with: [0x5C, 0x78]) else { throw .malformed }
    var value: [UInt8] = []
    value.reserveCapacity(cell.bytes.count / 2 - 1)
    for index in stride(from: 2, to: cell.bytes.count, by: 2) {
      guard let high = hexValue(cell.bytes[index]), let low = hexValue(cell.bytes[index + 1]) else {
        throw .malformed
      }
      value.append(high << 4 | low)
    }
    return Bytes(value: value)
  }

  private static func hexValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x61...0x66: digit - 0x61 + 10
    case 0x41...0x46: digit - 0x41 + 10
    default: nil
    }
  }
}
