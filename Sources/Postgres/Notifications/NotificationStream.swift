/// A notification of the server.
public struct PostgresNotification: Sendable, Hashable {
  /// The channel.
  public var channel: String
  /// What the sender added; may be empty.
  public var payload: String
  /// The server process that sent it.
  public var backendProcessID: Int32

  /// Makes a notification.
  public init(channel: String, payload: String, backendProcessID: Int32) {
    self.channel = channel
    self.payload = payload
    self.backendProcessID = backendProcessID
  }
}

/// Notifications on some channels, over a connection of their own, until the consuming task is cancelled.
///
/// PostgreSQL keeps no notification for a listener that is away. So read what you need after
/// ``Element/listening`` and again after ``Element/reconnected``; a notification then says that more has come.
public struct NotificationStream: AsyncSequence, Sendable {
  /// What a listener gets to know.
  public enum Element: Sendable, Hashable {
    /// The first LISTEN is in force: what is sent from now on arrives.
    case listening
    /// Something was sent.
    case notification(PostgresNotification)
    /// The connection was lost; it is made again, with growing pauses of up to ten seconds.
    case disconnected(PostgresError)
    /// Notifications may have been missed: LISTEN is in force again, or the consumer was too slow.
    case reconnected
  }

  /// The stream goes on through every failure.
  public typealias Failure = Never

  /// How many elements wait for a slow consumer; beyond that the oldest are dropped and
  /// ``Element/reconnected`` is added.
  public static let elementsMax = 1024

  let settings: ConnectionSettings
  let channels: [String]

  /// Starts listening.
  public func makeAsyncIterator() -> Iterator {
    let (stream, continuation) = AsyncStream<Element>.makeStream(
      bufferingPolicy: .bufferingNewest(Self.elementsMax))
    let listener = NotificationListener(settings: settings, channels: channels, continuation: continuation)
    continuation.onTermination = { _ in listener.stop() }
    listener.start()
    return Iterator(base: stream.makeAsyncIterator())
  }

  /// One listener.
  public struct Iterator: AsyncIteratorProtocol {
    var base: AsyncStream<Element>.Iterator

    /// The next element; nil once the task is cancelled.
    public mutating func next() async -> Element? { await base.next() }

    /// The next element; nil once the task is cancelled.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> Element? {
      await base.next(isolation: actor)
    }
  }
}
