import Testing

@testable import Storage

@Suite("Patience and bounds of a store over HTTP")
struct StoragePolicyTests {
  @Test("the limit halves once for calls that struggle together, and grows by one a round")
  func adaptiveLimit() async throws {
    let limit = AdaptiveLimit(limitMax: 16)
    var tickets: [AdaptiveLimit.Ticket] = []
    for _ in 0..<8 { tickets.append(try await limit.enter()) }
    for ticket in tickets { limit.leave(ticket, .struggling) }
    #expect(limit.limit == 8)
    for _ in 0..<10 { limit.leave(try await limit.enter(), .struggling) }
    #expect(limit.limit == 1)
    limit.leave(try await limit.enter(), .unknown)
    #expect(limit.limit == 1)
    limit.leave(try await limit.enter(), .well)
    #expect(limit.limit == 2)
    for _ in 0..<1_000 { limit.leave(try await limit.enter(), .well) }
    #expect(limit.limit == 16)
  }

  @Test("permits are waited for in turn, go back when nobody holds them, and are not lost by who was cancelled")
  func permits() async throws {
    let permits = Permits(capacity: 4)
    var held: [Reservation] = []
    for _ in 0..<4 { held.append(try #require(Reservation.now(1, of: permits))) }
    #expect(Reservation.now(1, of: permits) == nil)
    let cancelled = Task { try await permits.acquire(2) }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    let waiting = Task { try await Reservation.waiting(3, of: permits) }
    held.removeAll()
    let reservation = try await waiting.value
    #expect(permits.taken == 3)
    withExtendedLifetime(reservation) {}
  }

  @Test("more permits than there are go to whoever is alone")
  func oversized() async throws {
    let permits = Permits(capacity: 4)
    try await permits.acquire(100)
    #expect(permits.taken == 100)
    #expect(!permits.tryAcquire())
    permits.release(100)
    #expect(permits.tryAcquire(4))
  }

  @Test("ten thousand parts hold eight tebibytes, and the parts of a file of 100 GB stay below 64 MiB")
  func parts() {
    var total: Int64 = 0
    var largest = 0
    for sent in 0..<S3Upload.partsMax {
      let bytes = S3Upload.partBytes(first: 8 * 1_048_576, sent: sent)
      total += Int64(bytes)
      if total < 100_000_000_000 { largest = max(largest, bytes) }
    }
    #expect(total > 8 * 1_000_000_000_000)
    #expect(largest <= 64 * 1_048_576)
  }

  @Test("pauses are a random part of a bound that doubles, up to a longest one")
  func backoff() {
    let policy = StoragePolicy()
    #expect(RetryRule.backoff(afterAttempt: 1, policy: policy, random: 1) == .milliseconds(200))
    #expect(RetryRule.backoff(afterAttempt: 3, policy: policy, random: 0.5) == .milliseconds(400))
    #expect(RetryRule.backoff(afterAttempt: 3, policy: policy, random: 0) == .milliseconds(80))
    #expect(RetryRule.backoff(afterAttempt: 1_000, policy: policy, random: 1) == .seconds(20))
  }

  @Test("Retry-After is seconds or a date")
  func retryAfter() {
    #expect(RetryRule.retryAfter("7", now: 0) == .seconds(7))
    #expect(RetryRule.retryAfter("Sun, 06 Nov 1994 08:49:37 GMT", now: 784_111_770) == .seconds(7))
    #expect(RetryRule.retryAfter("Sun, 06 Nov 1994 08:49:37 GMT", now: 784_111_800) == .seconds(0))
    #expect(RetryRule.retryAfter("soon", now: 0) == nil)
    #expect(RetryRule.retryAfter("-1", now: 0) == nil)
    #expect(RetryRule.retryAfter(nil, now: 0) == nil)
  }
}
