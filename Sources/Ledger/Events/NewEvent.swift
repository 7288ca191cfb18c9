public import Foundation
public import Postgres

/// An event of a workspace, by its place there.
public struct EventReference: Sendable, Hashable {
  /// The workspace.
  public var workspace: String
  /// Its sequence there, from 1.
  public var sequence: Int64

  /// Makes a reference.
  public init(workspace: String, sequence: Int64) {
    self.workspace = workspace
    self.sequence = sequence
  }
}

/// An event to be appended.
public struct NewEvent: Sendable, Hashable {
  /// The stream: 1 to 512 bytes without control characters.
  public var stream: String
  /// The version the stream must be at; 0 for an empty one; nil to expect nothing. Within a batch the events
  /// before it count.
  public var expectedVersion: Int64?
  /// Chosen before sending, unique in its workspace: what makes it safe to send again.
  public var id: UUID
  /// What happened, in the past tense; registered.
  public var type: String
  /// Version of the shape of ``data``.
  public var typeVersion: Int16
  /// When it happened, as its source says. It orders nothing.
  public var occurredAt: Timestamp?
  /// One JSON object, kept byte for byte.
  public var data: String
  /// The event that caused it, which is in the log already.
  public var cause: EventReference?

  /// Makes an event; it is checked when it is appended.
  public init(
    stream: String, expectedVersion: Int64? = nil, id: UUID, type: String, typeVersion: Int16 = 1,
    occurredAt: Timestamp? = nil, data: String, cause: EventReference? = nil
  ) {
    self.stream = stream
    self.expectedVersion = expectedVersion
    self.id = id
    self.type = type
    self.typeVersion = typeVersion
    self.occurredAt = occurredAt
    self.data = data
    self.cause = cause
  }
}

/// What an append did.
public struct AppendResult: Sendable, Hashable {
  /// The sequences of the events, in the order they were given; for known ids the original ones.
  public var sequences: [Int64]
  /// How many events are new.
  public var appended: Int
  /// How many were there already, or stood twice in the call.
  public var replayed: Int
  /// When: the time of this append, or of the latest original if nothing is new.
  public var recordedAt: Timestamp

  /// Makes a result.
  public init(sequences: [Int64], appended: Int, replayed: Int, recordedAt: Timestamp) {
    self.sequences = sequences
    self.appended = appended
    self.replayed = replayed
    self.recordedAt = recordedAt
  }
}
