public import Foundation
public import Postgres

/// Small appends to a workspace that come at the same time, in one transaction: so many commits fewer. Each caller is told its
/// own result, and what is refused of one refuses no other.
public actor GroupCommit {
  /// What became of a caller's events.
  public struct Receipt: Sendable, Hashable {
    /// Their sequences; for those that were there already, the original ones.
    public let sequences: [Int64]
    /// Whether each is new.
    public let isNew: [Bool]
    /// When: the time of the append, or of the latest original if nothing is new.
    public let recordedAt: Timestamp
  }

  /// Too much is waiting already.
  public struct Full: Error, Sendable, Hashable {}

  /// Events of one transaction, unless a caller's own are more.
  static let groupEventsMax = 1_000
  /// Bytes of data of one transaction, unless a caller's own are more.
  static let groupBytesMax = 4_194_304

  private struct Speaker: Hashable {
    var principal: String?
    var run: UUID?
  }

  private struct Request {
    let events: [NewEvent]
    let bytes: Int
    let speaker: Speaker
    let answer: CheckedContinuation<Receipt, any Error>
  }

  private let ledger: Ledger
  private let waitingMax: Int
  private let waitingBytesMax: Int
  private var waiting = 0
  private var waitingBytes = 0
  /// What waits for a workspace whose turn is running.
  private var lanes: [String: [Request]] = [:]

  /// Appends to a ledger.
  ///
  /// - Parameters:
  ///   - waitingMax: callers that may wait at once, over all workspaces.
  ///   - waitingBytesMax: bytes of data that may wait at once.
  public init(_ ledger: Ledger, waitingMax: Int = 1_024, waitingBytesMax: Int = 134_217_728) {
    self.ledger = ledger
    self.waitingMax = waitingMax
    self.waitingBytesMax = waitingBytesMax
  }

  /// Appends events to a workspace, all of them or none. Once begun it is not given up: a caller that does not wait for its
  /// answer asks again with the same ids.
  ///
  /// - Throws: ``Full``; as ``Ledger/append(_:to:run:as:)``.
  public nonisolated func append(
    _ events: [NewEvent], to workspace: String, run: UUID? = nil, as principal: String? = nil
  ) async throws -> Receipt {
    // Beside the others: what is large takes its time.
    try EventRules.check(events)
    return try await take(events, to: workspace, run: run, as: principal)
  }

  private func take(
    _ events: [NewEvent], to workspace: String, run: UUID?, as principal: String?
  ) async throws -> Receipt {
    let bytes = events.reduce(0) { $0 + $1.data.utf8.count }
    guard waiting < waitingMax, waiting == 0 || waitingBytes + bytes <= waitingBytesMax else { throw Full() }
    waiting += 1
    waitingBytes += bytes
    defer {
      waiting -= 1
      waitingBytes -= bytes
    }
    return try await withCheckedThrowingContinuation { answer in
      let request = Request(
        events: events, bytes: bytes, speaker: Speaker(principal: principal, run: run), answer: answer)
      guard lanes[workspace] == nil else {
        lanes[workspace]?.append(request)
        return
      }
      lanes[workspace] = [request]
      Task { await self.serve(workspace) }
    }
  }

  /// Takes turns until nothing waits any more.
  private func serve(_ workspace: String) async {
    while let group = next(of: workspace) { await Self.append(group, to: workspace, ledger) }
  }

  private func next(of workspace: String) -> [Request]? {
    guard let lane = lanes[workspace], !lane.isEmpty else {
      lanes[workspace] = nil
      return nil
    }
    var (events, bytes) = (0, 0)
    let group = lane.prefix { request in
      events += request.events.count
      bytes += request.bytes
      return events == request.events.count || events <= Self.groupEventsMax && bytes <= Self.groupBytesMax
    }
    lanes[workspace]?.removeFirst(group.count)
    return Array(group)
  }

  private static func append(_ group: [Request], to workspace: String, _ ledger: Ledger) async {
    guard group.count > 1 else {
      for request in group { await append(alone: request, to: workspace, ledger) }
      return
    }
    // In the order of the first of each: what was asked one after the other comes in that order.
    var (speakers, parts) = ([Speaker](), [Speaker: [Request]]())
    for request in group {
      if parts[request.speaker] == nil { speakers.append(request.speaker) }
      parts[request.speaker, default: []].append(request)
    }
    let batches = speakers.compactMap { speaker in
      parts[speaker].map { (speaker: speaker, requests: $0, batch: Batch($0.flatMap(\.events))) }
    }
    let results: [Result<AppendResult, LedgerError>]
    do {
      let calls = batches.map { (speaker: $0.speaker, batch: $0.batch) }
      results = try await ledger.ask { session in try Self.append(calls, to: workspace, session) }
    } catch let error as PostgresError where error.sqlState != nil && !error.isTransient {
      // Something one of them holds may be too much for the database; the others are not to pay for it.
      for request in group { await append(alone: request, to: workspace, ledger) }
      return
    } catch {
      for request in group { request.answer.resume(throwing: error) }
      return
    }
    for (part, result) in zip(batches, results) {
      switch result {
      case .success(let result):
        for (request, receipt) in zip(part.requests, receipts(part.requests.map(\.events.count), result)) {
          if result.appended > 0, !receipt.isNew.contains(true) {
            // The time of the whole is that of others' events; by itself it is that of its own.
            await append(alone: request, to: workspace, ledger)
          } else {
            request.answer.resume(returning: receipt)
          }
        }
      case .failure:
        // One of them it is; by itself each is told what is wrong with it.
        for request in part.requests { await append(alone: request, to: workspace, ledger) }
      }
    }
  }

  private static func append(alone request: Request, to workspace: String, _ ledger: Ledger) async {
    do {
      let result = try await ledger.append(
        request.events, to: workspace, run: request.speaker.run, as: request.speaker.principal)
      request.answer.resume(returning: receipts([request.events.count], result)[0])
    } catch {
      request.answer.resume(throwing: error)
    }
  }

  private static func append(
    _ calls: [(speaker: Speaker, batch: Batch)], to workspace: String, _ session: Session
  ) throws -> [Result<AppendResult, LedgerError>] {
    func append(_ call: (speaker: Speaker, batch: Batch), _ session: Session) throws -> AppendResult {
      try Ledger.append(call.batch, workspace, call.speaker.run, call.speaker.principal, session)
    }
    func result(_ body: () throws -> AppendResult) throws -> Result<AppendResult, LedgerError> {
      do {
        return .success(try body())
      } catch let error as PostgresError {
        guard let refusal = LedgerError(error) else { throw error }
        return .failure(refusal)
      }
    }
    guard calls.count > 1 else { return try calls.map { call in try result { try append(call, session) } } }
    return try session.transaction { session in
      try calls.map { call in try result { try session.savepoint { try append(call, $0) } } }
    }
  }

  /// A receipt for each caller. What is new took the last sequences of all, so these tell it from what was there; of an id that
  /// stands twice, the first is new.
  static func receipts(_ counts: [Int], _ result: AppendResult) -> [Receipt] {
    let last = result.sequences.max() ?? 0
    var seen: Set<Int64> = []
    var rest = result.sequences[...]
    return counts.map { count in
      let sequences = Array(rest.prefix(count))
      rest = rest.dropFirst(count)
      return Receipt(
        sequences: sequences,
        isNew: sequences.map { $0 > last - Int64(result.appended) && seen.insert($0).inserted },
        recordedAt: result.recordedAt)
    }
  }
}
