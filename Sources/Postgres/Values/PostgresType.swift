/// A type of PostgreSQL by its object identifier (catalog/pg_type.dat).
public struct PostgresType: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
  /// The object identifier.
  public let rawValue: UInt32

  /// Names a type by its object identifier.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  private init(_ rawValue: UInt32) { self.rawValue = rawValue }

  /// The server finds the type from the statement.
  public static let unspecified = Self(0)
  static let bool = Self(16)
  static let bytea = Self(17)
  static let char = Self(18)
  static let name = Self(19)
  static let int8 = Self(20)
  static let int2 = Self(21)
  static let int4 = Self(23)
  static let text = Self(25)
  static let oid = Self(26)
  static let json = Self(114)
  static let float4 = Self(700)
  static let float8 = Self(701)
  static let unknown = Self(705)
  static let bpchar = Self(1042)
  static let varchar = Self(1043)
  static let timestamp = Self(1114)
  static let timestamptz = Self(1184)
  static let numeric = Self(1700)
  static let uuid = Self(2950)
  static let jsonb = Self(3802)
  static let boolArray = Self(1000)
  static let byteaArray = Self(1001)
  static let nameArray = Self(1003)
  static let int2Array = Self(1005)
  static let int4Array = Self(1007)
  static let textArray = Self(1009)
  static let varcharArray = Self(1015)
  static let int8Array = Self(1016)
  static let float8Array = Self(1022)
  static let timestamptzArray = Self(1185)
  static let uuidArray = Self(2951)

  /// Types whose binary form is understood here, with their names. A result of others comes as text.
  private static let names: [Self: String] = [
    .bool: "boolean", .bytea: "bytea", .char: "\"char\"", .name: "name", .int8: "bigint", .int2: "smallint",
    .int4: "integer", .text: "text", .oid: "oid", .json: "json", .float4: "real",
    .float8: "double precision", .unknown: "unknown", .bpchar: "character", .varchar: "character varying",
    .timestamptz: "timestamp with time zone", .uuid: "uuid", .jsonb: "jsonb", .boolArray: "boolean[]",
    .byteaArray: "bytea[]", .nameArray: "name[]", .int2Array: "smallint[]", .int4Array: "integer[]",
    .textArray: "text[]", .varcharArray: "character varying[]", .int8Array: "bigint[]",
    .float8Array: "double precision[]", .timestamptzArray: "timestamp with time zone[]",
    .uuidArray: "uuid[]",
  ]

  private static let elements: [Self: Self] = [
    .boolArray: .bool, .byteaArray: .bytea, .nameArray: .name, .int2Array: .int2, .int4Array: .int4,
    .textArray: .text, .varcharArray: .varchar, .int8Array: .int8, .float8Array: .float8,
    .timestamptzArray: .timestamptz, .uuidArray: .uuid,
  ]

  var isReadInBinary: Bool { Self.names[self] != nil }

  /// The type of an array's elements.
  var element: Self? { Self.elements[self] }

  /// For people.
  public var description: String {
    switch self {
    case .numeric: "numeric"
    case .timestamp: "timestamp without time zone"
    default: Self.names[self] ?? "type with oid \(rawValue)"
    }
  }
}
