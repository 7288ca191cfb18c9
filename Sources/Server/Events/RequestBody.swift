import HTTPTypes
import Hummingbird
import NIOCore

/// How what is sent is read: only so much, within some time, and with all others only so much at once.
struct RequestBody: Sendable {
  /// Events that are appended.
  static let events = RequestBody(bytesMax: 16_777_216, seconds: 60)
  /// What a registry tells.
  static let webhook = RequestBody(bytesMax: 1_048_576, seconds: 10)

  /// Bytes that it may have.
  let bytesMax: Int
  /// Seconds within which it has to come.
  let seconds: Int64

  /// What is told where too much waits already.
  static var busy: Problem {
    Problem(
      .serviceUnavailable, "busy", "So much is being sent that no more can wait. Try again.",
      headers: [.retryAfter: "1"])
  }

  /// All of it.
  ///
  /// - Parameter share: what it takes of the memory that all have together, until nobody holds it any more.
  /// - Throws: ``Problem``; what breaks the connection; `CancellationError`.
  func read(_ request: Request, _ share: BodyBudget.Share) async throws -> [UInt8] {
    let tooLarge = Problem(
      .contentTooLarge, "body_too_large", "What is sent at once may have \(bytesMax) bytes. Send it in several.")
    if let length = request.headers[.contentLength].flatMap({ Int64($0) }), length > Int64(bytesMax) {
      throw tooLarge
    }
    return try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
      group.addTask {
        var bytes: [UInt8] = []
        for try await part in request.body {
          guard bytes.count + part.readableBytes <= bytesMax else { throw tooLarge }
          guard share.take(part.readableBytes) else { throw Self.busy }
          bytes += part.readableBytesView
        }
        return bytes
      }
      group.addTask {
        try await Task.sleep(for: .seconds(seconds))
        return nil
      }
      defer { group.cancelAll() }
      guard let bytes = try await group.next() ?? nil else {
        throw Problem(
          .requestTimeout, "body_too_slow", "What is sent has to come within \(seconds) seconds.",
          headers: [.connection: "close"])
      }
      return bytes
    }
  }
}
