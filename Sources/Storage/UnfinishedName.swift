import Foundation

/// The names of what unfinished uploads leave beside their place: `.<id>.part`. Listings leave them out.
///
/// A model's own file may end in `.part` too, so the id counts.
enum UnfinishedName {
  private static let suffix = ".part"

  /// The name for an id.
  static func of(_ id: UUID) -> String { ".\(id.uuidString.lowercased())\(suffix)" }

  /// Whether a file bears such a name.
  static func isOne(_ name: String) -> Bool {
    name.hasPrefix(".") && name.hasSuffix(suffix)
      && UUID(uuidString: String(name.dropFirst().dropLast(suffix.count))) != nil
  }

  /// The same id for the same words, so that what is left is found again: a UUID of version 8, RFC 9562 §5.8.
  static func id(_ words: [String]) -> UUID {
    let digest = StreamDigest.of(words.joined(separator: "\n").utf8).sha256
    var bytes = stride(from: 0, to: 32, by: 2).map { place in
      UInt8(digest.dropFirst(place).prefix(2), radix: 16) ?? 0
    }
    bytes[6] = bytes[6] & 0x0f | 0x80
    bytes[8] = bytes[8] & 0x3f | 0x80
    return bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
  }
}
