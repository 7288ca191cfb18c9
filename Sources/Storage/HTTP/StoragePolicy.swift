/// How patiently, how often and how much: what every call to a store over HTTP follows.
public struct StoragePolicy: Sendable, Hashable {
  /// Time to open a connection.
  public var connectTimeout: Duration = .seconds(10)
  /// Time without a byte in either direction.
  public var idleTimeout: Duration = .seconds(60)
  /// Time until the head of an answer to a small call, from connecting on.
  public var callTimeout: Duration = .seconds(120)
  /// Time until the answer to a call that carries a part of a file, or that makes the store join or copy one.
  public var transferTimeout: Duration = .seconds(3600)
  /// How often a call is tried at most, the first time included.
  public var attemptsMax = 6
  /// How often a call that timed out is tried at most, the first time included.
  public var timedOutAttemptsMax = 3
  /// The longest pause after the first failed attempt; it doubles with each, and a random part of it is taken.
  public var backoffFirst: Duration = .milliseconds(200)
  /// The longest pause between two attempts.
  public var backoffMax: Duration = .seconds(20)
  /// The longest pause a server may ask for by `Retry-After`; when it asks for more the call fails at once.
  public var retryAfterMax: Duration = .seconds(120)
  /// Calls waiting for an answer at a time; fewer while the server struggles.
  public var concurrentRequestsMax = 16
  /// Bytes of files under way that are held in memory by all uploads together, unless an ``UploadBudget`` says it.
  public var bufferBytesMax = 128 * 1_048_576
  /// The largest answer that is read whole, such as a page of a listing.
  public var answerBytesMax = 16 * 1_048_576

  /// The defaults.
  public init() {}
}

/// Memory for what uploads have under way: one bound for as many stores as share it.
public final class UploadBudget: Sendable {
  let bytes: Permits

  /// Room for so many bytes.
  public init(bytesMax: Int = StoragePolicy().bufferBytesMax) { bytes = Permits(capacity: bytesMax) }
}

/// What the policy needs of the world: pauses, chance and the wall clock. Tests bring their own.
public struct StorageEffects: Sendable {
  /// Pauses; throws when the task is cancelled.
  public var sleep: @Sendable (Duration) async throws -> Void
  /// A number from 0 up to 1, for jitter.
  public var random: @Sendable () -> Double
  /// Seconds since 1970: signatures carry the time.
  public var now: @Sendable () -> Double

  /// Effects of one's own.
  public init(
    sleep: @escaping @Sendable (Duration) async throws -> Void, random: @escaping @Sendable () -> Double,
    now: @escaping @Sendable () -> Double
  ) {
    self.sleep = sleep
    self.random = random
    self.now = now
  }
}
