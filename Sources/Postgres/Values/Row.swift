public import Foundation

/// A row of a result. Values are decoded when asked for; the row keeps its whole result in memory.
///
/// Every accessor throws ``PostgresError/Code/decoding`` when there is no such column, the value is of another
/// type, or it is NULL where the caller did not allow for it. An `optional…` accessor gives nil for NULL.
public struct Row: Sendable {
  let result: ResultSet
  let index: Int

  /// The names of the columns, in order.
  public var columns: [String] { result.columns.names }

  /// Whether a value is NULL.
  public func isNull(_ column: String) throws -> Bool {
    let position = try result.columns.position(of: column)
    return result.withValue(row: index, column: position) { $0 == nil }
  }

  func optional<Value: PostgresDecodable>(_ column: String, _ type: Value.Type) throws -> Value? {
    let position = try result.columns.position(of: column)
    let columns = result.columns
    return try result.withValue(row: index, column: position) { bytes in
      guard let bytes else { return nil }
      let cell = Cell(bytes: bytes, type: columns.types[position], isBinary: columns.isBinary)
      do {
        return try Value.decode(cell)
      } catch let failure as DecodingFailure {
        throw failure.error(column: column, type: cell.type, wanted: Value.postgresName)
      }
    }
  }

  func required<Value: PostgresDecodable>(_ column: String, _ type: Value.Type) throws -> Value {
    if let value = try optional(column, type) { return value }
    throw PostgresError(
      .decoding, "Column \"\(column)\" is NULL where \(Value.postgresName) was expected.",
      hint: "Read it with the optional form, or rule NULL out in the statement.")
  }
}

extension Row {
  /// smallint, integer, bigint or oid.
  public func int(_ column: String) throws -> Int { try required(column, Int.self) }
  /// smallint, integer, bigint or oid; nil for NULL.
  public func optionalInt(_ column: String) throws -> Int? { try optional(column, Int.self) }

  /// smallint, integer, bigint or oid.
  public func int64(_ column: String) throws -> Int64 { Int64(try int(column)) }
  /// smallint, integer, bigint or oid; nil for NULL.
  public func optionalInt64(_ column: String) throws -> Int64? { try optionalInt(column).map { Int64($0) } }

  /// text, varchar, char, name, json, jsonb, and in PostgreSQL's own text form every type that has no accessor
  /// here, such as numeric, date and enums.
  public func string(_ column: String) throws -> String { try required(column, String.self) }
  /// As `string`; nil for NULL.
  public func optionalString(_ column: String) throws -> String? { try optional(column, String.self) }

  /// boolean.
  public func bool(_ column: String) throws -> Bool { try required(column, Bool.self) }
  /// boolean; nil for NULL.
  public func optionalBool(_ column: String) throws -> Bool? { try optional(column, Bool.self) }

  /// double precision, real or numeric, rounded to the nearest Double.
  public func double(_ column: String) throws -> Double { try required(column, Double.self) }
  /// double precision, real or numeric; nil for NULL.
  public func optionalDouble(_ column: String) throws -> Double? { try optional(column, Double.self) }

  /// uuid.
  public func uuid(_ column: String) throws -> UUID { try required(column, UUID.self) }
  /// uuid; nil for NULL.
  public func optionalUUID(_ column: String) throws -> UUID? { try optional(column, UUID.self) }

  /// bytea.
  public func bytes(_ column: String) throws -> [UInt8] { try required(column, Bytes.self).value }
  /// bytea; nil for NULL.
  public func optionalBytes(_ column: String) throws -> [UInt8]? { try optional(column, Bytes.self)?.value }

  /// timestamp with time zone; infinity is an error.
  public func timestamp(_ column: String) throws -> Timestamp { try required(column, Timestamp.self) }
  /// timestamp with time zone; nil for NULL, infinity is an error.
  public func optionalTimestamp(_ column: String) throws -> Timestamp? {
    try optional(column, Timestamp.self)
  }
}

/// Arrays of one dimension. The plain forms refuse NULL elements, `nullable…` gives them as nil.
extension Row {
  /// text[], varchar[] or name[].
  public func strings(_ column: String) throws -> [String] { try elements(column) }
  /// text[], varchar[] or name[]; nil for NULL.
  public func optionalStrings(_ column: String) throws -> [String]? { try optionalElements(column) }
  /// text[], varchar[] or name[] with NULL elements.
  public func nullableStrings(_ column: String) throws -> [String?] {
    try required(column, ArrayOf<String>.self).elements
  }

  /// smallint[], integer[] or bigint[].
  public func ints(_ column: String) throws -> [Int] { try elements(column) }
  /// smallint[], integer[] or bigint[]; nil for NULL.
  public func optionalInts(_ column: String) throws -> [Int]? { try optionalElements(column) }
  /// smallint[], integer[] or bigint[] with NULL elements.
  public func nullableInts(_ column: String) throws -> [Int?] {
    try required(column, ArrayOf<Int>.self).elements
  }

  /// uuid[].
  public func uuids(_ column: String) throws -> [UUID] { try elements(column) }
  /// uuid[]; nil for NULL.
  public func optionalUUIDs(_ column: String) throws -> [UUID]? { try optionalElements(column) }

  /// timestamp with time zone[].
  public func timestamps(_ column: String) throws -> [Timestamp] { try elements(column) }
  /// timestamp with time zone[]; nil for NULL.
  public func optionalTimestamps(_ column: String) throws -> [Timestamp]? { try optionalElements(column) }

  /// boolean[].
  public func bools(_ column: String) throws -> [Bool] { try elements(column) }

  /// double precision[].
  public func doubles(_ column: String) throws -> [Double] { try elements(column) }

  /// bytea[].
  public func byteArrays(_ column: String) throws -> [[UInt8]] {
    try elements(column, of: Bytes.self).map(\.value)
  }

  private func elements<Value: PostgresDecodable>(
    _ column: String, of type: Value.Type = Value.self
  ) throws -> [Value] {
    try Self.withoutNulls(try required(column, ArrayOf<Value>.self), column)
  }

  private func optionalElements<Value: PostgresDecodable>(_ column: String) throws -> [Value]? {
    try optional(column, ArrayOf<Value>.self).map { try Self.withoutNulls($0, column) }
  }

  private static func withoutNulls<Value>(_ array: ArrayOf<Value>, _ column: String) throws -> [Value] {
    try array.elements.enumerated().map { index, element in
      guard let element else {
        throw PostgresError(
          .decoding,
          "Element \(index + 1) of column \"\(column)\" is NULL where \(Value.postgresName) was expected.")
      }
      return element
    }
  }
}
