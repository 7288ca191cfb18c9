import Foundation

/// The random numbers of a seed (SplitMix64).
struct Dice: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 0x1234_5678_9abc_def1 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// A number below `count`.
  mutating func below(_ count: Int) -> Int { Int(next() % UInt64(max(1, count))) }

  /// True in one of `count` cases, never where `count` is 0.
  mutating func once(in count: Int) -> Bool { count > 0 && below(count) == 0 }

  /// One of several.
  mutating func pick<T>(_ several: [T]) -> T? { several.isEmpty ? nil : several[below(several.count)] }

  mutating func uuid() -> UUID {
    let (high, low) = (next(), next())
    let bytes = (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(($0 % 8) * 8)) }
    return bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
  }

  mutating func hex(_ digits: Int) -> String {
    let alphabet = Array("0123456789abcdef")
    return String((0..<digits).map { _ in alphabet[below(16)] })
  }
}
