public import Foundation

/// A value that can be an element of an array parameter.
public protocol PostgresArrayElement: Sendable {
  /// The type of an array of such elements.
  static var postgresArrayType: PostgresType { get }
  /// The type of one element.
  static var postgresElementType: PostgresType { get }

  /// Appends the element's bytes.
  ///
  /// - Returns: false when the element is NULL and has no bytes.
  /// - Throws: ``PostgresError/Code/invalidParameter``.
  func encodeElement(into buffer: inout [UInt8]) throws -> Bool
  /// Appends a whole array.
  ///
  /// - Throws: ``PostgresError/Code/invalidParameter``.
  static func encode(array: [Self], into buffer: inout [UInt8]) throws
}

extension PostgresArrayElement {
  /// One dimension, lower bound 1; PostgreSQL's `array_recv`.
  public static func encode(array: [Self], into buffer: inout [UInt8]) throws {
    buffer.append(bigEndian: Int32(array.isEmpty ? 0 : 1))
    let flags = buffer.count
    buffer.append(bigEndian: Int32(0))
    buffer.append(bigEndian: postgresElementType.rawValue)
    guard !array.isEmpty else { return }
    guard let count = Int32(exactly: array.count) else {
      throw PostgresError(.invalidParameter, "The array has more elements than PostgreSQL can take.")
    }
    buffer.append(bigEndian: count)
    buffer.append(bigEndian: Int32(1))
    for element in array {
      let length = buffer.count
      buffer.append(bigEndian: Int32(-1))
      if try element.encodeElement(into: &buffer) {
        buffer.replace(bigEndian: Int32(truncatingIfNeeded: buffer.count - length - 4), at: length)
      } else {
        buffer.replace(bigEndian: Int32(1), at: flags)
      }
    }
  }
}

extension [UInt8] {
  fileprivate mutating func replace(bigEndian value: Int32, at offset: Int) {
    Swift.withUnsafeBytes(of: value.bigEndian) { bytes in
      for (index, byte) in bytes.enumerated() { self[offset + index] = byte }
    }
  }
}

/// One-dimensional arrays; `[UInt8]` is bytea.
extension Array: PostgresEncodable where Element: PostgresArrayElement {
  /// What the server is told.
  public static var postgresType: PostgresType { Element.postgresArrayType }

  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) throws {
    try Element.encode(array: self, into: &buffer)
  }
}

extension PostgresArrayElement where Self: PostgresEncodable {
  /// The type of one element.
  public static var postgresElementType: PostgresType { postgresType }

  /// Appends the element's bytes.
  public func encodeElement(into buffer: inout [UInt8]) throws -> Bool {
    try encode(into: &buffer)
    return true
  }
}

extension Int16: PostgresArrayElement {
  /// `int2Array`.
  public static var postgresArrayType: PostgresType { .int2Array }
}

extension Int32: PostgresArrayElement {
  /// `int4Array`.
  public static var postgresArrayType: PostgresType { .int4Array }
}

extension Int64: PostgresArrayElement {
  /// `int8Array`.
  public static var postgresArrayType: PostgresType { .int8Array }
}

extension Int: PostgresArrayElement {
  /// `int8Array`.
  public static var postgresArrayType: PostgresType { .int8Array }
}

extension Bool: PostgresArrayElement {
  /// `boolArray`.
  public static var postgresArrayType: PostgresType { .boolArray }
}

extension Double: PostgresArrayElement {
  /// `float8Array`.
  public static var postgresArrayType: PostgresType { .float8Array }
}

extension String: PostgresArrayElement {
  /// `textArray`.
  public static var postgresArrayType: PostgresType { .textArray }
  /// `text`.
  public static var postgresElementType: PostgresType { .text }
}

extension UUID: PostgresArrayElement {
  /// `uuidArray`.
  public static var postgresArrayType: PostgresType { .uuidArray }
}

extension Timestamp: PostgresArrayElement {
  /// `timestamptzArray`.
  public static var postgresArrayType: PostgresType { .timestamptzArray }
}

/// Not an array of numbers: bytes.
extension UInt8: PostgresArrayElement {
  /// `bytea`.
  public static var postgresArrayType: PostgresType { .bytea }
  /// `bytea`.
  public static var postgresElementType: PostgresType { .bytea }

  /// Appends the element's bytes.
  public func encodeElement(into buffer: inout [UInt8]) -> Bool {
    buffer.append(self)
    return true
  }

  /// Appends the array's bytes.
  public static func encode(array: [UInt8], into buffer: inout [UInt8]) {
    buffer.append(contentsOf: array)
  }
}

/// bytea[].
extension Array: PostgresArrayElement where Element == UInt8 {
  /// `byteaArray`.
  public static var postgresArrayType: PostgresType { .byteaArray }
}

extension Optional: PostgresArrayElement where Wrapped: PostgresArrayElement {
  /// The type of an array.
  public static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
  /// The type of one element.
  public static var postgresElementType: PostgresType { Wrapped.postgresElementType }

  /// Appends the element's bytes.
  public func encodeElement(into buffer: inout [UInt8]) throws -> Bool {
    try self?.encodeElement(into: &buffer) ?? false
  }
}
