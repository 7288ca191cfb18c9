/// How patiently, how often and how much: the one policy every call follows.
public struct HTTPPolicy: Sendable, Hashable {
  /// Time to open a connection.
  public var connectTimeout: Duration = .seconds(10)
  /// Time without a byte in either direction, and so the longest one chunk of a download may take its
  /// consumer.
  ///
  /// A server that copies an upload on to other storage answers only when it is done, hence minutes.
  public var idleTimeout: Duration = .seconds(300)
  /// Time for one attempt of a call with a JSON answer, from connecting to the last byte.
  public var callTimeout: Duration = .seconds(120)
  /// Time for one attempt of a download or an upload as a whole.
  public var transferTimeout: Duration = .seconds(6 * 3600)
  /// The fewest bytes a second that a file may come with, over ``paceTime``: one that drips would otherwise keep us for as
  /// long as ``transferTimeout``.
  public var paceBytesPerSecond = 1_000.0
  /// The time that is waited for a file's bytes before it is judged how many came.
  public var paceTime: Duration = .seconds(60)
  /// How often a call is tried at most, the first time included.
  public var attemptsMax = 5
  /// How often a call that timed out is tried at most, the first time included.
  public var timedOutAttemptsMax = 2
  /// The longest pause after the first failed attempt; it doubles with each, and a random part of it is
  /// taken.
  public var backoffFirst: Duration = .milliseconds(200)
  /// The longest pause between two attempts.
  public var backoffMax: Duration = .seconds(10)
  /// The longest pause a server may ask for by `Retry-After`; when it asks for more the call fails at once.
  public var retryAfterMax: Duration = .seconds(60)
  /// Requests under way at a time, downloads and uploads included, unless a ``ServerCapacity`` says it.
  ///
  /// An MLflow server has 15 database connections by default, and logging to a run takes two of them at once: from
  /// eight such requests on they wait for each other, for 30 seconds (measured on 3.17.2).
  public var concurrentRequestsMax = 6
  /// Files of at least so many bytes are asked for in ranges, and go up in parts where the server offers that.
  public var rangedBytesMin: Int64 = 32 << 20
  /// Bytes of a range.
  public var rangeBytes: Int64 = 8 << 20
  /// Ranges of one file that are on their way or waiting to be consumed at a time, at most.
  public var rangesConcurrentMax = 4
  /// The largest file that is read when its listing tells no size. MLflow leaves out the size of an empty file alone.
  public var unlistedFileBytesMax: Int64 = 1 << 30
  /// The largest JSON answer that is read.
  public var answerBytesMax = 64 << 20
  /// How much of an error's body is read.
  public var errorBytesMax = 64 << 10

  /// The defaults.
  public init() {}
}

/// What the policy needs of the world: pauses, chance and the wall clock. Tests bring their own.
public struct HTTPEffects: Sendable {
  /// Pauses; throws when the task is cancelled.
  public var sleep: @Sendable (Duration) async throws -> Void
  /// A number from 0 up to 1, for jitter.
  public var random: @Sendable () -> Double
  /// Seconds since 1970, to read a `Retry-After` that is a date.
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
