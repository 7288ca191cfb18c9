import Crypto
public import Foundation

/// Name-based identifiers (RFC 9562 version 5): the same facts give the same id on every machine, so that
/// a fact decided twice is one event.
public enum NameBasedUUID {
  /// The namespace of every id this project derives. Never changes: ids in the ledger rest on it.
  public static let namespace = UUID(
    uuid: (
      0x6d, 0x6f, 0x64, 0x65, 0x6c, 0x2d, 0x4d, 0x61, 0xb2, 0x6b, 0x65, 0x74, 0x70, 0x6c, 0x61, 0x63
    ))

  /// The id of an ordered list of facts.
  ///
  /// The hashed name is each fact's UTF-8 length in decimal, a colon and its bytes, one after another, so
  /// that no two lists share a name, whatever characters a registry puts into its names.
  public static func make(_ facts: [String]) -> UUID {
    version5(of: facts.flatMap { Array("\($0.utf8.count):".utf8) + Array($0.utf8) }, in: namespace)
  }

  /// RFC 9562, section 5.5: the first 16 bytes of SHA-1 over namespace and name, with version and variant set.
  static func version5(of name: [UInt8], in namespace: UUID) -> UUID {
    var hash = Insecure.SHA1()
    withUnsafeBytes(of: namespace.uuid) { hash.update(bufferPointer: $0) }
    hash.update(data: name)
    var bytes = Array(hash.finalize().prefix(16))
    bytes[6] = (bytes[6] & 0x0f) | 0x50
    bytes[8] = (bytes[8] & 0x3f) | 0x80
    return UUID(
      uuid: (
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
        bytes[8], bytes[9], bytes[10], bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]
      ))
  }
}
