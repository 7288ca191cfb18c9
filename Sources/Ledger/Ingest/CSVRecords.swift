/// Records of comma-separated values (RFC 4180) in UTF-8, the first of which names the columns.
struct CSVRecords {
  private var lines: ByteLines
  /// The names of the columns.
  let columns: [String]

  /// A record: its fields by their columns, without those that are empty.
  struct Record {
    /// The line that it begins in, from 1.
    var number: Int
    var fields: [String: String]
    /// Why it is none.
    var fault: String?
  }

  /// Reads the names of the columns.
  ///
  /// - Throws: ``LedgerError`` with `.invalidEvent` when there are none, or one stands twice.
  init(_ lines: ByteLines) throws {
    self.lines = lines
    guard let (_, names, fault) = try Self.record(&self.lines), fault == nil else {
      throw LedgerError(
        .invalidEvent(index: nil, byteOffset: nil), "The first line does not name the columns.",
        hint: "Comma-separated values begin with a line of names (RFC 4180), in UTF-8.")
    }
    columns = names
    if let twice = Dictionary(grouping: columns, by: { $0 }).first(where: { $0.value.count > 1 })?.key {
      throw LedgerError(
        .invalidEvent(index: nil, byteOffset: nil), "Column '\(twice)' stands twice in the first line.",
        hint: "Each column needs a name of its own.")
    }
  }

  /// The next record; nil at the end. Empty lines are passed over.
  mutating func next() throws -> Record? {
    while let (number, fields, fault) = try Self.record(&lines) {
      if fault == nil, fields == [""] { continue }
      if let fault { return Record(number: number, fields: [:], fault: fault) }
      guard fields.count == columns.count else {
        return Record(number: number, fields: [:], fault: "it has \(fields.count) fields, not \(columns.count)")
      }
      let named = zip(columns, fields).filter { !$0.1.isEmpty }
      return Record(number: number, fields: Dictionary(named, uniquingKeysWith: { first, _ in first }))
    }
    return nil
  }

  private static func record(_ lines: inout ByteLines) throws -> (Int, [String], String?)? {
    guard try lines.peek() != nil else { return nil }
    let number = lines.number
    var (fields, field, bytes) = ([String](), [UInt8](), 0)
    var (isQuoted, wasQuoted, fault) = (false, false, String?.none)
    // Where a carriage return stood outside of quotation marks: the end of a line follows, or it belongs to the field.
    var returnAt: Int?
    func text(_ field: [UInt8]) -> String? { String(validating: field, as: UTF8.self) }
    func endLine() {
      if let returnAt, returnAt == field.count - 1 { field.removeLast() }
    }
    while let byte = try lines.byte() {
      bytes += 1
      if bytes > ByteLines.lineBytesMax {
        fault = "it has more than \(ByteLines.lineBytesMax) bytes"
        (field, fields) = ([], [])
      }
      if isQuoted {
        guard byte == UInt8(ascii: "\"") else {
          if fault == nil { field.append(byte) }
          continue
        }
        if try lines.peek() == UInt8(ascii: "\"") {
          _ = try lines.byte()
          if fault == nil { field.append(byte) }
        } else {
          isQuoted = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""):
        if field.isEmpty, !wasQuoted {
          (isQuoted, wasQuoted) = (true, true)
        } else {
          fault = fault ?? "a quotation mark stands within a field that does not begin with one"
        }
      case UInt8(ascii: ","), UInt8(ascii: "\n"):
        if byte == UInt8(ascii: "\n") {
          endLine()
        } else if wasQuoted, returnAt != nil {
          fault = fault ?? "something follows a quoted field"
        }
        returnAt = nil
        if let text = text(field) { fields.append(text) } else { fault = fault ?? "it is not UTF-8" }
        (field, wasQuoted) = ([], false)
        if byte == UInt8(ascii: "\n") { return (number, fields, fault) }
      default:
        if wasQuoted, byte != 0x0d || returnAt != nil { fault = fault ?? "something follows a quoted field" }
        if fault == nil {
          if byte == 0x0d { returnAt = field.count }
          field.append(byte)
        }
      }
    }
    if isQuoted { fault = fault ?? "a quoted field does not end" }
    endLine()
    if let text = text(field) { fields.append(text) } else { fault = fault ?? "it is not UTF-8" }
    return (number, fields, fault)
  }
}
