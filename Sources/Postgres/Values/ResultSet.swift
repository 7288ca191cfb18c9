import CLibPQ

/// The columns of a result: names, types, and the format they are read in.
final class ColumnSet: Sendable {
  let names: [String]
  let types: [PostgresType]
  /// One format for all: binary when every column's binary form is understood here, text otherwise.
  let isBinary: Bool
  /// nil for a name that occurs twice.
  private let positions: [String: Int?]

  init(describing result: OpaquePointer) {
    let range = 0..<PQnfields(result)
    names = range.map { String(cString: PQfname(result, $0)) }
    types = range.map { PostgresType(rawValue: PQftype(result, $0)) }
    isBinary = types.allSatisfy(\.isReadInBinary)
    var positions: [String: Int?] = [:]
    for (position, name) in names.enumerated() {
      positions[name] = .some(positions.keys.contains(name) ? nil : position)
    }
    self.positions = positions
  }

  func position(of name: String) throws -> Int {
    guard let found = positions[name] else {
      throw PostgresError(
        .decoding,
        "There is no column \"\(name)\" in the result; its columns are \(names.joined(separator: ", ")).")
    }
    guard let found else {
      throw PostgresError(
        .decoding, "Two columns of the result are called \"\(name)\".", hint: "Rename one with AS.")
    }
    return found
  }
}

/// Rows as libpq keeps them. A result never changes once it is complete, so any thread may read it.
final class ResultSet: @unchecked Sendable {
  let pointer: OpaquePointer
  let columns: ColumnSet

  init(_ pointer: OpaquePointer, _ columns: ColumnSet) {
    self.pointer = pointer
    self.columns = columns
  }

  deinit { PQclear(pointer) }

  var count: Int { Int(PQntuples(pointer)) }

  /// Gives the bytes of a value, or nil for NULL, to `body`.
  func withValue<Value>(
    row: Int, column: Int, _ body: (UnsafeRawBufferPointer?) throws -> Value
  ) rethrows -> Value {
    let (row, column) = (Int32(row), Int32(column))
    guard PQgetisnull(pointer, row, column) == 0 else { return try body(nil) }
    let length = Int(PQgetlength(pointer, row, column))
    return try body(UnsafeRawBufferPointer(start: PQgetvalue(pointer, row, column), count: length))
  }
}
