import CLibCrypto

/// SHA-256 and size of bytes that pass by.
public struct StreamDigest: Sendable {
  /// How far a digest has come, at the end of a block: what another process needs to go on.
  public struct State: Sendable, Hashable, Codable {
    /// SHA-256 works on blocks of so many bytes.
    public static let blockBytes: Int64 = 64
    /// The chaining value, FIPS 180-4 §6.2.2.
    public let words: [UInt32]
    /// Bytes taken in.
    public let size: Int64
  }

  private var context = SHA256_CTX()
  /// How many bytes have passed.
  public private(set) var size: Int64 = 0

  /// Nothing has passed yet.
  public init() {
    SHA256_Init(&context)
  }

  /// Goes on from a state; `nil` when it is none.
  public init?(resuming state: State) {
    self.init()
    let bits = state.size.multipliedReportingOverflow(by: 8)
    guard state.words.count == 8, state.size >= 0, state.size % State.blockBytes == 0, !bits.overflow else {
      return nil
    }
    withUnsafeMutableBytes(of: &context.h) { $0.copyBytes(from: state.words.withUnsafeBytes { Array($0) }) }
    context.Nl = UInt32(truncatingIfNeeded: bits.partialValue)
    context.Nh = UInt32(truncatingIfNeeded: bits.partialValue >> 32)
    size = state.size
  }

  /// How far it has come; `nil` within a block.
  public var state: State? {
    guard size % State.blockBytes == 0 else { return nil }
    return State(words: withUnsafeBytes(of: context.h) { Array($0.bindMemory(to: UInt32.self)) }, size: size)
  }

  /// Takes the next bytes in.
  public mutating func update(_ chunk: some Sequence<UInt8>) {
    let done: Void? = chunk.withContiguousStorageIfAvailable { bytes in
      SHA256_Update(&context, bytes.baseAddress, bytes.count)
      size += Int64(bytes.count)
    }
    if done == nil { update(Array(chunk)) }
  }

  /// Size and digest of all that passed.
  public func finish() -> WrittenFile {
    var copy = context
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    SHA256_Final(&digest, &copy)
    return WrittenFile(size: size, sha256: Hex.text(digest))
  }

  /// The digest of bytes at hand.
  public static func of(_ bytes: some Sequence<UInt8>) -> WrittenFile {
    var digest = StreamDigest()
    digest.update(bytes)
    return digest.finish()
  }
}
