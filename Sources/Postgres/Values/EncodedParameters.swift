/// The parameters of one statement as libpq takes them: one buffer, and where each value starts.
struct EncodedParameters {
  struct Item {
    var type: UInt32
    var offset: Int
    var length: Int32
    var isNull: Bool
  }

  /// The protocol counts parameters in 16 bits.
  static let parametersMax = 65_535

  private(set) var items: [Item] = []
  private var bytes: [UInt8] = []

  var count: Int { items.count }
  var types: [UInt32] { items.map(\.type) }

  init(_ parameters: [(any PostgresEncodable)?], statement: String) throws {
    guard parameters.count <= Self.parametersMax else {
      throw PostgresError(
        .invalidParameter,
        "The statement has \(parameters.count) parameters, the limit is \(Self.parametersMax).",
        hint: "Send arrays and unnest them.", statement: statement)
    }
    items.reserveCapacity(parameters.count)
    for (index, parameter) in parameters.enumerated() {
      do {
        try append(parameter)
      } catch var error as PostgresError {
        error.message = "Parameter $\(index + 1): \(error.message)"
        error.statement = PostgresError.shorten(statement)
        throw error
      }
    }
  }

  private mutating func append(_ parameter: (any PostgresEncodable)?) throws {
    guard let parameter else {
      items.append(Item(type: PostgresType.unspecified.rawValue, offset: 0, length: 0, isNull: true))
      return
    }
    let offset = bytes.count
    try parameter.encode(into: &bytes)
    guard let length = Int32(exactly: bytes.count - offset) else {
      throw PostgresError(.invalidParameter, "The value is larger than 2 GiB.")
    }
    bytes.append(0)  // libpq reads text up to a NUL
    let type = Swift.type(of: parameter).postgresType.rawValue
    items.append(Item(type: type, offset: offset, length: length, isNull: false))
  }

  func withPointers<Value>(
    _ body: (_ values: [UnsafePointer<CChar>?], _ lengths: [Int32], _ formats: [Int32]) -> Value
  ) -> Value {
    bytes.withUnsafeBytes { buffer in
      let start = buffer.bindMemory(to: CChar.self).baseAddress
      let values = items.map { $0.isNull ? nil : start?.advanced(by: $0.offset) }
      let formats = items.map { Int32($0.type == PostgresType.unspecified.rawValue ? 0 : 1) }
      return body(values, items.map(\.length), formats)
    }
  }
}
