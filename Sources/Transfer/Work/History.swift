import Foundation
import Ledger
import Marketplace
import Postgres

/// A workspace's history as jobs use it: folded into a state, and appended to.
struct History: Sendable {
  /// Events read at a time.
  static let pageEvents = 5_000
  /// Events appended in one call: the ledger's batch, within one transaction.
  static let batchEvents = 1_000
  /// Bytes of data appended in one call.
  static let batchBytes = 8 * 1_048_576

  let ledger: any EventLog
  let run: UUID

  /// The state of a workspace, brought up to date from `known` or folded from the beginning.
  ///
  /// - Parameter seeing: is given each event as it is folded, and when it was recorded, in milliseconds since 1970.
  /// - Throws: ``LedgerError``, or ``DomainError`` for an event that this program does not understand.
  func load(
    _ workspace: WorkspaceID, from known: WorkspaceState? = nil, seeing: (DomainEvent, Int64) -> Void = { _, _ in }
  ) async throws -> WorkspaceState {
    var state = known ?? WorkspaceState(workspace: workspace)
    while true {
      let page = try await ledger.read(
        workspace: workspace.text, after: SequenceCursor(state.sequence), types: nil, limit: Self.pageEvents)
      for event in page.events { try fold(event, into: &state, seeing) }
      if page.isLast { return state }
    }
  }

  private func fold(
    _ event: RecordedEvent, into state: inout WorkspaceState, _ seeing: (DomainEvent, Int64) -> Void
  ) throws {
    // A redacted event says no more than that its stream moved on.
    let domain = try event.data.flatMap {
      try DomainEvent(type: event.type, typeVersion: Int(event.typeVersion), json: $0)
    }
    let recordedAt = event.recordedAt.microseconds / 1_000
    state.apply(
      domain, stream: event.stream, streamVersion: event.version, sequence: event.sequence, recordedAt: recordedAt)
    if let domain { seeing(domain, recordedAt) }
  }

  /// The names that the marketplace has given away.
  func loadNames() async throws -> AssignedNames {
    var names = AssignedNames()
    var cursor: SequenceCursor = 0
    while true {
      let page = try await ledger.read(
        workspace: WorkspaceID.marketplace.text, after: cursor,
        types: [DomainEvent.Kind.marketplaceNameAssigned.rawValue], limit: Self.pageEvents)
      cursor = page.next
      for event in page.events {
        guard let data = event.data else { continue }
        if case .marketplaceNameAssigned(let assigned)? = try DomainEvent(
          type: event.type, typeVersion: Int(event.typeVersion), json: data)
        {
          names.apply(assigned)
        }
      }
      if page.isLast { return names }
    }
  }

  /// Appends in order, in as few calls as the bounds of a batch allow.
  ///
  /// - Returns: the events' sequences.
  /// - Throws: ``LedgerError``, before anything is appended when an event is larger than the ledger takes.
  func append(_ events: [ProposedEvent], to workspace: WorkspaceID, cause: EventReference? = nil) async throws
    -> [Int64]
  {
    let all = try events.map { proposed in
      NewEvent(
        stream: proposed.stream, expectedVersion: proposed.expectedVersion, id: proposed.id,
        type: proposed.event.type, occurredAt: proposed.occurredAt.map { Timestamp(milliseconds: $0) },
        data: try proposed.event.json(), cause: cause)
    }
    var sequences: [Int64] = []
    for batch in try Self.batches(of: all) {
      sequences += try await ledger.append(batch, to: workspace.text, run: run, as: nil).sequences
    }
    return sequences
  }

  /// Cuts events into calls by count and by bytes.
  static func batches(of events: [NewEvent], bytesMax: Int = batchBytes) throws -> [[NewEvent]] {
    var batches: [[NewEvent]] = []
    var bytes = 0
    for event in events {
      let size = event.data.utf8.count
      guard size <= EventRules.dataBytesMax else {
        throw LedgerError(
          .invalidEvent(index: nil, byteOffset: nil),
          "\(event.type) of \(event.stream) has \(size) bytes of data, and \(EventRules.dataBytesMax) are the most "
            + "(dataBytesMax). Nothing was appended.",
          hint: "Shorten what the source says there: descriptions, tags, parameters or the signature.")
      }
      if let last = batches.last, last.count < batchEvents, bytes + size <= bytesMax {
        batches[batches.count - 1].append(event)
        bytes += size
      } else {
        batches.append([event])
        bytes = size
      }
    }
    return batches
  }
}

extension LedgerError {
  /// Whether somebody else's events came first: read again and decide again.
  var isLostRace: Bool {
    switch code {
    case .wrongExpectedVersion, .sameIDOtherContent: true
    default: false
    }
  }
}
