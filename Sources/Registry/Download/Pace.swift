/// Whether a body keeps coming: one that drips is given up, though each of its bytes comes in time. What its consumer takes is
/// not counted.
struct Pace {
  private let bytesPerSecond: Double
  private let time: Duration
  private var waited = Duration.zero
  private var received = 0

  init(_ policy: HTTPPolicy) {
    bytesPerSecond = policy.paceBytesPerSecond
    time = policy.paceTime
  }

  /// Takes note of bytes and how long they were waited for.
  ///
  /// - Returns: whether enough came.
  mutating func keepsUp(_ bytes: Int, after waiting: Duration) -> Bool {
    waited += waiting
    received += bytes
    guard waited >= time else { return true }
    defer { (waited, received) = (.zero, 0) }
    return Double(received) >= bytesPerSecond * (waited / .seconds(1))
  }
}
