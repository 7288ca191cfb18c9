public import Foundation
public import Postgres

/// An event as it stands in the log.
public struct RecordedEvent: Sendable, Hashable {
  /// The workspace whose log this is.
  public var workspace: String
  /// Place in the workspace: 1, 2, 3 … in commit order, without a gap.
  public var sequence: Int64
  /// The stream it belongs to.
  public var stream: String
  /// Place in the stream: 1, 2, 3 …
  public var version: Int64
  /// Chosen by its author; unique in its workspace.
  public var id: UUID
  /// What happened.
  public var type: String
  /// Version of the shape of ``data``.
  public var typeVersion: Int16
  /// When it was appended, by the clock of the server; one value per call, increasing in a workspace.
  public var recordedAt: Timestamp
  /// When it happened, as its source says. It orders nothing.
  public var occurredAt: Timestamp?
  /// Who appended it, authenticated.
  public var principal: String
  /// The execution of a job that appended it.
  public var run: UUID?
  /// The event that caused it.
  public var cause: EventReference?
  /// The exact JSON text that was accepted; nil once redacted.
  public var data: String?
  /// Sixteen random bytes; nil once redacted.
  public var salt: [UInt8]?
  /// SHA-256 of ``salt`` followed by ``data`` in UTF-8.
  public var dataHash: [UInt8]
  /// Place in the call that appended it, from 0.
  public var nth: Int
  /// Place in the global order: 1, 2, 3 …; nil while it is not sealed.
  public var position: Int64?

  /// Makes an event from its fields.
  public init(
    workspace: String, sequence: Int64, stream: String, version: Int64, id: UUID, type: String,
    typeVersion: Int16, recordedAt: Timestamp, occurredAt: Timestamp?, principal: String, run: UUID?,
    cause: EventReference?, data: String?, salt: [UInt8]?, dataHash: [UInt8], nth: Int, position: Int64?
  ) {
    self.workspace = workspace
    self.sequence = sequence
    self.stream = stream
    self.version = version
    self.id = id
    self.type = type
    self.typeVersion = typeVersion
    self.recordedAt = recordedAt
    self.occurredAt = occurredAt
    self.principal = principal
    self.run = run
    self.cause = cause
    self.data = data
    self.salt = salt
    self.dataHash = dataHash
    self.nth = nth
    self.position = position
  }

  /// Where it stands.
  public var reference: EventReference { EventReference(workspace: workspace, sequence: sequence) }
}

extension RecordedEvent {
  static let columns = """
    workspace, sequence, stream, version, id, type, type_version, recorded_at, occurred_at, principal, run,
    cause_workspace, cause_sequence, data, salt, data_hash, nth, position
    """

  init(_ row: Row) throws {
    var cause: EventReference?
    if let workspace = try row.optionalString("cause_workspace") {
      cause = EventReference(workspace: workspace, sequence: try row.int64("cause_sequence"))
    }
    self.init(
      workspace: try row.string("workspace"), sequence: try row.int64("sequence"),
      stream: try row.string("stream"), version: try row.int64("version"), id: try row.uuid("id"),
      type: try row.string("type"), typeVersion: Int16(truncatingIfNeeded: try row.int("type_version")),
      recordedAt: try row.timestamp("recorded_at"), occurredAt: try row.optionalTimestamp("occurred_at"),
      principal: try row.string("principal"), run: try row.optionalUUID("run"), cause: cause,
      data: try row.optionalString("data"), salt: try row.optionalBytes("salt"),
      dataHash: try row.bytes("data_hash"), nth: try row.int("nth"),
      position: try row.optionalInt64("position"))
  }
}
