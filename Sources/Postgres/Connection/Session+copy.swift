import CLibPQ

/// Receives the rows of a COPY … FROM STDIN.
public struct CopyWriter: ~Copyable {
  private static let bufferBytes = 64 * 1024

  private let session: Session
  private let sql: String
  private var buffer: [UInt8] = []
  /// The server, not the producer, ended the copy.
  fileprivate private(set) var isBroken = false

  init(_ session: Session, _ sql: String) {
    self.session = session
    self.sql = sql
    buffer.reserveCapacity(Self.bufferBytes + Self.bufferBytes / 4)
  }

  /// Writes a row of COPY's text format; nil is NULL.
  ///
  /// - Throws: ``PostgresError/Code/invalidParameter`` for a NUL character, ``PostgresError``.
  public mutating func write(row: [String?]) throws {
    for (index, field) in row.enumerated() {
      if index > 0 { buffer.append(0x09) }
      guard let field else {
        buffer.append(contentsOf: [0x5C, 0x4E])  // \N
        continue
      }
      for byte in field.utf8 {
        switch byte {
        case 0:
          throw PostgresError(
            .invalidParameter, "Column \(index + 1) of a copied row holds a NUL character.", statement: sql)
        case 0x5C: buffer.append(contentsOf: [0x5C, 0x5C])
        case 0x0A: buffer.append(contentsOf: [0x5C, 0x6E])
        case 0x0D: buffer.append(contentsOf: [0x5C, 0x72])
        case 0x09: buffer.append(contentsOf: [0x5C, 0x74])
        default: buffer.append(byte)
        }
      }
    }
    buffer.append(0x0A)
    if buffer.count >= Self.bufferBytes { try flush() }
  }

  /// Writes bytes as they are: any format the statement names, rows in pieces of any size.
  public mutating func write(bytes: some Sequence<UInt8>) throws {
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.bufferBytes { try flush() }
  }

  mutating func flush() throws {
    guard !buffer.isEmpty else { return }
    isBroken = true
    // libpq hears of the server's error only at the end; a cancelled producer shall not run that long.
    if session.interrupt.isCancelled {
      throw PostgresError(.cancelled, "The task was cancelled during a copy.")
    }
    let isSent = buffer.withUnsafeBytes { bytes in
      PQputCopyData(session.pointer, bytes.bindMemory(to: CChar.self).baseAddress, Int32(bytes.count))
    }
    guard isSent == 1 else { throw session.failure(nil, sql) }
    isBroken = false
    buffer.removeAll(keepingCapacity: true)
  }
}

extension Session {
  /// Runs a COPY … FROM STDIN; `produce` writes the rows.
  ///
  /// - Returns: how many rows were copied.
  /// - Throws: what `produce` throws, and nothing is copied; ``PostgresError``.
  @discardableResult
  public func copyIn(_ sql: String, _ produce: (inout CopyWriter) throws -> Void) throws -> Int {
    try startCopy(sql, PGRES_COPY_IN)
    defer { interrupt.statementEnded() }
    var writer = CopyWriter(self, sql)
    do {
      try produce(&writer)
      try writer.flush()
    } catch {
      _ = PQputCopyEnd(pointer, "the producer failed")
      let serverError = finishCopy(sql).error
      // Where the server ended the copy, its word tells more than "cannot send".
      throw writer.isBroken ? serverError ?? error : error
    }
    guard PQputCopyEnd(pointer, nil) == 1 else { throw failure(nil, sql) }
    let (rows, error) = finishCopy(sql)
    if let error { throw error }
    return rows
  }

  /// Runs a COPY … TO STDOUT; `consume` gets each row as the server sends it, in text format with its newline.
  ///
  /// - Returns: how many rows were copied.
  /// - Throws: what `consume` throws, after the copy was cancelled; ``PostgresError``.
  @discardableResult
  public func copyOut(_ sql: String, _ consume: ([UInt8]) throws -> Void) throws -> Int {
    try startCopy(sql, PGRES_COPY_OUT)
    defer { interrupt.statementEnded() }
    while true {
      var row: UnsafeMutablePointer<CChar>?
      let length = PQgetCopyData(pointer, &row, 0)
      guard length >= 0 else {
        let (rows, error) = finishCopy(sql)
        if let error { throw error }
        return rows
      }
      defer { PQfreemem(row) }
      do {
        try consume([UInt8](UnsafeRawBufferPointer(start: row, count: Int(length))))
      } catch {
        leaveCopy()
        throw error
      }
    }
  }

  private func startCopy(_ sql: String, _ expected: ExecStatusType) throws {
    if sql.utf8.contains(0) {
      throw PostgresError(.invalidParameter, "A statement must not hold a NUL character.")
    }
    try interrupt.statementBegins()
    let result = PQexec(pointer, sql)
    defer { PQclear(result) }
    let status = PQresultStatus(result)
    if status == expected { return }
    defer { interrupt.statementEnded() }
    switch status {
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
      leaveCopy()
      throw PostgresError(.misuse, "COPY goes the other way.", statement: sql)
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
      throw PostgresError(.misuse, "The statement is not a COPY.", statement: sql)
    default:
      throw failure(result, sql)
    }
  }

  /// Reads what is left after a copy, up to the end of the command.
  private func finishCopy(_ sql: String) -> (rows: Int, error: PostgresError?) {
    var rows = 0
    var error: PostgresError?
    while let result = PQgetResult(pointer) {
      defer { PQclear(result) }
      if PQresultStatus(result) == PGRES_COMMAND_OK {
        rows = Int(String(cString: PQcmdTuples(result))) ?? 0
        statementsCompleted += 1
      } else {
        error = error ?? failure(result, sql)
      }
      if PQstatus(pointer) == CONNECTION_BAD { break }
    }
    if error == nil, PQstatus(pointer) == CONNECTION_BAD { error = failure(nil, sql) }
    return (rows, error)
  }

  /// Gets out of a COPY that nobody wants any more.
  func leaveCopy() {
    _ = PQputCopyEnd(pointer, "the client does not want this copy")
    interrupt.cancelNow()
    var row: UnsafeMutablePointer<CChar>?
    while PQgetCopyData(pointer, &row, 0) > 0 { PQfreemem(row) }
    while let result = PQgetResult(pointer) {
      let status = PQresultStatus(result)
      PQclear(result)
      if status == PGRES_COPY_IN || PQstatus(pointer) == CONNECTION_BAD { break }
    }
  }
}
