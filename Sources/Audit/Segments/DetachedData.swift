public import Ledger

/// Gives events that were read from a ledger the data that was detached from there, out of the segments. Events come in
/// the order of their positions; others cost a segment read anew.
public struct DetachedData {
  private let segments: LogSegments
  private var reader: SegmentReader?

  /// The data that segments hold.
  public init(in segments: LogSegments) { self.segments = segments }

  /// The same events, each with its data unless it was redacted.
  ///
  /// - Throws: ``AuditError`` with `.segment` when a segment is missing, or does not hold the data that an event had;
  ///   `StorageError`.
  public mutating func filled(_ events: [RecordedEvent]) async throws -> [RecordedEvent] {
    guard events.contains(where: \.isDetached) else { return events }
    var filled = events
    for place in filled.indices where filled[place].isDetached {
      guard let position = filled[place].position else { continue }
      filled[place].data = try await data(of: filled[place], at: position)
    }
    return filled
  }

  private mutating func data(of event: RecordedEvent, at position: Int64) async throws -> String {
    let number = segments.number(holding: position)
    var reader: SegmentReader
    if let open = self.reader, open.number == number, open.position < position {
      reader = open
    } else {
      reader = try await SegmentReader(of: segments, number)
    }
    self.reader = nil
    try await reader.skip(through: position - 1)
    let entry = try await reader.next()
    guard let entry, entry.position == position, entry.leaf == event.leaf, entry.dataFits == true,
      let data = entry.content?.data
    else {
      throw AuditError(
        .segment, "\(reader.path) does not hold the data of the event at position \(position), which was detached.")
    }
    self.reader = reader
    return data
  }
}
