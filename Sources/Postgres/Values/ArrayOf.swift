/// A one-dimensional array with its NULL elements.
struct ArrayOf<Element: PostgresDecodable>: PostgresDecodable {
  var elements: [Element?]

  static var postgresName: String { "an array whose elements are each \(Element.postgresName)" }

  static func decode(_ cell: Cell) throws(DecodingFailure) -> Self {
    guard let type = cell.type.element else { throw .mismatch }
    return Self(elements: try cell.isBinary ? decodeBinary(cell, type) : decodeText(cell, type))
  }

  /// `array_send`: dimensions, flags, element type, then for each dimension its length and lower bound, then
  /// for each element its length, -1 for NULL, and its bytes.
  private static func decodeBinary(_ cell: Cell, _ type: PostgresType) throws(DecodingFailure) -> [Element?] {
    var reader = ByteReader(cell.bytes)
    let dimensions = try reader.int32()
    _ = try reader.int32()
    _ = try reader.int32()
    guard dimensions > 0 else { return [] }
    guard dimensions == 1 else { throw .outOfRange("it has \(dimensions) dimensions") }
    let count = try reader.int32()
    _ = try reader.int32()
    var elements: [Element?] = []
    elements.reserveCapacity(count)
    for _ in 0..<count {
      let length = try reader.int32()
      guard length >= 0 else {
        elements.append(nil)
        continue
      }
      elements.append(try Element.decode(Cell(bytes: try reader.bytes(length), type: type, isBinary: true)))
    }
    return elements
  }

  private static func decodeText(_ cell: Cell, _ type: PostgresType) throws(DecodingFailure) -> [Element?] {
    var elements: [Element?] = []
    for text in try splitArrayLiteral(cell.bytes) {
      guard let text else {
        elements.append(nil)
        continue
      }
      let decoded: Result<Element, DecodingFailure> = text.withUnsafeBytes { bytes in
        do throws(DecodingFailure) {
          return .success(try Element.decode(Cell(bytes: bytes, type: type, isBinary: false)))
        } catch {
          return .failure(error)
        }
      }
      elements.append(try decoded.get())
    }
    return elements
  }
}

/// Takes `{a,"b \"c\"",NULL}` apart (PostgreSQL documentation, 8.15.6).
func splitArrayLiteral(_ bytes: UnsafeRawBufferPointer) throws(DecodingFailure) -> [[UInt8]?] {
  let (open, close, quote, backslash, comma) = (
    UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: ",")
  )
  guard bytes.first == open, bytes.last == close else {
    throw .outOfRange("its lower bound is not 1")
  }
  var elements: [[UInt8]?] = []
  var element: [UInt8] = []
  var isQuoted = false
  var isInQuotes = false
  var index = 1
  let end = bytes.count - 1
  if index == end { return [] }
  while index < end {
    let byte = bytes[index]
    switch byte {
    case backslash:
      index += 1
      element.append(bytes[index])
    case quote:
      isInQuotes.toggle()
      isQuoted = true
    case comma where !isInQuotes:
      elements.append(!isQuoted && element == Array("NULL".utf8) ? nil : element)
      element = []
      isQuoted = false
    case open where !isInQuotes:
      throw .outOfRange("it has more than one dimension")
    default:
      element.append(byte)
    }
    index += 1
  }
  elements.append(!isQuoted && element == Array("NULL".utf8) ? nil : element)
  return elements
}

private struct ByteReader {
  private var rest: Slice<UnsafeRawBufferPointer>

  init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

  mutating func bytes(_ count: Int) throws(DecodingFailure) -> UnsafeRawBufferPointer {
    guard count <= rest.count else { throw .malformed }
    defer { rest = rest.dropFirst(count) }
    return UnsafeRawBufferPointer(rebasing: rest.prefix(count))
  }

  mutating func int32() throws(DecodingFailure) -> Int {
    Int(Int32(bigEndian: try bytes(4).loadUnaligned(as: Int32.self)))
  }
}
