import Foundation
import Ledger
import Marketplace
import Postgres
import Transfer

/// The ledger in memory, with the semantics of `ledger.append`.
final class LogState {
  private(set) var workspaces: [String: [RecordedEvent]] = [:]
  private var streams: [String: [String: Int64]] = [:]
  private var ids: [String: [UUID: Int64]] = [:]

  func open(_ workspace: String) {
    if workspaces[workspace] == nil { workspaces[workspace] = [] }
  }

  func events(_ workspace: String) -> [RecordedEvent] { workspaces[workspace] ?? [] }

  /// Ids come before expected versions: known ones give their sequences, the others are appended; a mixed batch with
  /// an expected version is refused.
  ///
  /// - Returns: the sequences in the order of the events, and what is new.
  func append(
    _ events: [NewEvent], to workspace: String, run: UUID?, at clock: Int64
  ) throws -> (AppendResult, [RecordedEvent]) {
    guard let log = workspaces[workspace] else { throw LedgerError(.unknownWorkspace(workspace), "It is not open.") }
    guard !events.isEmpty else { throw LedgerError(.invalidEvent(index: nil, byteOffset: nil), "An empty batch.") }
    for cause in events.compactMap(\.cause) {
      guard (1...Int64(max(1, self.events(cause.workspace).count))).contains(cause.sequence),
        !self.events(cause.workspace).isEmpty
      else { throw LedgerError(.unknownCause(cause), "The cause is not in the log.") }
    }
    if events.contains(where: {
      $0.type == "ModelDescribed" && $0.data.contains("unacceptable") && $0.data.contains(#""version":"#)
    }) {
      throw LedgerError(.invalidEvent(index: nil, byteOffset: nil), "It is unacceptable.")
    }
    var known: [UUID: Int64] = [:]
    var first: [UUID: NewEvent] = [:]
    for event in events {
      if let sequence = ids[workspace]?[event.id] {
        guard Self.isSame(event, log[Int(sequence) - 1]) else {
          throw LedgerError(.sameIDOtherContent(id: event.id, sequence: sequence), "The id is taken.")
        }
        known[event.id] = sequence
      } else if let twin = first[event.id], !Self.isSame(event, twin) {
        throw LedgerError(.sameIDOtherContent(id: event.id, sequence: nil), "The id stands twice in the call.")
      }
      first[event.id] = first[event.id] ?? event
    }
    var seen: Set<UUID> = []
    let fresh = events.filter { known[$0.id] == nil && seen.insert($0.id).inserted }
    if !known.isEmpty, !fresh.isEmpty, let event = events.first(where: { $0.expectedVersion != nil }) {
      throw wrongVersion(event, in: workspace, actual: streams[workspace]?[event.stream] ?? 0)
    }
    var versions = streams[workspace] ?? [:]
    let recordedAt = Timestamp(
      microseconds: max(clock * 1_000, (log.last?.recordedAt.microseconds ?? 0) + 1))
    var recorded: [RecordedEvent] = []
    for event in fresh {
      let actual = versions[event.stream] ?? 0
      if let expected = event.expectedVersion, expected != actual {
        throw wrongVersion(event, in: workspace, actual: actual)
      }
      versions[event.stream] = actual + 1
      recorded.append(
        RecordedEvent(
          workspace: workspace, sequence: Int64(log.count + recorded.count + 1), stream: event.stream,
          version: actual + 1, id: event.id, type: event.type, typeVersion: event.typeVersion,
          recordedAt: recordedAt, occurredAt: event.occurredAt, principal: "job", run: run, cause: event.cause,
          data: event.data, salt: nil, dataHash: [], nth: recorded.count, position: nil))
    }
    streams[workspace] = versions
    workspaces[workspace]?.append(contentsOf: recorded)
    for event in recorded {
      ids[workspace, default: [:]][event.id] = event.sequence
      known[event.id] = event.sequence
    }
    let result = AppendResult(
      sequences: events.compactMap { known[$0.id] }, appended: recorded.count,
      replayed: events.count - recorded.count, recordedAt: recordedAt)
    return (result, recorded)
  }

  private func wrongVersion(_ event: NewEvent, in workspace: String, actual: Int64) -> LedgerError {
    LedgerError(
      .wrongExpectedVersion(stream: event.stream, expected: event.expectedVersion ?? 0, actual: actual),
      "Wrong expected version.")
  }

  private static func isSame(_ event: NewEvent, _ known: RecordedEvent) -> Bool {
    event.stream == known.stream && event.type == known.type && event.typeVersion == known.typeVersion
      && event.data == known.data
  }

  private static func isSame(_ event: NewEvent, _ other: NewEvent) -> Bool {
    event.stream == other.stream && event.type == other.type && event.typeVersion == other.typeVersion
      && event.data == other.data
  }
}

struct SimulatedLog: EventLog {
  let process: SimulatedProcess

  private static let leadsOn: Set<String> = ["MarketplaceDriftFound", "ExportInvalidated", "ImportLost"]
  /// A process that has appended one of these dies so often.
  private static let diesOnceIn = 6

  func openWorkspace(_ workspace: String) async throws {
    try await process.call(.log, "open a workspace", at: workspace) { process.world.log.open(workspace) }
  }

  func read(
    workspace: String, after cursor: SequenceCursor, types: [String]?, limit: Int
  ) async throws -> EventPage<SequenceCursor> {
    if workspace == "marketplace" { process.conduct.nameReadings += 1 }
    return try await process.call(.log, "read events", at: workspace) {
      let events = process.world.log.events(workspace).dropFirst(Int(cursor.sequence))
        .filter { types?.contains($0.type) ?? true }.prefix(limit)
      return EventPage(
        events: Array(events), next: events.last.map { SequenceCursor($0.sequence) } ?? cursor,
        isLast: events.count < limit)
    }
  }

  func append(
    _ events: [NewEvent], to workspace: String, run: UUID?, as principal: String?
  ) async throws -> AppendResult {
    let world = process.world
    return try await process.call(.log, "append", at: workspace) {
      let (result, recorded) = try world.log.append(events, to: workspace, run: run, at: world.clock)
      for event in recorded {
        world.note("  + \(workspace)/\(event.sequence) \(event.type) \(event.data ?? "")")
        world.checker.appended(event, by: process)
      }
      // What these lead to is still to be done.
      if recorded.contains(where: { Self.leadsOn.contains($0.type) }) { try process.mayDie(onceIn: Self.diesOnceIn) }
      return result
    }
  }
}
