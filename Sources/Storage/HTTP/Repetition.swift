/// What whoever gives the bytes of a call threw: no call is made again for it.
struct SourceFailure: Error {
  let cause: any Error
}

/// Makes calls again that failed in passing: the one place where attempts, pauses and concurrency are decided.
struct Repetition: Sendable {
  let policy: StoragePolicy
  let effects: StorageEffects
  let limit: AdaptiveLimit

  /// What a call is about, for errors.
  struct Subject: Sendable {
    /// The file, as errors name it.
    var name: String
    /// What is being done.
    var operation: String
    /// The server's host.
    var server: String
  }

  /// Makes a call until it succeeds or trying has no more sense. A permit is held until `attempt` returns.
  ///
  /// - Parameter mend: does something about a wrong clock or credentials that ended; whether it could. Each once.
  /// - Throws: `S3Refusal` for what the server said, ``StorageError`` when it could not be asked.
  func run<T>(
    _ subject: Subject, mend: (S3Refusal) async -> Bool = { _ in false }, attempt: () async throws -> T
  ) async throws -> T {
    var number = 1
    var mayBeDone = false
    var mended: Set<S3Refusal.Meaning> = []
    while true {
      let ticket = try await limit.enter()
      do {
        try await waitWhereAsked()
        let value = try await attempt()
        limit.leave(ticket, .well)
        return value
      } catch var refusal as S3Refusal {
        limit.leave(ticket, refusal.meaning == .overloaded ? .struggling : .unknown)
        refusal.mayBeDone = mayBeDone
        switch refusal.meaning {
        case .final: throw refusal
        case .clockSkewed, .credentialsEnded:
          guard mended.insert(refusal.meaning).inserted, await mend(refusal) else { throw refusal }
          continue
        case .overloaded, .passing:
          guard number < policy.attemptsMax, refusal.retryAfter ?? .zero <= policy.retryAfterMax else { throw refusal }
          // A 5xx may hide that it was done.
          mayBeDone = mayBeDone || refusal.status >= 500 || refusal.status == 200
          if let pause = refusal.retryAfter {
            // It is waited for before the next attempt, and by all others.
            limit.wait(until: effects.now() + pause / .seconds(1))
            number += 1
            continue
          }
        }
      } catch let error as StorageError {
        limit.leave(ticket, .unknown)
        throw error
      } catch let error as SourceFailure {
        limit.leave(ticket, .unknown)
        throw error.cause
      } catch {
        let kind = RetryRule.classify(error)
        limit.leave(ticket, kind == .timedOut ? .struggling : .unknown)
        try Task.checkCancellation()
        let attemptsMax = kind == .timedOut ? policy.timedOutAttemptsMax : policy.attemptsMax
        guard kind != .malformed, kind != .notTrusted, number < attemptsMax else {
          throw Self.error(kind, S3Refusal.bounded(String(describing: error)), subject, attempts: number)
        }
        mayBeDone = mayBeDone || kind != .notConnected
      }
      try await effects.sleep(
        RetryRule.backoff(afterAttempt: number, policy: policy, random: effects.random()))
      number += 1
    }
  }

  /// Waits as long as the server asked anybody to. A little longer each, so that they do not all come at once.
  private func waitWhereAsked() async throws {
    guard let pause = limit.pause(at: effects.now()) else { return }
    try await effects.sleep(pause + policy.backoffFirst * effects.random())
  }

  private static func error(
    _ kind: RetryRule.ConnectionFailure, _ why: String, _ subject: Subject, attempts: Int
  ) -> StorageError {
    let times = attempts == 1 ? "" : " \(attempts) times"
    let server = subject.server
    let (code, message): (StorageError.Code, String) =
      switch kind {
      case .notConnected:
        (
          .unreachable,
          "no connection to \(server)\(times): \(why). Check its address, and that it runs and may be reached from here."
        )
      case .notTrusted:
        (
          .configuration,
          "the certificate of \(server) is not trusted. Name the authority that signed it in 'ca_file', or mend the "
            + "name in 'endpoint'."
        )
      case .timedOut: (.unreachable, "nothing came from \(server) in time\(times): \(why).")
      case .broken: (.unreachable, "the connection to \(server) broke\(times): \(why).")
      case .malformed:
        (.unreachable, "\(server) does not speak HTTP as it should: \(why). Check its address.")
      }
    return StorageError(code, key: subject.name, "\(subject.operation): \(message)")
  }
}
