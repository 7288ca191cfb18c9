import Foundation

/// A random wait before a run, so that jobs which a scheduler starts at the same minute do not all ask at once.
struct StartDelay {
  let seconds: Double

  /// Between nothing and `longest`, the same for the same run: its id is the seed.
  init(upTo longest: Span, run: UUID) {
    var generator = RunChance(run)
    seconds = Double.random(in: 0...1, using: &generator) * Double(longest.seconds)
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014), seeded by a run's id.
private struct RunChance: RandomNumberGenerator {
  private var state: UInt64

  init(_ run: UUID) {
    state = withUnsafeBytes(of: run.uuid) {
      $0.loadUnaligned(as: UInt64.self) ^ $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
