import Foundation

/// A ZIP archive of small files, stored as they are: what every system opens (APPNOTE 6.3.10, without ZIP64).
public struct ZipArchive: Sendable {
  /// All files together, and their directory, stay below what the format holds.
  public static let bytesMax = Int(Int32.max)

  private var bytes: [UInt8] = []
  private var directory: [UInt8] = []
  private var count: UInt16 = 0
  /// The same bytes whenever it is made: 1 January 1980, the first day that the format knows.
  private static let date: UInt16 = 0x21

  /// An empty archive.
  public init() {}

  /// Adds a file.
  ///
  /// - Throws: ``AuditError`` with `.tooLarge` where the archive would not hold it.
  public mutating func add(_ name: String, _ content: [UInt8]) throws {
    let name = Array(name.utf8)
    let total = bytes.count + content.count + directory.count + 2 * name.count + 256
    guard total <= Self.bytesMax, count < .max, name.count <= Int(UInt16.max) else {
      throw AuditError(
        .tooLarge, "The archive would have more than \(Self.bytesMax) bytes, or more than \(UInt16.max) files.")
    }
    let offset = UInt32(bytes.count)
    var header: [UInt8] = []
    // Version 2.0; the name is in UTF-8; stored; no time; CRC-32 and both sizes; no extra field.
    header.append(little: UInt16(20), UInt16(0x0800), 0, 0, Self.date)
    header.append(little: Self.crc32(content), UInt32(content.count), UInt32(content.count))
    header.append(little: UInt16(name.count), 0)
    bytes += [0x50, 0x4b, 0x03, 0x04] + header + name + content
    directory += [0x50, 0x4b, 0x01, 0x02]
    directory.append(little: UInt16(0x0314))
    directory += header
    // No comment, first disk, no attributes within, a plain file that everybody may read.
    directory.append(little: UInt16(0), UInt16(0), UInt16(0))
    directory.append(little: UInt32(0o100644) << 16, offset)
    directory += name
    count += 1
  }

  /// The whole archive.
  public func finished() -> [UInt8] {
    var end: [UInt8] = [0x50, 0x4b, 0x05, 0x06]
    end.append(little: UInt16(0), UInt16(0), count, count)
    end.append(little: UInt32(directory.count), UInt32(bytes.count))
    end.append(little: UInt16(0))
    return bytes + directory + end
  }

  /// CRC-32 as ISO 3309 and ITU-T V.42 define it.
  static func crc32(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0) { crc, byte in table[Int((crc ^ UInt32(byte)) & 0xff)] ^ (crc >> 8) }
  }

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? 0xedb8_8320 ^ (crc >> 1) : crc >> 1 }
  }
}

extension [UInt8] {
  fileprivate mutating func append<Value: FixedWidthInteger>(little values: Value...) {
    for value in values { Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) } }
  }
}
