public import Foundation

/// A value that can be a parameter of a statement.
public protocol PostgresEncodable: Sendable {
  /// The type the value is sent as. A value of type ``PostgresType/unspecified`` is sent as text, any other in
  /// PostgreSQL's binary form.
  static var postgresType: PostgresType { get }

  /// Appends the value's bytes.
  ///
  /// - Throws: ``PostgresError/Code/invalidParameter`` when PostgreSQL has no such value.
  func encode(into buffer: inout [UInt8]) throws
}

extension [UInt8] {
  mutating func append(bigEndian value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }
}

extension Int16: PostgresEncodable {
  /// `int2`.
  public static var postgresType: PostgresType { .int2 }
  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Int32: PostgresEncodable {
  /// `int4`.
  public static var postgresType: PostgresType { .int4 }
  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Int64: PostgresEncodable {
  /// `int8`.
  public static var postgresType: PostgresType { .int8 }
  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Int: PostgresEncodable {
  /// `int8`.
  public static var postgresType: PostgresType { .int8 }
  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: Int64(self)) }
}

extension Bool: PostgresEncodable {
  /// `bool`.
  public static var postgresType: PostgresType { .bool }
  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) { buffer.append(self ? 1 : 0) }
}

extension Double: PostgresEncodable {
  /// `float8`.
  public static var postgresType: PostgresType { .float8 }
  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: bitPattern) }
}

/// Sent without a type, so that it fits text, json, jsonb, numeric, an enum or whatever the place wants.
extension String: PostgresEncodable {
  /// The place decides.
  public static var postgresType: PostgresType { .unspecified }

  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) throws {
    let start = buffer.count
    buffer.append(contentsOf: utf8)
    guard !buffer[start...].contains(0) else {
      throw PostgresError(
        .invalidParameter, "The text holds a NUL character, which PostgreSQL cannot store.",
        hint: "Send the value as bytea, or refuse it where it comes in.")
    }
  }
}

extension UUID: PostgresEncodable {
  /// `uuid`.
  public static var postgresType: PostgresType { .uuid }

  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) {
    withUnsafeBytes(of: uuid) { buffer.append(contentsOf: $0) }
  }
}

extension Timestamp: PostgresEncodable {
  /// `timestamptz`.
  public static var postgresType: PostgresType { .timestamptz }

  /// Microseconds from 1970 to 2000, where PostgreSQL's count starts.
  static let microsecondsTo2000: Int64 = 946_684_800_000_000

  /// Appends the value's bytes.
  public func encode(into buffer: inout [UInt8]) throws {
    let (value, overflows) = microseconds.subtractingReportingOverflow(Self.microsecondsTo2000)
    // The ends of the range mean infinity.
    guard !overflows, value != .min, value != .max else {
      throw PostgresError(.invalidParameter, "The time is outside the range of timestamptz.")
    }
    buffer.append(bigEndian: value)
  }
}
