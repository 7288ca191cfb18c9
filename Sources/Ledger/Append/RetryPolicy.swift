import Foundation
import Postgres

/// How often and after which pauses something is tried again that failed for no fault of its own. Appending is
/// safe to repeat because every event carries its id.
public struct RetryPolicy: Sendable {
  /// How often it is tried at most, the first time included.
  public var attemptsMax: Int
  /// The longest first pause; the longest next ones double. Each is drawn at random below its longest.
  public var pause: Duration
  /// The longest pause at all.
  public var pauseMax: Duration

  /// Makes a policy.
  public init(attemptsMax: Int = 6, pause: Duration = .milliseconds(20), pauseMax: Duration = .seconds(2)) {
    self.attemptsMax = attemptsMax
    self.pause = pause
    self.pauseMax = pauseMax
  }

  func perform<Value>(_ body: () async throws -> Value) async throws -> Value {
    var longest = pause
    for _ in 1..<max(1, attemptsMax) {
      do {
        return try await body()
      } catch let error as PostgresError where error.isTransient {
        try await Task.sleep(for: longest * Double.random(in: 0...1))
        longest = min(longest * 2, pauseMax)
      }
    }
    return try await body()
  }
}

extension PostgresError {
  /// Whether the failure says nothing about what was asked, so that trying again may help.
  var isTransient: Bool {
    switch code {
    case .connectionLost, .commitOutcomeUnknown, .serializationFailure, .deadlockDetected, .lockTimeout: true
    case .connectionFailed, .server: sqlState.map(Self.isTransient) ?? (code == .connectionFailed)
    default: false
    }
  }

  /// Connections, rollbacks, exhausted resources, and a server that stops or starts. Not 57014: somebody
  /// cancelled, or the time was up.
  private static func isTransient(_ state: String) -> Bool {
    ["08", "40", "53"].contains(state.prefix(2)) || ["57P01", "57P02", "57P03", "55P03"].contains(state)
  }
}
