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
    var line = LeafLine()
    line.put("[1,")
    line.put(position)
    line.next(quoted: workspace)
    line.next(sequence)
    line.next(quoted: stream)
    line.next(version)
    line.next(quoted: id)
    line.next(quoted: type)
    line.next(Int64(typeVersion))
    line.next(quoted: recordedAt)
    if let occurredAt { line.next(quoted: occurredAt) } else { line.put(",null") }
    line.next(quoted: principal)
    if let run { line.next(quoted: run) } else { line.put(",null") }
    if let cause {
      line.next(quoted: cause.workspace)
      line.next(cause.sequence)
    } else {
      line.put(",null,null")
    }
    line.next(Int64(nth))
    line.put(",\"")
    for byte in dataHash { line.put(hex: byte) }
    line.put("\"]")
    return line.bytes
  }
}

/// A leaf as it is written, byte by byte: a million of them are made in one verification.
private struct LeafLine {
  private(set) var bytes: [UInt8] = []

  private static let comma = UInt8(ascii: ",")
  private static let quote = UInt8(ascii: "\"")
  private static let backslash = UInt8(ascii: "\\")
  private static let digits = Array("0123456789abcdef".utf8)
  /// The places of a UUID's bytes that a hyphen stands before.
  private static let hyphens: Set<Int> = [4, 6, 8, 10]

  init() { bytes.reserveCapacity(512) }

  mutating func put(_ text: StaticString) {
    text.withUTF8Buffer { bytes.append(contentsOf: $0) }
  }

  mutating func put(_ number: Int64) { bytes.append(contentsOf: String(number).utf8) }

  mutating func put(hex byte: UInt8) {
    bytes.append(Self.digits[Int(byte >> 4)])
    bytes.append(Self.digits[Int(byte & 15)])
  }

  mutating func next(_ number: Int64) {
    bytes.append(Self.comma)
    put(number)
  }

  mutating func next(quoted id: UUID) {
    put(",\"")
    withUnsafeBytes(of: id.uuid) { raw in
      for place in raw.indices {
        if Self.hyphens.contains(place) { bytes.append(UInt8(ascii: "-")) }
        put(hex: raw[place])
      }
    }
    bytes.append(Self.quote)
  }

  /// RFC 3339, UTC, always six digits of fraction.
  mutating func next(quoted time: Timestamp) {
    var second = time
    let fraction = ((time.microseconds % 1_000_000) + 1_000_000) % 1_000_000
    second.microseconds -= fraction
    let digits = String(fraction).utf8
    put(",\"")
    bytes.append(contentsOf: second.rfc3339.utf8.dropLast())
    bytes.append(UInt8(ascii: "."))
    for _ in digits.count..<6 { bytes.append(UInt8(ascii: "0")) }
    bytes.append(contentsOf: digits)
    put("Z\"")
  }

  /// A JSON string: quote, backslash and what lies below U+0020 escaped, everything else as it is.
  mutating func next(quoted text: String) {
    put(",\"")
    for byte in text.utf8 {
      switch byte {
      case Self.quote, Self.backslash:
        bytes.append(Self.backslash)
        bytes.append(byte)
      case 0x08: put("\\b")
      case 0x09: put("\\t")
      case 0x0A: put("\\n")
      case 0x0C: put("\\f")
      case 0x0D: put("\\r")
      case 0..<0x20:
        put("\\u00")
        put(hex: byte)
      default: bytes.append(byte)
      }
    }
    bytes.append(Self.quote)
  }
}
