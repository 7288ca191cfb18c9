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

  /// Appends the history to a fresh database, a call for each stretch of one workspace between two seals.
  public static func append() async throws -> SampleHistory {
    let pool = try await migratedDatabase()
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
    return SampleHistory(pool: pool, seals: seals)
  }
}

/// A fresh database with the product's schema.
public func migratedDatabase() async throws -> PostgresPool {
  let pool = try await TestCluster.createDatabase().pool(connectionsMax: 2)
  _ = try await Migrator(pool).migrate()
  return pool
}
