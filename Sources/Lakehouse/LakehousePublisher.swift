import Foundation
public import Postgres

/// Publishes what analysts read as Delta tables on external storage, for any engine.
///
/// The small tables are replaced as of a position of the ledger; events are appended up to it, some hundred thousand at a
/// time. Each commit says which position it is, so that doing it again publishes nothing twice, and a crash loses nothing:
/// rows and position are there together or not at all.
public struct LakehousePublisher: Sendable {
  /// Positions that one commit of the events takes in, unless told otherwise.
  public static let eventsAtOnceDefault: Int64 = 200_000
  /// A table of more files is compacted.
  public static let filesMax = 40
  /// Hours for which files stay that no version needs any more, unless told otherwise: long readers go on.
  public static let retentionHoursDefault = 168

  private static let lock: Int64 = 6_103_512_784_409_217_333

  let pool: PostgresPool
  /// The address of the folder that holds the tables.
  public let location: String
  let options: [String: String]
  let python: String
  let environment: [String: String]
  let eventsAtOnce: Int64
  let retentionHours: Int

  /// A table, and what was done with it.
  public struct Published: Sendable, Hashable {
    /// Its name, which is its folder.
    public let table: String
    /// Rows that were written now.
    public let rows: Int
    /// Whether anything was written.
    public let isNew: Bool
  }

  /// A publisher.
  ///
  /// - Parameters:
  ///   - location: the address of the folder that holds the tables, `file:///…` or `s3://…`.
  ///   - options: what the writer needs to get there, by the names of object_store.
  ///   - python: the Python that has the packages deltalake and pyarrow.
  ///   - environment: of the writer.
  public init(
    _ pool: PostgresPool, location: String, options: [String: String] = [:], python: String = "python3",
    environment: [String: String], eventsAtOnce: Int64 = eventsAtOnceDefault,
    retentionHours: Int = retentionHoursDefault
  ) {
    self.pool = pool
    self.location = location
    self.options = options
    self.python = python
    self.environment = environment
    self.eventsAtOnce = max(1, eventsAtOnce)
    self.retentionHours = retentionHours
  }

  private struct Open: Encodable {
    var op = "open"
    var table: String
    var options: [String: String]
    var columns: [[String]]
    var retention_hours: Int
  }

  private struct Write: Encodable {
    var op: String
    var position: Int64
  }

  private struct Redact: Encodable {
    /// An event, by workspace and sequence.
    struct Event: Encodable {
      var workspace: String
      var sequence: Int64

      func encode(to encoder: any Encoder) throws {
        var values = encoder.unkeyedContainer()
        try values.encode(workspace)
        try values.encode(sequence)
      }
    }

    var op = "redact"
    var events: [Event]
  }

  private struct Maintain: Encodable {
    var op = "maintain"
    var files_max: Int
  }

  private struct Position: Decodable {
    var position: Int64?
    var last: [String]?
  }

  private struct Rows: Decodable {
    var rows: Int
  }

  private struct Maintained: Decodable {
    var compacted: Int
    var removed: Int
  }

  /// Publishes everything up to the last position that is sealed. Of several at a time one works, and the others wait.
  ///
  /// - Parameter told: is called for each table that is done.
  /// - Returns: the position.
  /// - Throws: ``LakehouseError``; `PostgresError`.
  public func publish(told: @Sendable @escaping (Published) -> Void = { _ in }) async throws -> Int64 {
    // The connection has a thread of its own, which may block.
    try await pool.withSession { session in
      // Others may take their time, and so may a bucket.
      try session.execute("SET statement_timeout TO 0")
      defer { _ = try? session.execute("RESET statement_timeout") }
      _ = try session.query("SELECT pg_advisory_lock($1)", [Self.lock])
      defer { _ = try? session.query("SELECT pg_advisory_unlock($1)", [Self.lock]) }
      let position =
        try session.query("SELECT coalesce(max(last_position), 0) AS last FROM ledger.seal").first?.int64("last") ?? 0
      let writer = try WriterProcess(python: python, environment: environment)
      defer { writer.end() }
      try checkHistory(try open(try TableShape.events(session), writer), session)
      for view in TableShape.views {
        told(try replace(try TableShape.view(view, session), position, writer, session))
      }
      told(try extend(try TableShape.events(session), position, writer, session))
      return position
    }
  }

  private func open(_ shape: TableShape, _ writer: WriterProcess) throws -> Position {
    try writer.ask(
      Open(
        table: "\(location)/\(shape.name)", options: options,
        columns: shape.columns.map { [$0.name, $0.type, $0.comment] }, retention_hours: retentionHours),
      as: Position.self)
  }

  private func write(
    _ op: String, _ shape: TableShape, after: Int64, _ position: Int64, _ writer: WriterProcess, _ session: Session
  ) throws -> Int {
    try writer.ask(Write(op: op, position: position), as: Rows.self) { write in
      _ = try session.copyOut(
        "COPY (\(shape.query(after: after, through: position))) TO STDOUT (FORMAT csv)", write)
    }.rows
  }

  /// The event that was published last must be the ledger's own at that position: positions alone do not tell a restored
  /// ledger that went on by itself.
  private func checkHistory(_ known: Position, _ session: Session) throws {
    guard let position = known.position, position > 0 else { return }
    let own = try session.query(
      "SELECT id::text AS id, encode(data_hash, 'hex') AS hash FROM ledger.sealed_events($1, 1)", [position - 1]
    ).first.map { [try $0.string("id"), try $0.string("hash")] }
    guard own != nil, own != known.last else { return }
    throw LakehouseError(
      .behind,
      "Table events has another event at position \(position) than the ledger: it was published from another database, or this one "
        + "was set back and went on by itself. Publish into another folder.")
  }

  private func check(_ known: Int64?, _ position: Int64, _ shape: TableShape) throws {
    guard let known, known > position else { return }
    throw LakehouseError(
      .behind,
      "Table \(shape.name) was published as of position \(known), and the ledger is sealed up to \(position): the database was set "
        + "back. Recover it ('marketplace audit recover'), or publish into another folder.")
  }

  private func replace(
    _ shape: TableShape, _ position: Int64, _ writer: WriterProcess, _ session: Session
  ) throws -> Published {
    let known = try open(shape, writer).position
    try check(known, position, shape)
    guard known != position else {
      try maintain(writer)
      return Published(table: shape.name, rows: 0, isNew: false)
    }
    let rows = try write("overwrite", shape, after: 0, position, writer, session)
    try maintain(writer)
    return Published(table: shape.name, rows: rows, isNew: true)
  }

  private func extend(
    _ shape: TableShape, _ position: Int64, _ writer: WriterProcess, _ session: Session
  ) throws -> Published {
    let known = try open(shape, writer).position
    try check(known, position, shape)
    var (last, rows) = (known ?? 0, 0)
    guard known != position else {
      try maintain(writer)
      return Published(table: shape.name, rows: 0, isNew: false)
    }
    // What is redacted goes first: a position that was reached says that it is gone.
    let redacted = try session.query(
      """
      SELECT cause_workspace AS workspace, cause_sequence AS sequence FROM ledger.events
      WHERE type = 'EventRedacted' AND position > $1 AND position <= $2
      """, [last, position])
    if !redacted.isEmpty, known != nil {
      let events = try redacted.map { row in
        Redact.Event(workspace: try row.string("workspace"), sequence: try row.int64("sequence"))
      }
      _ = try writer.ask(Redact(events: events), as: Rows.self)
    }
    repeat {
      let next = min(position, last + eventsAtOnce)
      rows += try write("append", shape, after: last, next, writer, session)
      last = next
    } while last < position
    try maintain(writer)
    return Published(table: shape.name, rows: rows, isNew: true)
  }

  private func maintain(_ writer: WriterProcess) throws {
    _ = try writer.ask(Maintain(files_max: Self.filesMax), as: Maintained.self)
  }
}
