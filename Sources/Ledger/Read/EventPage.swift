/// Where reading a workspace goes on: after a sequence.
public struct SequenceCursor: Sendable, Hashable, ExpressibleByIntegerLiteral {
  /// The last sequence that was read; 0 for the beginning.
  public var sequence: Int64

  /// A place after a sequence.
  public init(_ sequence: Int64) { self.sequence = sequence }

  /// A place written as a number.
  public init(integerLiteral sequence: Int64) { self.init(sequence) }
}

/// Where reading a stream goes on: after a version.
public struct VersionCursor: Sendable, Hashable, ExpressibleByIntegerLiteral {
  /// The last version that was read; 0 for the beginning.
  public var version: Int64

  /// A place after a version.
  public init(_ version: Int64) { self.version = version }

  /// A place written as a number.
  public init(integerLiteral version: Int64) { self.init(version) }
}

/// Where reading in the global order goes on: after a position.
public struct PositionCursor: Sendable, Hashable, ExpressibleByIntegerLiteral {
  /// The last position that was read; 0 for the beginning.
  public var position: Int64

  /// A place after a position.
  public init(_ position: Int64) { self.position = position }

  /// A place written as a number.
  public init(integerLiteral position: Int64) { self.init(position) }
}

/// Some events, and where to go on.
public struct EventPage<Cursor: Sendable & Hashable>: Sendable, Hashable {
  /// The events, in order. May be empty before the end, when none of those looked at is of the types asked for.
  public var events: [RecordedEvent]
  /// Where to go on.
  public var next: Cursor
  /// Whether nothing more was there.
  public var isLast: Bool

  /// Makes a page.
  public init(events: [RecordedEvent], next: Cursor, isLast: Bool) {
    self.events = events
    self.next = next
    self.isLast = isLast
  }
}
