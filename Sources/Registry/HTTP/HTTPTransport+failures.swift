import AsyncHTTPClient
import NIOCore
import Synchronization

extension HTTPTransport {
  func failure(_ failure: RetryRule.ConnectionFailure, _ why: String, _ call: HTTPCall) -> FailedAttempt {
    let message =
      switch failure {
      case .notConnected where why.contains("refused"): "the server refused the connection"
      case .notConnected: "no connection: \(RegistryError.bounded(why))"
      case .broken: "the connection broke: \(RegistryError.bounded(why))"
      case .timedOut: "nothing came in time: \(RegistryError.bounded(why))"
      case .malformed: "no HTTP answer: \(RegistryError.bounded(why))"
      }
    let error = RegistryError(
      failure.isMalformed ? .invalidResponse : .unreachable, operation: call.operation,
      url: shownURL(call), message: message,
      advice: "Check that the server runs and that this machine may reach it.", retriable: true)
    return FailedAttempt(
      error: error, repeat: RetryRule.mayRepeat(failure, idempotent: call.idempotent),
      isOverload: failure.isTimedOut)
  }

  /// A JSON answer whose body did not arrive whole.
  func bodyFailure(_ error: any Error, _ call: HTTPCall) -> FailedAttempt {
    var failed = failure(RetryRule.classify(error), String(describing: error), call)
    failed.error.code = .incompleteBody
    failed.error.message = "the answer was cut short"
    failed.error.advice = "Try again."
    if failed.repeat == .never, call.idempotent { failed.repeat = .soon }
    return failed
  }
}

extension RetryRule.ConnectionFailure {
  fileprivate var isTimedOut: Bool {
    if case .timedOut = self { true } else { false }
  }

  fileprivate var isMalformed: Bool {
    if case .malformed = self { true } else { false }
  }
}

/// Runs `body`; when it takes longer than `time`, it is cancelled and what `onTimeout` makes is thrown.
func withTimeout<T: Sendable>(
  _ time: Duration, _ body: @escaping @Sendable () async throws -> T,
  onTimeout: @escaping @Sendable () -> any Error
) async throws -> T {
  try await withThrowingTaskGroup(of: T?.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: time)
      return nil
    }
    defer { group.cancelAll() }
    guard let first = try await group.next(), let value = first else { throw onTimeout() }
    return value
  }
}

extension TimeAmount {
  init(_ duration: Duration) {
    let parts = duration.components
    let seconds = min(max(parts.seconds, 0), 1 << 32)
    self = .seconds(seconds) + .nanoseconds(max(0, parts.attoseconds / 1_000_000_000))
  }
}

/// The chunks of an upload, counted, with the source's own error kept.
struct UploadSource<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable
where Base.Element == [UInt8] {
  typealias Element = ByteBuffer

  final class Outcome: Sendable {
    let failure = Mutex<(any Error)?>(nil)
  }

  let base: Base
  let length: Int64
  private let outcome = Outcome()

  init(base: Base, length: Int64) {
    self.base = base
    self.length = length
  }

  /// What the source threw, if anything.
  var failure: (any Error)? { outcome.failure.withLock { $0 } }

  struct AsyncIterator: AsyncIteratorProtocol {
    var base: Base.AsyncIterator
    var left: Int64
    let outcome: Outcome

    mutating func next() async throws -> ByteBuffer? {
      do {
        while let chunk = try await base.next() {
          left -= Int64(chunk.count)
          guard left >= 0 else { throw wrongLength("more") }
          if !chunk.isEmpty { return ByteBuffer(bytes: chunk) }
        }
        guard left == 0 else { throw wrongLength("less") }
        return nil
      } catch {
        outcome.failure.withLock { $0 = error }
        throw error
      }
    }

    private func wrongLength(_ what: String) -> RegistryError {
      RegistryError(
        .incompleteBody, operation: "uploading a file",
        message: "its source yielded \(what) than the length that was stated",
        advice: "The file changed while it was read; upload it again.", retriable: true)
    }
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(base: base.makeAsyncIterator(), left: length, outcome: outcome)
  }
}
