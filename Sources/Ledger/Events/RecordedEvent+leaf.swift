import Foundation
import Postgres

extension RecordedEvent {
  /// The greatest size of a leaf, in bytes: tiles of entries (C2SP tlog-tiles) count it in 16 bits. The bounds of
  /// the fields keep every leaf far below it.
  public static let leafBytesMax = 65_535

  /// The exact bytes that stand for a sealed event in the transparency log, nil while it is not sealed. Their
  /// definition is the page *The leaf of an event*; `ledger.leaf` in SQL gives the same.
  public var leaf: [UInt8]? {
    guard let position else { return nil }
    var text = "[1,\(position),"
    text += Self.quoted(workspace) + ",\(sequence),"
    text += Self.quoted(stream) + ",\(version),"
    text += Self.quoted(id) + "," + Self.quoted(type) + ",\(typeVersion),"
    text += Self.quoted(recordedAt) + "," + (occurredAt.map(Self.quoted) ?? "null") + ","
    text += Self.quoted(principal) + "," + (run.map(Self.quoted) ?? "null") + ","
    text += (cause.map { Self.quoted($0.workspace) + ",\($0.sequence)" } ?? "null,null") + ",\(nth),\""
    for byte in dataHash { text += Self.hex(byte) }
    return Array((text + "\"]").utf8)
  }

  private static func quoted(_ id: UUID) -> String { "\"\(id.uuidString.lowercased())\"" }

  /// RFC 3339, UTC, always six digits of fraction.
  private static func quoted(_ time: Timestamp) -> String {
    var second = time
    let fraction = ((time.microseconds % 1_000_000) + 1_000_000) % 1_000_000
    second.microseconds -= fraction
    let digits = String(fraction)
    return "\"\(second.rfc3339.dropLast()).\(String(repeating: "0", count: 6 - digits.count))\(digits)Z\""
  }

  /// A JSON string: quote, backslash and what lies below U+0020 escaped, everything else as it is.
  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\u{8}": quoted += "\\b"
      case "\u{9}": quoted += "\\t"
      case "\u{A}": quoted += "\\n"
      case "\u{C}": quoted += "\\f"
      case "\u{D}": quoted += "\\r"
      case "\0"..<" ": quoted += "\\u00" + hex(UInt8(truncatingIfNeeded: scalar.value))
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }

  private static func hex(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
  }
}
