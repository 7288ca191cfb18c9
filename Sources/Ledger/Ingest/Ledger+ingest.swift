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
  public static let ingestEvents = 4_000
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
      var events: [(number: Int, event: NewEvent)] = []
      for item in items {
        guard report.bad.count < badMax else { break }
        report.lines += 1
        switch item.event {
        case .success(let event): events.append((item.number, event))
        case .failure(let fault): report.bad.append(.init(number: item.number, reason: fault.reason))
        }
      }
      var outcome = Outcome()
      try await append(events[...], to: workspace, run, &outcome)
      // Who may append nothing of all this may not append here.
      if let error = outcome.notAllowed, outcome.appended + outcome.replayed == 0,
        outcome.refused.count == outcome.notAllowedCount
      {
        throw error
      }
      report.appended += outcome.appended
      report.replayed += outcome.replayed
      report.bad = (report.bad + outcome.refused).sorted { $0.number < $1.number }
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

  /// What came of a batch.
  private struct Outcome {
    var appended = 0
    var replayed = 0
    var refused: [IngestReport.BadLine] = []
    var notAllowed: LedgerError?
    var notAllowedCount = 0
  }

  /// Of so many refusals each takes its line out; with more, halves are tried, which costs less than all the rest each time.
  private static let removedMax = 8

  /// Appends a batch; what the ledger refuses of it is found and left out.
  private func append(
    _ events: ArraySlice<(number: Int, event: NewEvent)>, to workspace: String, _ run: UUID?, _ outcome: inout Outcome,
    removed: Int = 0
  ) async throws {
    guard !events.isEmpty else { return }
    do {
      let result = try await append(events.map(\.event), to: workspace, run: run)
      outcome.appended += result.appended
      outcome.replayed += result.replayed
    } catch let error as LedgerError {
      let wrong = try Self.refused(events, error)
      guard let wrong, removed < Self.removedMax || events.count == 1 else {
        // One of them it is: half of them at a time, it is found.
        let middle = events.startIndex + events.count / 2
        try await append(events[..<middle], to: workspace, run, &outcome, removed: wrong == nil ? removed : 0)
        return try await append(events[middle...], to: workspace, run, &outcome, removed: wrong == nil ? removed : 0)
      }
      outcome.refused += wrong.map { .init(number: events[$0].number, reason: Self.reason(error)) }
      if case .notAllowed = error.code {
        outcome.notAllowed = error
        outcome.notAllowedCount += wrong.count
      }
      try await append(
        events.indices.filter { !wrong.contains($0) }.map { events[$0] }[...], to: workspace, run, &outcome,
        removed: removed + 1)
    }
  }

  /// A refusal without the place in the call, which says nothing of the line.
  private static func reason(_ error: LedgerError) -> String {
    error.message.replacing(/\bevent \d+\b/, with: "the event").replacing(/^Event \d+\b/, with: "The event")
  }

  /// Which of a batch a refusal is about; nil when it does not say.
  ///
  /// - Throws: a refusal that is about none of them.
  private static func refused(
    _ events: ArraySlice<(number: Int, event: NewEvent)>, _ error: LedgerError, isWhole: Bool = false
  ) throws
    -> [Int]?
  {
    func all(_ isWrong: (NewEvent) -> Bool) -> [Int]? {
      let wrong = events.indices.filter { isWrong(events[$0].event) }
      return wrong.isEmpty ? nil : wrong
    }
    let found: [Int]?
    switch error.code {
    case .invalidEvent(let index?, _) where index < events.count:
      found = [events.startIndex + index]
    case .unknownType(let type, let version):
      found = all { $0.type == type && Int($0.typeVersion) == version }
    case .unknownCause(let cause):
      // One that stands before it in the file is there once the lines between are appended by themselves.
      found = isWhole ? all { $0.cause == cause } : nil
    case .wrongExpectedVersion(let stream, let expected, _):
      found = all { $0.stream == stream && $0.expectedVersion == expected }.map { Array($0.prefix(1)) }
    case .sameIDOtherContent(let id, _):
      // Which of several it is, only one at a time tells: the others may be the event itself.
      found = all { $0.id == id }.flatMap { $0.count == 1 ? $0 : nil }
    case .invalidEvent, .notAllowed:
      found = nil
    default:
      throw error
    }
    return found ?? (events.count == 1 ? [events.startIndex] : nil)
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
      if case .notAllowed = refusal.code { throw refusal }
      if let wrong = try refused(events[...], refusal, isWhole: true)?.first {
        throw AtomicRefusal(line: .init(number: events[wrong].number, reason: reason(refusal)))
      }
      let (first, last) = (events[0].number, events[events.count - 1].number)
      throw AtomicRefusal(
        line: .init(number: first, reason: "One of lines \(first) to \(last): \(reason(refusal))"))
    }
  }
}
