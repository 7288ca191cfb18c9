import Foundation
import Ledger
public import Postgres

/// The fixed history of Resources/sample-history.ndjson, in a database of its own.
///
/// Two workspaces: a first observation, a promotion, a rollback after an unreadable spell, an alias that moves with a
/// rename, an export failure, an invalidated export, a lost import, a deleted and re-created model, a hostile name,
/// and a workspace that is disconnected.
public struct SampleHistory: Sendable {
  /// A name that a registry let somebody give.
  public static let hostileName = "na\u{ef}ve \u{202e}txt.exe \u{1F9EC}'; DROP TABLE catalog; --"

  /// The database.
  public let pool: PostgresPool
  /// The last position of each seal.
  public let seals: [Int64]

  /// Appended once; whoever wants it gets a copy.
  private static let template = Task {
    let database = try await TestCluster.migratedDatabase()
    let pool = database.pool(connectionsMax: 1)
    do {
      let seals = try await append(to: pool)
      await pool.close()
      return (name: database.name, seals: seals)
    } catch {
      await pool.close()
      throw error
    }
  }

  /// The history, in a fresh database.
  public static func append() async throws -> SampleHistory {
    let made = try await template.value
    let database = try await TestCluster.createDatabase(template: made.name)
    return SampleHistory(pool: database.pool(connectionsMax: 2), seals: made.seals)
  }

  /// A call for each stretch of one workspace between two seals.
  ///
  /// - Returns: the last position of each seal.
  private static func append(to pool: PostgresPool) async throws -> [Int64] {
    let ledger = Ledger(pool)
    var seals: [Int64] = []
    var waiting: (workspace: String, events: [NewEvent])?
    func send() async throws {
      guard let (workspace, events) = waiting else { return }
      try await ledger.openWorkspace(workspace)
      _ = try await ledger.append(events, to: workspace, run: nil)
      waiting = nil
    }
    for line in PackageResources.sample_history_ndjson.split(separator: UInt8(ascii: "\n")) {
      let object = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] ?? [:]
      if object["seal"] != nil {
        try await send()
        seals.append(try await ledger.seal().last)
        continue
      }
      guard let workspace = object["workspace"] as? String, let stream = object["stream"] as? String,
        let type = object["type"] as? String, let data = object["data"]
      else { throw CocoaError(.coderInvalidValue) }
      if waiting?.workspace != workspace { try await send() }
      let text = try JSONSerialization.data(withJSONObject: data, options: [.sortedKeys])
      let event = NewEvent(
        stream: stream, expectedVersion: nil, id: UUID(), type: type, occurredAt: nil,
        data: String(decoding: text, as: UTF8.self), cause: nil)
      waiting = (workspace, (waiting?.events ?? []) + [event])
    }
    try await send()
    return seals
  }
}
