public import Foundation

/// An event that a decision wants appended, with the id and the expected version that make a second decision
/// from the same history the same event.
public struct ProposedEvent: Sendable, Hashable {
  /// The stream it goes to.
  public let stream: String
  /// The stream's version it was decided on, or `nil` when any will do.
  public let expectedVersion: Int64?
  /// Its id.
  public let id: UUID
  /// The fact.
  public let event: DomainEvent
  /// When it happened by the source's clock, in milliseconds since 1970, where the source says so.
  public let occurredAt: Int64?

  /// Puts the parts together.
  public init(stream: String, expectedVersion: Int64?, id: UUID, event: DomainEvent, occurredAt: Int64? = nil) {
    self.stream = stream
    self.expectedVersion = expectedVersion
    self.id = id
    self.event = event
    self.occurredAt = occurredAt
  }
}

/// Events under decision and the state they lead to: each next event is decided on what came before it.
public struct EventDraft: Sendable {
  /// The state after the drafted events.
  public private(set) var state: WorkspaceState
  /// The drafted events, in order.
  public private(set) var events: [ProposedEvent] = []

  /// An empty draft on a history.
  public init(on state: WorkspaceState) { self.state = state }

  /// Drafts a fact of a model's or the workspace's stream, to be appended only if the stream has not moved.
  ///
  /// - Parameter subject: what within the stream the fact is about, so that two facts of one type differ.
  public mutating func add(_ event: DomainEvent, stream: String, subject: String, occurredAt: Int64? = nil) {
    let version = state.streamVersions[stream] ?? 0
    let id = NameBasedUUID.make([state.workspace.text, stream, String(version), event.type, subject])
    append(
      ProposedEvent(stream: stream, expectedVersion: version, id: id, event: event, occurredAt: occurredAt))
  }

  /// Drafts an event whose id does not rest on its place in the stream.
  public mutating func append(_ proposed: ProposedEvent) {
    let version = state.streamVersions[proposed.stream] ?? 0
    events.append(proposed)
    state.apply(
      proposed.event, stream: proposed.stream, streamVersion: version + 1, sequence: state.sequence + 1,
      recordedAt: 0)
  }
}
