import Postgres

/// What an event must keep to, checked before it is sent; the database checks the same again. Names end in the
/// unit; `ledger.*_max()` are their counterparts.
public enum EventRules {
  /// Events one call may append.
  public static let batchEventsMax = 10_000
  /// Bytes of data one call may append.
  public static let batchBytesMax = 67_108_864
  /// Bytes of data an event may have.
  public static let dataBytesMax = 1_048_576
  /// Objects and arrays of data that may stand one in another.
  public static let dataDepthMax = 64
  /// Digits a number in data may have, exponent not counted.
  public static let numberDigitsMax = 40
  /// The greatest exponent of a number in data, either way.
  public static let numberExponentMax = 308
  /// Bytes the name of a stream may have.
  public static let streamBytesMax = 512

  /// From the first moment of year 1 up to the first of year 10000, which RFC 3339 cannot write any more.
  static let occurredAt =
    Timestamp(milliseconds: -62_135_596_800_000)..<Timestamp(milliseconds: 253_402_300_800_000)

  /// Checks a batch.
  ///
  /// - Throws: ``LedgerError`` with ``LedgerError/Code/invalidEvent(index:byteOffset:)``.
  static func check(_ events: [NewEvent]) throws(LedgerError) {
    guard (1...batchEventsMax).contains(events.count) else {
      throw refusal(
        nil, "The batch has \(events.count) events; 1 to \(batchEventsMax) are allowed (batchEventsMax).",
        "Append it in several calls.")
    }
    var bytes = 0
    for (index, event) in events.enumerated() {
      try check(event, at: index)
      bytes += event.data.utf8.count
    }
    guard bytes <= batchBytesMax else {
      throw refusal(
        nil, "The batch has \(bytes) bytes of data, and \(batchBytesMax) are the most (batchBytesMax).",
        "Append it in several calls.")
    }
  }

  private static func check(_ event: NewEvent, at index: Int) throws(LedgerError) {
    guard isName(event.stream) else {
      throw refusal(
        index, "The stream of event \(index) is empty, too long or has control characters.",
        "Give it 1 to \(streamBytesMax) bytes (streamBytesMax).")
    }
    if let expected = event.expectedVersion, expected < 0 {
      throw refusal(
        index, "Event \(index) expects version \(expected).",
        "Nil expects nothing; 0 expects an empty stream.")
    }
    if let time = event.occurredAt, !occurredAt.contains(time) {
      throw refusal(
        index, "Event \(index) occurred outside the years 1 to 9999.",
        "Leave the time out if it is not known.")
    }
    do {
      try JSONCheck.check(event.data)
    } catch {
      throw LedgerError(
        .invalidEvent(index: index, byteOffset: error.byteOffset),
        "The data of event \(index) is refused at byte \(error.byteOffset): \(error.reason).",
        hint: "Events and bytes are counted from 0. Data is one JSON object.")
    }
  }

  private static func isName(_ name: String) -> Bool {
    (1...streamBytesMax).contains(name.utf8.count)
      && !name.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
  }

  private static func refusal(_ index: Int?, _ message: String, _ hint: String) -> LedgerError {
    LedgerError(.invalidEvent(index: index, byteOffset: nil), message, hint: hint)
  }
}
