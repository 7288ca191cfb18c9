public import Foundation
import Postgres

/// What came of appending a file.
public struct IngestReport: Sendable, Hashable {
  /// Lines that are not empty.
  public internal(set) var lines = 0
  /// Events that are new.
  public internal(set) var appended = 0
  /// Events that were there already.
  public internal(set) var replayed = 0
  /// Lines that are no events, or that the ledger refuses.
  public internal(set) var bad: [BadLine] = []
  /// Whether it ended early, with too many bad lines.
  public internal(set) var isCutShort = false

  /// A line that was not appended.
  public struct BadLine: Sendable, Hashable {
    /// From 1.
    public let number: Int
    /// The end of a sentence.
    public let reason: String
  }
}

extension Ledger {
  /// Events of one call while a file is appended.
  public static let ingestEvents = 1_000
  /// Bytes of data of one call while a file is appended, about.
  public static let ingestBytes = 8 * 1_048_576

  /// Appends the events of a file, call by call, each a transaction of its own. A line that is no event, or that the ledger
  /// refuses, is reported and left out; what was appended stays. Doing it again is harmless: ids make the second time find
  /// what the first one did.
  ///
  /// - Parameters:
  ///   - badMax: it ends after so many bad lines.
  ///   - told: is called with what came of it so far, after each call.
  /// - Throws: ``LedgerError`` for a workspace that is not open and for who may not append there; `PostgresError`;
  ///   `CancellationError`; what reading the file throws.
  public func ingest(
    _ source: EventSource, to workspace: String, run: UUID? = nil, badMax: Int = 1_000,
    told: @Sendable (IngestReport) -> Void = { _ in }
  ) async throws -> IngestReport {
    var report = IngestReport()
    // The next lines are read while these are appended.
    var upcoming = Self.batch(of: source)
    defer { upcoming.cancel() }
    while true {
      let items = try await upcoming.value
      guard !items.isEmpty else { return report }
      upcoming = Self.batch(of: source)
      try Task.checkCancellation()
      report.lines += items.count
      var events: [(number: Int, event: NewEvent)] = []
      for item in items {
        switch item.event {
        case .success(let event): events.append((item.number, event))
        case .failure(let fault): report.bad.append(.init(number: item.number, reason: fault.reason))
        }
      }
      try await append(events[...], to: workspace, run, badMax, &report)
      report.bad.sort { $0.number < $1.number }
      told(report)
      guard report.bad.count < badMax else {
        report.isCutShort = true
        return report
      }
    }
  }

  private static func batch(of source: EventSource) -> Task<[EventSource.Item], any Error> {
    Task { try await source.batch(events: ingestEvents, bytes: ingestBytes) }
  }

  /// Appends a batch; what the ledger refuses of it is found and left out.
  private func append(
    _ events: ArraySlice<(number: Int, event: NewEvent)>, to workspace: String, _ run: UUID?, _ badMax: Int,
    _ report: inout IngestReport
  ) async throws {
    guard !events.isEmpty, report.bad.count < badMax else { return }
    do {
      let result = try await append(events.map(\.event), to: workspace, run: run)
      report.appended += result.appended
      report.replayed += result.replayed
    } catch let error as LedgerError {
      guard let wrong = try Self.refused(events, error) else {
        // One of them it is: half of them at a time, it is found.
        let middle = events.startIndex + events.count / 2
        try await append(events[..<middle], to: workspace, run, badMax, &report)
        return try await append(events[middle...], to: workspace, run, badMax, &report)
      }
      report.bad += wrong.map { .init(number: events[$0].number, reason: Self.reason(error)) }
      try await append(
        events.indices.filter { !wrong.contains($0) }.map { events[$0] }[...], to: workspace, run, badMax, &report)
    }
  }

  /// A refusal without the place in the call, which says nothing of the line.
  private static func reason(_ error: LedgerError) -> String {
    error.message.replacing(/\bevent \d+\b/, with: "the event").replacing(/^Event \d+\b/, with: "The event")
  }

  /// Which of a batch a refusal is about; nil when it does not say.
  ///
  /// - Throws: a refusal that is about none of them.
  private static func refused(_ events: ArraySlice<(number: Int, event: NewEvent)>, _ error: LedgerError) throws
    -> [Int]?
  {
    switch error.code {
    case .invalidEvent(let index?, _) where index < events.count:
      return [events.startIndex + index]
    case .sameIDOtherContent(let id, let sequence):
      let places = events.indices.filter { events[$0].event.id == id }
      // Of two in one call, the first is the event.
      let wrong = sequence == nil ? Array(places.dropFirst()) : places
      return wrong.isEmpty ? nil : wrong
    case .unknownType(let type, let version):
      let wrong = events.indices.filter {
        events[$0].event.type == type && Int(events[$0].event.typeVersion) == version
      }
      return wrong.isEmpty ? nil : wrong
    case .invalidEvent, .unknownCause, .wrongExpectedVersion:
      return events.count == 1 ? [events.startIndex] : nil
    default:
      throw error
    }
  }

  /// Appends the events of a file in one transaction: all, or with the first line that is bad none.
  ///
  /// Appends to the workspace wait until it ends, and it is not tried again: a pipe cannot be read twice.
  ///
  /// - Throws: as ``ingest(_:to:run:badMax:told:)``.
  public func ingestAtomically(
    _ source: EventSource, to workspace: String, run: UUID? = nil
  ) async throws -> IngestReport {
    do {
      return try await LedgerError.translating {
        try await pool.withSession { session in
          try session.transaction { session in
            var report = IngestReport()
            while true {
              let items = try source.next(events: Self.ingestEvents, bytes: Self.ingestBytes)
              guard !items.isEmpty else { return report }
              report.lines += items.count
              let result = try Self.appendAll(items, to: workspace, run, session)
              report.appended += result.appended
              report.replayed += result.replayed
            }
          }
        }
      }
    } catch let error as AtomicRefusal {
      var report = IngestReport()
      report.lines = error.line.number
      report.bad = [error.line]
      return report
    }
  }

  private struct AtomicRefusal: Error {
    var line: IngestReport.BadLine
  }

  private static func appendAll(
    _ items: [EventSource.Item], to workspace: String, _ run: UUID?, _ session: Session
  ) throws -> AppendResult {
    let events = try items.map { item in
      switch item.event {
      case .success(let event): return (number: item.number, event: event)
      case .failure(let fault): throw AtomicRefusal(line: .init(number: item.number, reason: fault.reason))
      }
    }
    do {
      try EventRules.check(events.map(\.event))
      return try append(Batch(events.map(\.event)), workspace, run, nil, session)
    } catch {
      guard let refusal = error as? LedgerError ?? (error as? PostgresError).flatMap({ LedgerError($0) }) else {
        throw error
      }
      let wrong = try refused(events[...], refusal)?.first ?? events.startIndex
      throw AtomicRefusal(line: .init(number: events[wrong].number, reason: Self.reason(refusal)))
    }
  }
}
