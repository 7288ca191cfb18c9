import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix

/// Which failures of a connection are worth another attempt, and after how long. Pure.
///
/// Every call this module makes may be made twice, so only the kind of failure counts.
enum RetryRule {
  /// How a connection failed.
  enum ConnectionFailure: Sendable, Hashable {
    case notConnected
    case notTrusted
    case broken
    case timedOut
    case malformed
  }

  static func classify(_ error: any Error) -> ConnectionFailure {
    switch error {
    case let error as NIOConnectionError:
      error.connectionErrors.contains { isCertificateTrouble($0.error) } ? .notTrusted : .notConnected
    case let error as ChannelError:
      if case .connectTimeout = error { .notConnected } else { .broken }
    case let error as HTTPClientError:
      switch error {
      case .connectTimeout, .getConnectionFromPoolTimeout, .tlsHandshakeTimeout: .notConnected
      case .readTimeout, .writeTimeout, .deadlineExceeded: .timedOut
      case .remoteConnectionClosed, .uncleanShutdown, .cancelled, .requestStreamCancelled: .broken
      default: .malformed
      }
    case let error as IOError: error.errnoCode == ECONNREFUSED ? .notConnected : .broken
    default: isCertificateTrouble(error) ? .notTrusted : .broken
    }
  }

  /// NIOSSL's errors nest; their text names the failed verification at any depth.
  private static func isCertificateTrouble(_ error: any Error) -> Bool {
    let text = String(describing: error)
    return text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("unableToValidateCertificate")
  }

  /// Full jitter: a random part, at least a tenth, of a bound that doubles with each attempt.
  static func backoff(afterAttempt attempt: Int, policy: StoragePolicy, random: Double) -> Duration {
    var bound = policy.backoffFirst
    for _ in 1..<max(1, min(attempt, 32)) where bound < policy.backoffMax { bound *= 2 }
    return min(bound, policy.backoffMax) * max(0.1, min(1, random))
  }

  /// RFC 9110 §10.2.3: seconds, or a date.
  static func retryAfter(_ header: String?, now: Double) -> Duration? {
    guard let header = header?.trimmingCharacters(in: .whitespaces), !header.isEmpty else { return nil }
    if let seconds = Int64(header) { return seconds >= 0 && seconds < 1 << 31 ? .seconds(seconds) : nil }
    return HTTPDate.seconds(header).map { .seconds(max(0, $0 - now)) }
  }
}

extension TimeAmount {
  init(_ duration: Duration) {
    let parts = duration.components
    let seconds = min(max(parts.seconds, 0), 1 << 32)
    self = .seconds(seconds) + .nanoseconds(max(0, parts.attoseconds / 1_000_000_000))
  }
}
