import Crypto

/// SHA-256 and size of bytes that pass by.
public struct StreamDigest: Sendable {
  private var hash = SHA256()
  /// How many bytes have passed.
  public private(set) var size: Int64 = 0

  /// Nothing has passed yet.
  public init() {}

  /// Takes the next bytes in.
  public mutating func update(_ chunk: some Sequence<UInt8>) {
    let done: Void? = chunk.withContiguousStorageIfAvailable { bytes in
      hash.update(bufferPointer: UnsafeRawBufferPointer(bytes))
      size += Int64(bytes.count)
    }
    if done == nil { update(Array(chunk)) }
  }

  /// Size and digest of all that passed.
  public func finish() -> WrittenFile {
    WrittenFile(size: size, sha256: Hex.text(hash.finalize()))
  }

  /// The digest of bytes at hand.
  public static func of(_ bytes: some Sequence<UInt8>) -> WrittenFile {
    var digest = StreamDigest()
    digest.update(bytes)
    return digest.finish()
  }
}
