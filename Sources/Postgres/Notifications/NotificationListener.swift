import CLibPQ
import Foundation

/// A thread that waits for notifications on a connection of its own.
final class NotificationListener: Sendable {
  private static let pauseMillisecondsMin: Int32 = 100
  private static let pauseMillisecondsMax: Int32 = 10_000

  private let settings: ConnectionSettings
  private let channels: [String]
  private let continuation: AsyncStream<NotificationStream.Element>.Continuation
  /// Readable once the listener shall stop; nil after its thread has ended.
  private let stopEvent: Locked<Int32?>

  init(
    settings: ConnectionSettings, channels: [String],
    continuation: AsyncStream<NotificationStream.Element>.Continuation
  ) {
    self.settings = settings
    self.channels = channels
    self.continuation = continuation
    let event = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    stopEvent = Locked(event >= 0 ? event : nil)
  }

  func start() {
    guard let event = stopEvent.withLock({ $0 }) else {
      let text = String(cString: strerror(errno))
      continuation.yield(.disconnected(PostgresError(.connectionFailed, "Cannot listen: eventfd: \(text)")))
      continuation.finish()
      return
    }
    Thread { [self] in
      _ = name_this_thread("postgres-listen")
      run(event)
      stopEvent.withLock { $0 = nil }
      close(event)
      continuation.finish()
    }.start()
  }

  func stop() {
    stopEvent.withLock { event in
      guard let event else { return }
      eventfd_write(event, 1)
    }
  }

  private func run(_ event: Int32) {
    var hasListened = false
    var pause = Self.pauseMillisecondsMin
    while !wait(event, nil, 0).stopped {
      do {
        let handle = try listen()
        yield(hasListened ? .reconnected : .listening)
        hasListened = true
        pause = Self.pauseMillisecondsMin
        try receive(handle.pointer, event)
      } catch {
        let error = error as? PostgresError ?? PostgresError(.connectionLost, "\(error)")
        continuation.yield(.disconnected(error))
      }
      if wait(event, nil, pause).stopped { return }
      pause = min(pause * 2, Self.pauseMillisecondsMax)
    }
  }

  private func listen() throws -> ConnectionHandle {
    let handle = try settings.connect()
    for channel in channels {
      guard let quoted = PQescapeIdentifier(handle.pointer, channel, channel.utf8.count) else {
        throw PostgresError(.invalidParameter, "\"\(channel)\" cannot be the name of a channel.")
      }
      defer { PQfreemem(quoted) }
      let sql = "LISTEN \(String(cString: quoted))"
      let result = PQexec(handle.pointer, sql)
      defer { PQclear(result) }
      guard PQresultStatus(result) == PGRES_COMMAND_OK else {
        throw PostgresError.server(result, handle.pointer, statement: sql, cancelled: false)
      }
    }
    return handle
  }

  /// Passes notifications on until it shall stop, then returns; throws when the connection breaks.
  private func receive(_ connection: OpaquePointer, _ event: Int32) throws {
    while true {
      while let notification = PQnotifies(connection) {
        defer { PQfreemem(notification) }
        let value = notification.pointee
        yield(
          .notification(
            PostgresNotification(
              channel: String(cString: value.relname), payload: String(cString: value.extra),
              backendProcessID: value.be_pid)))
      }
      let ready = wait(event, PQsocket(connection), -1)
      if ready.stopped { return }
      guard PQconsumeInput(connection) == 1, PQstatus(connection) == CONNECTION_OK else {
        throw PostgresError.lost(connection, statement: nil)
      }
    }
  }

  private func yield(_ element: NotificationStream.Element) {
    if case .dropped = continuation.yield(element) { continuation.yield(.reconnected) }
  }

  /// Waits for the order to stop, and for something to read from `socket`.
  private func wait(_ event: Int32, _ socket: Int32?, _ milliseconds: Int32) -> (
    stopped: Bool, readable: Bool
  ) {
    var descriptors = [pollfd(fd: event, events: Int16(POLLIN), revents: 0)]
    if let socket { descriptors.append(pollfd(fd: socket, events: Int16(POLLIN), revents: 0)) }
    _ = poll(&descriptors, nfds_t(descriptors.count), milliseconds)
    return (descriptors[0].revents != 0, descriptors.count > 1 && descriptors[1].revents != 0)
  }
}
