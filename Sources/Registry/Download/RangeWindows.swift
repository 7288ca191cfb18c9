import Synchronization

/// How much of files that arrive in ranges is held in memory at a time, by all downloads of a program together. Whoever
/// finds no room takes its file in one stream, which holds next to nothing; so nobody waits.
public final class RangeWindows: Sendable {
  /// The bound, in bytes, unless another is given.
  public static let bytesMax = 64 * 1_048_576

  private let bytesMax: Int64
  private let taken = Mutex<Int64>(0)

  /// Room for so many bytes.
  public init(bytesMax: Int = RangeWindows.bytesMax) { self.bytesMax = Int64(bytesMax) }

  /// Bytes for which room is taken now.
  var bytesTaken: Int64 { taken.withLock { $0 } }

  /// Room for at most `count` ranges of so many bytes; `nil` when there is not even room for two.
  func take(_ count: Int, of rangeBytes: Int64) -> RangeWindow? {
    let granted = taken.withLock { taken -> Int in
      let granted = min(Int64(count), (bytesMax - taken) / rangeBytes)
      guard granted >= 2 else { return 0 }
      taken += granted * rangeBytes
      return Int(granted)
    }
    guard granted > 0 else { return nil }
    return RangeWindow(ranges: granted) { [self] in taken.withLock { $0 -= Int64(granted) * rangeBytes } }
  }
}

/// Room for some ranges, given back when nobody holds it any more.
final class RangeWindow: Sendable {
  let ranges: Int
  private let giveBack: @Sendable () -> Void

  init(ranges: Int, giveBack: @escaping @Sendable () -> Void) {
    self.ranges = ranges
    self.giveBack = giveBack
  }

  deinit { giveBack() }
}
