/// Bytes of which no two blocks are the same, others for every seed. A block is made byte by byte and the rest by copying,
/// since a debug build takes a second for each dozen million that it makes one by one.
public func patternedBytes(_ count: Int, seed: UInt8 = 0) -> [UInt8] {
  var all: [UInt8] = []
  all.reserveCapacity(count + 4_096)
  let block = (0..<4_096).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 255) ^ seed }
  for number in 0..<(count + 4_095) / 4_096 {
    all += withUnsafeBytes(of: UInt64(number)) { Array($0) }
    all += block[8...]
  }
  return Array(all.prefix(count))
}
