import CLibCrypto
import Foundation

/// A hash in a Merkle tree as RFC 6962 §2.1 and RFC 9162 §2.1.1 define it: SHA-256, of a byte that tells leaves from
/// nodes and what follows.
public struct MerkleHash: Sendable, Hashable {
  /// The bytes of a hash.
  public static let byteCount = 32

  // In the order of the bytes in memory, so that a tree of millions needs no array for each.
  private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  /// The 32 bytes of a hash; `nil` of any other number.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
  }

  /// From standard base64 with its padding; `nil` of anything else.
  public init?(base64 text: String) {
    guard let data = Data(base64Encoded: text), data.base64EncodedString() == text else { return nil }
    self.init(data)
  }

  private init(sha256 bytes: UnsafeRawBufferPointer) {
    withUnsafeMutableBytes(of: &words) { digest in
      _ = SHA256(
        bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count,
        digest.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
  }

  /// The root of the tree without leaves: SHA-256 of nothing.
  public static let empty = MerkleHash(sha256: UnsafeRawBufferPointer(start: nil, count: 0))

  /// The hash of an entry as a leaf.
  public static func leaf(_ entry: some Collection<UInt8>) -> MerkleHash {
    withUnsafeTemporaryAllocation(byteCount: 1 + entry.count, alignment: 1) { buffer in
      buffer[0] = 0
      UnsafeMutableRawBufferPointer(rebasing: buffer[1...]).copyBytes(from: entry)
      return MerkleHash(sha256: UnsafeRawBufferPointer(buffer))
    }
  }

  /// The hash of two subtrees side by side.
  public static func node(_ left: MerkleHash, _ right: MerkleHash) -> MerkleHash {
    withUnsafeTemporaryAllocation(byteCount: 1 + 2 * byteCount, alignment: 1) { buffer in
      buffer[0] = 1
      left.withBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[1..<1 + byteCount]).copyMemory(from: $0) }
      right.withBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[(1 + byteCount)...]).copyMemory(from: $0) }
      return MerkleHash(sha256: UnsafeRawBufferPointer(buffer))
    }
  }

  private func withBytes<Result>(_ work: (UnsafeRawBufferPointer) -> Result) -> Result {
    withUnsafeBytes(of: words, work)
  }

  /// The 32 bytes.
  public var bytes: [UInt8] { withBytes { Array($0) } }

  /// In standard base64, padded.
  public var base64: String { Data(bytes).base64EncodedString() }

  /// Whether two hashes have the same bytes.
  public static func == (left: MerkleHash, right: MerkleHash) -> Bool { left.words == right.words }

  /// Feeds the bytes.
  public func hash(into hasher: inout Hasher) { withBytes { hasher.combine(bytes: $0) } }
}

extension MerkleHash: CustomStringConvertible {
  /// In lower-case hex.
  public var description: String { bytes.map { String(format: "%02x", $0) }.joined() }
}
