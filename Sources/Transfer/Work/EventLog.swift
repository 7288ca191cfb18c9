public import Foundation
public import Ledger

/// The ledger as jobs need it: workspaces that are opened, read forward and appended to.
///
/// What ``Ledger`` promises of these calls holds of every other log as well: sequences 1, 2, 3 … in commit order, ids
/// before expected versions, and ``LedgerError`` for what is refused.
public protocol EventLog: Sendable {
  /// Opens a workspace for events. Does nothing if it is open.
  func openWorkspace(_ workspace: String) async throws

  /// Reads a workspace forward.
  ///
  /// - Parameters:
  ///   - types: the types wanted; nil for all.
  ///   - limit: events at most.
  func read(
    workspace: String, after cursor: SequenceCursor, types: [String]?, limit: Int
  ) async throws -> EventPage<SequenceCursor>

  /// Appends events to a workspace: one call, all of them or none.
  ///
  /// - Parameters:
  ///   - run: the execution of the job that appends.
  ///   - principal: whom the service acts for; nil for the user of the connection.
  func append(
    _ events: [NewEvent], to workspace: String, run: UUID?, as principal: String?
  ) async throws -> AppendResult
}

extension Ledger: EventLog {
  /// Reads a workspace forward, however many bytes that is: histories are folded page by page.
  public func read(
    workspace: String, after cursor: SequenceCursor, types: [String]?, limit: Int
  ) async throws -> EventPage<SequenceCursor> {
    try await read(workspace: workspace, after: cursor, types: types, limit: limit, bytesMax: nil)
  }
}

extension EventLog {
  func read(
    workspace: String, after cursor: SequenceCursor, limit: Int
  ) async throws -> EventPage<SequenceCursor> {
    try await read(workspace: workspace, after: cursor, types: nil, limit: limit)
  }
}

/// A log that takes events only while a lock is still held: what was done under a lock that is lost is not recorded,
/// since somebody else may be at it already.
///
/// A lock can still be lost between the proof and the append. What decides then is the event's id: of two that say the
/// same work was done, the ledger keeps the first.
struct FencedLog: EventLog {
  let log: any EventLog
  let lock: HeldLock

  func openWorkspace(_ workspace: String) async throws { try await log.openWorkspace(workspace) }

  func read(
    workspace: String, after cursor: SequenceCursor, types: [String]?, limit: Int
  ) async throws -> EventPage<SequenceCursor> {
    try await log.read(workspace: workspace, after: cursor, types: types, limit: limit)
  }

  func append(
    _ events: [NewEvent], to workspace: String, run: UUID?, as principal: String?
  ) async throws -> AppendResult {
    try await lock.prove()
    return try await log.append(events, to: workspace, run: run, as: principal)
  }
}
