import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix

/// One attempt that failed, and whether another may be made.
struct FailedAttempt: Error {
  enum Repeat: Sendable {
    /// The same again would fail the same, or might do a thing twice.
    case never
    /// The server certainly did not see it, or seeing it twice does no harm.
    case soon
    /// As `soon`, but each attempt costs a whole time-out, so less often.
    case rarely
  }

  var error: RegistryError
  var `repeat`: Repeat
  /// Whether it is a sign that the server has too much to do.
  var isOverload = false
  /// How long the server asked to wait.
  var retryAfter: Duration?
}

/// Which failures are worth another attempt, and after how long. Pure.
enum RetryRule {
  /// How a connection failed.
  enum ConnectionFailure: Sendable {
    /// There never was a connection, so nothing was sent.
    case notConnected
    case broken
    case timedOut
    case malformed
  }

  static func classify(_ error: any Error) -> ConnectionFailure {
    switch error {
    case is NIOConnectionError: .notConnected
    case let error as IOError where error.errnoCode == ECONNREFUSED: .notConnected
    case let error as ChannelError:
      if case .connectTimeout = error { .notConnected } else { .broken }
    case let error as HTTPClientError:
      switch error {
      case .connectTimeout, .getConnectionFromPoolTimeout, .tlsHandshakeTimeout: .notConnected
      case .readTimeout, .writeTimeout, .deadlineExceeded: .timedOut
      case .remoteConnectionClosed, .uncleanShutdown, .cancelled, .requestStreamCancelled: .broken
      default: .malformed
      }
    case is IOError: .broken
    default: .broken
    }
  }

  static func mayRepeat(_ failure: ConnectionFailure, idempotent: Bool) -> FailedAttempt.Repeat {
    switch failure {
    case .notConnected: .soon
    case .broken: idempotent ? .soon : .never
    case .timedOut: idempotent ? .rarely : .never
    case .malformed: .never
    }
  }

  /// Whether an answer asks for fewer requests at a time: too many of them, or a gateway whose server has not answered.
  static func isOverload(status: Int) -> Bool { [429, 502, 503, 504].contains(status) }

  static func mayRepeat(
    status: Int, serverCode: String?, isOverloaded: Bool = false, idempotent: Bool
  ) -> FailedAttempt.Repeat {
    guard idempotent else { return .never }
    if isOverloaded { return .soon }
    switch status {
    case 429, 502, 503, 504: return .soon
    case 500: return serverCode == "FEATURE_DISABLED" ? .never : .soon
    default: return .never
    }
  }

  /// Full jitter: a random part, at least a tenth, of a bound that doubles with each attempt.
  static func backoff(afterAttempt attempt: Int, policy: HTTPPolicy, random: Double) -> Duration {
    var bound = policy.backoffFirst
    for _ in 1..<max(1, min(attempt, 32)) where bound < policy.backoffMax { bound *= 2 }
    return min(bound, policy.backoffMax) * max(0.1, min(1, random))
  }

  /// RFC 9110 §10.2.3: seconds, or a date.
  static func retryAfter(_ header: String?, now: Double) -> Duration? {
    guard let header = header?.trimmingCharacters(in: .whitespaces), !header.isEmpty else { return nil }
    if let seconds = Int64(header) { return seconds >= 0 && seconds < 1 << 31 ? .seconds(seconds) : nil }
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = TimeZone(identifier: "GMT")
    format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
    guard let date = format.date(from: header) else { return nil }
    return .seconds(max(0, date.timeIntervalSince1970 - now))
  }
}
