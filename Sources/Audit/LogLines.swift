import Crypto
import Foundation
import Ledger

/// The two lines of an event as exports and segments have them: its leaf, and below it its data.
enum LogLines {
  /// A line has at most so many bytes: data of 1 MiB, escaped.
  static let bytesMax = 8 * 1_048_576

  /// Both lines, each with its end. `null` stands for data that is not there.
  static func lines(_ leaf: [UInt8], _ content: LogEntry.Content?) throws -> [UInt8] {
    guard let content else { return leaf + Array("\nnull\n".utf8) }
    var lines = leaf
    lines.reserveCapacity(leaf.count + content.data.utf8.count + 48)
    lines.append(0x0a)
    lines += Array("[\"".utf8)
    for byte in content.salt { lines += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    lines += Array("\",".utf8)
    lines += try encoder.encode(content.data)
    lines += Array("]\n".utf8)
    return lines
  }

  private static let digits = Array("0123456789abcdef".utf8)
  private static let encoder: JSONEncoder = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    return encoder
  }()

  /// An entry from its two lines.
  ///
  /// - Parameter path: what they were read from.
  /// - Throws: ``AuditError`` with `.unreadable` when the second is no line of data.
  static func entry(_ leaf: [UInt8], _ data: [UInt8], at position: Int64, of path: String, keepsContent: Bool) throws
    -> LogEntry
  {
    guard data != Array("null".utf8) else { return LogEntry(position: position, leaf: leaf, dataFits: nil) }
    guard let parts = try? JSONDecoder().decode([String].self, from: Data(data)), parts.count == 2,
      let salt = bytes(hex: parts[0])
    else { throw AuditError(.unreadable, "\(path) has no data below the leaf of event \(position).") }
    let content = LogEntry.Content(salt: salt, data: parts[1])
    return LogEntry(
      position: position, leaf: leaf, dataFits: fits(content, leaf), content: keepsContent ? content : nil)
  }

  private static func fits(_ content: LogEntry.Content, _ leaf: [UInt8]) -> Bool {
    let digest = SHA256.hash(data: content.salt + Array(content.data.utf8))
    let last = LogEntry(position: 0, leaf: leaf, dataFits: nil).fields.last
    return last?.name == "data hash" && last?.value == digest.map { String(format: "%02x", $0) }.joined()
  }

  private static func bytes(hex: String) -> [UInt8]? {
    let digits = Array(hex.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    for place in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(decoding: digits[place..<place + 2], as: UTF8.self), radix: 16) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
