import Foundation

/// The bytes of a file or a pipe, piece by piece: reading blocks, so it happens on a queue of its own.
struct ByteLines {
  /// A line or a record has at most so many bytes: the largest data, its escapes, and what stands around it.
  static let lineBytesMax = 4 * 1_048_576
  private static let chunkBytes = 1_048_576

  /// A line without its end.
  struct Line {
    /// From 1.
    var number: Int
    /// Nil for one that is too long.
    var bytes: [UInt8]?
  }

  private let file: FileHandle
  private var buffer: [UInt8] = []
  private var at = 0
  private var isAtEnd = false
  private var isAtStart = true
  /// The line that is read next.
  private(set) var number = 1

  init(_ file: FileHandle) { self.file = file }

  /// The next line, whatever it ends with; nil at the end.
  mutating func next() throws -> Line? {
    var (line, isTooLong) = ([UInt8](), false)
    while true {
      if let end = buffer[at...].firstIndex(of: 0x0a) {
        if !isTooLong { line += buffer[at..<end] }
        at = end + 1
        break
      }
      if line.count + buffer.count - at > Self.lineBytesMax { isTooLong = true }
      if isTooLong { line = [] } else { line += buffer[at...] }
      guard try fill() else {
        if line.isEmpty, !isTooLong { return nil }
        break
      }
    }
    if line.last == 0x0d { line.removeLast() }
    defer { number += 1 }
    return Line(number: number, bytes: isTooLong || line.count > Self.lineBytesMax ? nil : line)
  }

  /// The next byte of a record that may go over several lines; nil at the end.
  mutating func byte() throws -> UInt8? {
    if at == buffer.count, try !fill() { return nil }
    defer { at += 1 }
    if buffer[at] == 0x0a { number += 1 }
    return buffer[at]
  }

  /// The byte after, without taking it.
  mutating func peek() throws -> UInt8? {
    if at == buffer.count, try !fill() { return nil }
    return buffer[at]
  }

  private mutating func fill() throws -> Bool {
    guard !isAtEnd, let more = try file.read(upToCount: Self.chunkBytes), !more.isEmpty else {
      isAtEnd = true
      (buffer, at) = ([], 0)
      return false
    }
    (buffer, at) = (Array(more), 0)
    // A byte order mark says nothing in UTF-8.
    if isAtStart, buffer.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
    isAtStart = false
    return true
  }
}
