import Foundation
import Storage
import Transparency

/// Reads a segment forward, line by line.
struct SegmentReader {
  let number: Int64
  let header: LogSegments.Header
  let path: String
  /// The position of the entry that was read last; before the first one, the one before it.
  private(set) var position: Int64
  private var lines: Lines
  private var isAtEnd = false

  /// Opens a segment and reads its first line.
  ///
  /// - Throws: ``AuditError`` with `.segment` when there is none, or it is none; `StorageError`.
  init(of segments: LogSegments, _ number: Int64) async throws {
    let key = try segments.key(of: number)
    path = key.path
    self.number = number
    lines = Lines(path: key.path, body: try await segments.storage.read(key).makeAsyncIterator())
    do {
      guard let line = try await lines.next(),
        let header = try? JSONDecoder().decode(LogSegments.Header.self, from: Data(line))
      else { throw AuditError(.segment, "\(path) does not begin as a segment does.") }
      self.header = header
    } catch let error as StorageError where error.code == .notFound {
      throw AuditError(.segment, "Segment \(number) is missing: there is no \(path) in external storage.")
    }
    position = header.first - 1
  }

  /// The next entry, with its data; `nil` where they end.
  mutating func next() async throws -> LogEntry? {
    guard !isAtEnd else { return nil }
    guard let leaf = try await lines.next(), !leaf.isEmpty else {
      isAtEnd = true
      return nil
    }
    guard let data = try await lines.next() else {
      throw AuditError(.segment, "\(path) ends within the event after position \(position).")
    }
    position += 1
    do {
      return try LogLines.entry(leaf, data, at: position, of: path, keepsContent: true)
    } catch let error as AuditError {
      throw AuditError(.segment, error.description)
    }
  }

  /// Goes past entries up to a position without looking at them.
  mutating func skip(through last: Int64) async throws {
    while position < last, !isAtEnd {
      guard let leaf = try await lines.next(), !leaf.isEmpty, try await lines.next() != nil else {
        isAtEnd = true
        return
      }
      position += 1
    }
  }

  /// The checkpoint behind the entries, once they are read.
  mutating func checkpoint() async throws -> SignedNote {
    do {
      return try SignedNote(try await lines.rest())
    } catch let error as NoteError {
      throw AuditError(.segment, "\(path) ends with what is no checkpoint. \(error)")
    }
  }
}

/// The lines of a file in a store.
private struct Lines {
  let path: String
  var body: StorageBody.Iterator
  private var buffer: ArraySlice<UInt8> = []

  init(path: String, body: StorageBody.Iterator) {
    self.path = path
    self.body = body
  }

  /// The next line without its end; `nil` when the file ends before one does.
  mutating func next() async throws -> [UInt8]? {
    var line: [UInt8] = []
    while true {
      if let end = buffer.firstIndex(of: 0x0a) {
        line += buffer[..<end]
        buffer = buffer[(end + 1)...]
        return line
      }
      line += buffer
      guard line.count <= LogLines.bytesMax else {
        throw AuditError(.segment, "\(path) has a line of more than \(LogLines.bytesMax) bytes.")
      }
      guard let chunk = try await body.next() else { return nil }
      buffer = chunk[...]
    }
  }

  /// Everything that is left.
  mutating func rest() async throws -> [UInt8] {
    var rest = Array(buffer)
    while let chunk = try await body.next() {
      rest += chunk
      guard rest.count <= LogLines.bytesMax else {
        throw AuditError(.segment, "\(path) has more than \(LogLines.bytesMax) bytes after its events.")
      }
    }
    return rest
  }
}
